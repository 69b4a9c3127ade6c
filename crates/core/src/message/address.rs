//! Addresses of servers.

/// Splits `host:port`, `host`, `[::1]:port` or a bare IPv6 address into the host, without
/// brackets, and the port. A scheme (`amqp://`), credentials and a path are skipped.
///
/// Returns `None` if there is no host. A port that is no number is left out.
pub fn host_and_port(address: &str) -> Option<(&str, Option<u16>)> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
    let (host, port) = match server.strip_prefix('[') {
        Some(address) => {
            let (host, rest) = address.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match server.rsplit_once(':') {
            // Several colons without brackets are an IPv6 address without a port.
            Some((host, _)) if host.contains(':') => (server, None),
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    (!host.is_empty()).then(|| (host, port.and_then(|port| port.parse().ok())))
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn an_address_is_split_in_every_form() {
        for (address, expected) in [
            ("", None),
            (":9092", None),
            ("[::1", None),
            ("amqp://", None),
            ("one:9092", Some(("one", Some(9092)))),
            ("one", Some(("one", None))),
            ("one:port", Some(("one", None))),
            ("::1", Some(("::1", None))),
            ("[::1]:9092", Some(("::1", Some(9092)))),
            ("SASL_SSL://one.example:9094", Some(("one.example", Some(9094)))),
            ("PLAINTEXT://[fe80::1]", Some(("fe80::1", None))),
            ("amqp://shop.example/%2f", Some(("shop.example", None))),
            (
                "amqp://user:p%40ss@shop.example:5673/%2f?heartbeat=10",
                Some(("shop.example", Some(5673))),
            ),
            ("amqp://guest:guest@[::1]:5673/%2f", Some(("::1", Some(5673)))),
            ("amqp://shop.example?frame_max=4096", Some(("shop.example", None))),
        ] {
            assert_eq!(host_and_port(address), expected, "{address}");
        }
    }
}
