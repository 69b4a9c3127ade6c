//! Asks a broker over TCP whether it is ready, with one request of its own protocol.

use super::broker::Broker;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(3);

/// Succeeds if the broker is ready. The error says what it did instead. Behind TLS, which would need
/// a library, an accepted connection is enough.
pub(super) fn ask(broker: &Broker, endpoint: &str) -> Result<(), String> {
    let server = server(broker, endpoint);
    let stream = connect(&server).map_err(|error| format!("{server}: {error}"))?;
    if endpoint.starts_with("amqps://") || endpoint.starts_with("tls://") {
        return Ok(());
    }
    ask_server(broker, stream).map_err(|cause| format!("{server}: {cause}"))
}

/// Returns `host:port` of the first server in an endpoint, without a password. An endpoint is a list
/// of `host:port`, or a URL, or a list of URLs.
pub(super) fn server(broker: &Broker, endpoint: &str) -> String {
    let port = if endpoint.starts_with("amqps://") { 5671 } else { broker.ports[0] };
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let host = hosts.split(',').next().unwrap_or_default().trim();
    // A colon within the brackets of `[::1]` is not before a port.
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    if has_port { host.to_owned() } else { format!("{host}:{port}") }
}

fn connect(server: &str) -> io::Result<TcpStream> {
    let mut outcome = Err(io::Error::other("the name has no address"));
    for address in server.to_socket_addrs()? {
        outcome = TcpStream::connect_timeout(&address, LIMIT);
        if outcome.is_ok() {
            break;
        }
    }
    let stream = outcome?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

fn ask_server(broker: &Broker, mut stream: TcpStream) -> Result<(), String> {
    let mut answer = [0; 12];
    let answered = stream.write_all(broker.request).and_then(|()| stream.read_exact(&mut answer));
    answered.map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => "it closes the connection without an answer".to_owned(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "it does not answer".to_owned(),
        _ => error.to_string(),
    })?;
    (broker.check)(&answer).map_err(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{super::broker, *};
    use std::{net::TcpListener, thread};

    #[test]
    fn an_endpoint_gives_its_first_server_without_a_password() {
        let [kafka, rabbitmq, nats] = broker::ALL;
        assert_eq!(server(kafka, "a:1, b"), "a:1");
        assert_eq!(server(kafka, "[::1]:9093"), "[::1]:9093");
        assert_eq!(server(kafka, "[::1]"), "[::1]:9092");
        assert_eq!(server(rabbitmq, "amqp://u:p@s,s@n:5673/%2f?a=b"), "n:5673");
        assert_eq!(server(rabbitmq, "amqps://broker"), "broker:5671");
        assert_eq!(server(nats, "nats://token@n,nats://token@m"), "n:4222");
    }

    /// Asks a server that gives this answer, whatever the request is.
    fn ask_one(broker: &Broker, answer: &'static [u8]) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = broker.endpoint(listener.local_addr().unwrap().port());
        let request = broker.request.len();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut vec![0; request]).unwrap();
            stream.write_all(answer).unwrap();
        });
        let outcome = ask(broker, &endpoint);
        server.join().unwrap();
        outcome.map_err(|cause| cause.split_once(": ").unwrap().1.to_owned())
    }

    #[test]
    fn only_a_broker_that_is_ready_passes() {
        let [kafka, rabbitmq, nats] = broker::ALL;
        assert_eq!(ask_one(kafka, b"\0\0\0\x2aotel\0\0\0\x01and so on"), Ok(()));
        let cause = ask_one(kafka, b"\0\0\0\x08otel\0\0\0\0").unwrap_err();
        assert_eq!(cause, "the cluster has no broker yet");
        assert_eq!(ask_one(rabbitmq, b"\x01\0\0\0\0\x01\xff\0\x0a\0\x0aand so on"), Ok(()));
        assert_eq!(ask_one(nats, b"INFO {\"jetstream\":true}\r\n"), Ok(()));
        for broker in [kafka, rabbitmq, nats] {
            let cause = ask_one(broker, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap_err();
            assert!(cause.starts_with("it does not speak"), "{broker}: {cause}");
            let cause = ask_one(broker, b"").unwrap_err();
            assert_eq!(cause, "it closes the connection without an answer");
        }
    }
}
