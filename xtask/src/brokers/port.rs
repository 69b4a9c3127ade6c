//! Ports on loopback: the configured one, the one from last time, or the next that is free.

use super::{broker::Broker, instance::Instance};
use std::{env, net::TcpListener};

/// As many as a broker needs, the clients' port first. Only the shared one's is configured.
pub(crate) fn choose(
    broker: Broker,
    instance: &Instance,
    remembered: &[u16],
) -> Result<Vec<u16>, String> {
    let configured = env::var(broker.port_variable()).ok().filter(|port| !port.trim().is_empty());
    let configured = configured.filter(|_| *instance == Instance::Shared);
    let ports = choose_with(broker, configured.as_deref(), remembered, is_free)?;
    if let (None, Some(&before), Some(&now)) = (configured, remembered.first(), ports.first())
        && before != now
    {
        eprintln!("{broker}: port {before} was taken by another program since: using {now}");
    }
    Ok(ports)
}

fn choose_with(
    broker: Broker,
    configured: Option<&str>,
    remembered: &[u16],
    is_free: impl Fn(u16) -> bool,
) -> Result<Vec<u16>, String> {
    let configured = configured.map(|port| parse(broker, port)).transpose()?;
    if let Some(port) = configured
        && !is_free(port)
    {
        return Err(format!(
            "port {port} is taken by another program: stop that one, or name another port in {}",
            broker.port_variable()
        ));
    }
    let mut chosen = Vec::new();
    for (index, &usual) in broker.usual_ports().iter().enumerate() {
        let configured = configured.filter(|_| index == 0);
        let remembered = remembered.get(index).copied();
        // Upwards from the usual one and below what systems hand out for outgoing connections.
        let next = (usual..=usual.saturating_add(500))
            .find(|port| is_free(*port) && !chosen.contains(port) && configured != Some(*port));
        let port = configured
            .or_else(|| remembered.filter(|port| is_free(*port) && !chosen.contains(port)))
            .or(next)
            .ok_or_else(|| format!("no port is free from {usual} on"))?;
        chosen.push(port);
    }
    Ok(chosen)
}

fn parse(broker: Broker, port: &str) -> Result<u16, String> {
    match port.trim().parse() {
        Ok(0) | Err(_) => Err(format!("{}={port} is not a port", broker.port_variable())),
        Ok(port) => Ok(port),
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(
        configured: Option<&str>,
        remembered: &[u16],
        taken: &[u16],
    ) -> Result<Vec<u16>, String> {
        choose_with(Broker::Kafka, configured, remembered, |port| !taken.contains(&port))
    }

    #[test]
    fn usual_ports_come_first_and_taken_ones_are_passed_over() {
        assert_eq!(choose(None, &[], &[]), Ok(vec![9092, 19092]));
        assert_eq!(choose(None, &[], &[9092, 9093, 19092]), Ok(vec![9094, 19093]));
    }

    #[test]
    fn remembered_ports_are_kept_while_they_are_free() {
        assert_eq!(choose(None, &[9100, 19100], &[]), Ok(vec![9100, 19100]));
        assert_eq!(choose(None, &[9100, 19100], &[9100]), Ok(vec![9092, 19100]));
    }

    #[test]
    fn a_configured_port_is_taken_or_refused() {
        assert_eq!(choose(Some("29092"), &[9100, 19100], &[]), Ok(vec![29092, 19100]));
        assert_eq!(choose(Some("19092"), &[], &[]), Ok(vec![19092, 19093]));
        let cause = choose(Some("9092"), &[], &[9092]).unwrap_err();
        assert!(cause.contains("port 9092 is taken"), "{cause}");
        assert!(cause.contains("OTEL_MESSAGING_KAFKA_PORT"), "{cause}");
        assert!(choose(Some("0"), &[], &[]).is_err());
        assert!(choose(Some("kafka"), &[], &[]).is_err());
    }

    #[test]
    fn a_bound_port_is_not_free() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()));
    }
}
