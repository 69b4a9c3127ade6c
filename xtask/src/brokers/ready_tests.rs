use super::*;
use std::io::Cursor;

/// A broker that says the same whatever it is asked.
struct Script {
    answers: Cursor<Vec<u8>>,
    asked: Vec<u8>,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.answers.read(buffer)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.asked.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn answer(broker: Broker, answers: &[&[u8]]) -> Result<Vec<u8>, String> {
    let mut script = Script { answers: Cursor::new(answers.concat()), asked: Vec::new() };
    ask_stream(broker, &mut script).map_err(|error| error.to_string())?;
    Ok(script.asked)
}

const VERSIONS: &[u8] = b"\0\0\0\x0aotel\0\0\0\0\0\0";

#[test]
fn kafka_is_ready_when_the_cluster_has_a_broker() {
    let asked = answer(Broker::Kafka, &[VERSIONS, b"\0\0\0\x08otel\0\0\0\x01"]).unwrap();
    assert_eq!(&asked[..14], b"\0\0\0\x0a\0\x12\0\0otel\xff\xff");
    assert_eq!(&asked[14..], b"\0\0\0\x0e\0\x03\0\x01otel\xff\xff\0\0\0\0");

    let empty = answer(Broker::Kafka, &[VERSIONS, b"\0\0\0\x08otel\0\0\0\0"]);
    assert_eq!(empty, Err("the cluster has no broker yet".into()));
}

#[test]
fn a_cluster_that_wants_authentication_is_there() {
    assert!(answer(Broker::Kafka, &[VERSIONS]).is_ok());
}

#[test]
fn rabbitmq_starts_the_connection() {
    let start = b"\x01\0\0\0\0\x01\xff\0\x0a\0\x0aand so on";
    assert_eq!(answer(Broker::RabbitMq, &[start]).unwrap(), b"AMQP\0\0\x09\x01");
    assert!(answer(Broker::RabbitMq, &[b"AMQP\0\x01\0\0 and so on"]).is_err());
}

#[test]
fn nats_answers_a_ping() {
    assert!(answer(Broker::Nats, &[b"INFO {\"jetstream\":true}\r\nPONG\r\n"]).is_ok());
    let refused = answer(Broker::Nats, &[b"INFO {}\r\n-ERR 'no'\r\n"]);
    assert_eq!(refused, Err("it does not answer a PING".into()));
    let asked = answer(Broker::Nats, &[b"INFO {\"auth_required\":true}\r\n"]).unwrap();
    assert!(asked.is_empty());
}

#[test]
fn other_programs_are_no_brokers() {
    for broker in Broker::ALL {
        let cause = answer(broker, &[b"HTTP/1.1 400 Bad Request\r\n\r\n"]).unwrap_err();
        assert!(cause.starts_with("it does not speak"), "{broker}: {cause}");
        assert!(answer(broker, &[]).is_err(), "{broker}");
    }
}
