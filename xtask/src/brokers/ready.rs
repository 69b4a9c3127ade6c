//! Asking a broker whether it is ready, in its own protocol and by hand.

use super::{broker::Broker, endpoint::Endpoint};
use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(3);

/// One server that answers is enough. The error says what came instead.
pub(crate) fn ask(broker: Broker, endpoint: &Endpoint) -> Result<(), String> {
    let mut causes = Vec::new();
    for server in endpoint.servers() {
        match connect(server).and_then(|stream| {
            if endpoint.is_encrypted() { Ok(()) } else { ask_stream(broker, stream) }
        }) {
            Ok(()) => return Ok(()),
            Err(error) => causes.push(format!("{server}: {error}")),
        }
    }
    Err(causes.join("; "))
}

fn connect(server: &str) -> io::Result<TcpStream> {
    let mut outcome = Err(invalid("the name has no address"));
    for address in server.to_socket_addrs()? {
        outcome = TcpStream::connect_timeout(&address, PATIENCE);
        if outcome.is_ok() {
            break;
        }
    }
    let stream = outcome?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn ask_stream(broker: Broker, stream: impl Read + Write) -> io::Result<()> {
    match broker {
        Broker::Kafka => ask_kafka(stream),
        Broker::RabbitMq => ask_rabbitmq(stream),
        Broker::Nats => ask_nats(stream),
    }
}

/// `ApiVersions`, which every broker answers, then `Metadata`: a node can speak before the cluster
/// has taken it in, and a topic made then would fail.
fn ask_kafka(mut stream: impl Read + Write) -> io::Result<()> {
    let versions = kafka_request(&mut stream, 18, 0, &[])?;
    if versions.get(..2) != Some(&[0, 0]) {
        return Err(invalid("it refuses ApiVersions"));
    }
    // No topics, only the brokers.
    match kafka_request(&mut stream, 3, 1, &0_u32.to_be_bytes()) {
        // A cluster that wants authentication first hangs up: it is there, and that was the question.
        Err(error)
            if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
        Ok(metadata) if metadata.get(..4).is_some_and(|count| count > &[0; 4]) => Ok(()),
        Ok(_) => Err(invalid("the cluster has no broker yet")),
    }
}

/// One request with the header that old versions have; gives the body of the answer.
fn kafka_request(
    stream: &mut (impl Read + Write),
    key: u16,
    version: u16,
    body: &[u8],
) -> io::Result<Vec<u8>> {
    let correlation = [0x6f, 0x74, 0x65, 0x6c];
    let mut request = Vec::new();
    request.extend(key.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(correlation);
    request.extend((-1_i16).to_be_bytes()); // no client id
    request.extend(body);
    let length = u32::try_from(request.len()).unwrap_or_default();
    stream.write_all(&[&length.to_be_bytes(), request.as_slice()].concat())?;

    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u64::from(u32::from_be_bytes(length));
    if !(4..1 << 20).contains(&length) {
        return Err(invalid("it does not speak Kafka's protocol"));
    }
    let mut response = Vec::new();
    stream.take(length).read_to_end(&mut response)?;
    match response.strip_prefix(&correlation) {
        Some(body) => Ok(body.to_vec()),
        None => Err(invalid("it does not speak Kafka's protocol")),
    }
}

/// The protocol header of AMQP 0-9-1; the server answers with `connection.start`.
fn ask_rabbitmq(mut stream: impl Read + Write) -> io::Result<()> {
    stream.write_all(b"AMQP\x00\x00\x09\x01")?;
    let mut frame = [0; 11];
    stream.read_exact(&mut frame)?;
    // A method frame on channel 0: type, channel, size, class 10, method 10.
    if frame[..3] == [1, 0, 0] && frame[7..] == [0, 10, 0, 10] {
        Ok(())
    } else {
        Err(invalid("it does not speak AMQP 0-9-1"))
    }
}

/// The server introduces itself, then has to answer a ping.
fn ask_nats(stream: impl Read + Write) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.by_ref().take(64 * 1024).read_line(&mut line)?;
    if !line.starts_with("INFO {") {
        return Err(invalid("it does not speak the NATS protocol"));
    }
    if ["\"auth_required\":true", "\"tls_required\":true"]
        .iter()
        .any(|needed| line.contains(needed))
    {
        return Ok(());
    }
    stream.get_mut().write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n")?;
    line.clear();
    stream.by_ref().take(1024).read_line(&mut line)?;
    if line.starts_with("PONG") { Ok(()) } else { Err(invalid("it does not answer a PING")) }
}

fn invalid(cause: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, cause)
}

#[cfg(test)]
#[path = "ready_tests.rs"]
mod tests;
