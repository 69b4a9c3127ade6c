//! Chooses ports on loopback: the configured one, the one from last time, or the next free one.

use super::{broker::Broker, instance::Instance};
use std::{env, net::TcpListener};

/// Chooses all ports that the broker needs. Only a shared broker's client port is configured.
pub(super) fn choose(instance: &Instance) -> Result<Vec<u16>, String> {
    let broker = instance.broker;
    let configured = env::var(broker.port_variable()).unwrap_or_default();
    let configured = if instance.name.is_none() { configured.trim() } else { "" };
    choose_with(broker, configured, &instance.ports, is_free)
}

fn choose_with(
    broker: &Broker,
    configured: &str,
    last: &[u16],
    is_free: impl Fn(u16) -> bool,
) -> Result<Vec<u16>, String> {
    let mut ports = Vec::new();
    if !configured.is_empty() {
        let variable = broker.port_variable();
        match configured.parse() {
            Ok(0) | Err(_) => return Err(format!("{variable}={configured} is not a port")),
            Ok(port) if !is_free(port) => {
                return Err(format!(
                    "port {port} is taken by another program: stop that one, or name another port \
                     in {variable}"
                ));
            }
            Ok(port) => ports.push(port),
        }
    }
    for (index, &usual) in broker.ports.iter().enumerate().skip(ports.len()) {
        // 500 ports stay below the range that systems use for outgoing connections.
        let candidates = last.get(index).copied().into_iter().chain(usual..=usual + 500);
        let port = candidates.into_iter().find(|port| is_free(*port) && !ports.contains(port));
        ports.push(port.ok_or_else(|| format!("no port is free from {usual} on"))?);
    }
    Ok(ports)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{super::kafka::KAFKA, *};

    fn choose(configured: &str, last: &[u16], taken: &[u16]) -> Result<Vec<u16>, String> {
        choose_with(&KAFKA, configured, last, |port| !taken.contains(&port))
    }

    #[test]
    fn the_ports_from_last_time_or_the_next_free_ones_are_used() {
        assert_eq!(choose("", &[], &[]), Ok(vec![9092, 19092]));
        assert_eq!(choose("", &[], &[9092, 9093, 19092]), Ok(vec![9094, 19093]));
        assert_eq!(choose("", &[9100, 19100], &[]), Ok(vec![9100, 19100]));
        assert_eq!(choose("", &[9100, 19100], &[9100]), Ok(vec![9092, 19100]));
    }

    #[test]
    fn a_configured_port_is_used_or_refused() {
        assert_eq!(choose("29092", &[9100, 19100], &[]), Ok(vec![29092, 19100]));
        assert_eq!(choose("19092", &[], &[]), Ok(vec![19092, 19093]));
        let cause = choose("9092", &[], &[9092]).unwrap_err();
        assert!(cause.contains("port 9092 is taken"), "{cause}");
        assert!(cause.contains("OTEL_MESSAGING_KAFKA_PORT"), "{cause}");
        assert!(choose("0", &[], &[]).is_err());
        assert!(choose("kafka", &[], &[]).is_err());
    }

    #[test]
    fn a_bound_port_is_not_free() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()));
    }
}
