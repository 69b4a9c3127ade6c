//! Which server a URI names.

use lapin::uri::{AMQPScheme, AMQPUri};

/// The address of a server: a host, and a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) port: u16,
}

/// Read from the text, as the client's own parser takes `[::1]` for `localhost`.
impl From<&&str> for Server {
    fn from(uri: &&str) -> Self {
        let (scheme, rest) = uri.split_once("://").unwrap_or(("amqp", uri));
        let scheme: AMQPScheme = scheme.parse().unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
        let (host, port) = match server.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => match server.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (server, None),
            },
        };
        let port = port.and_then(|port| port.parse().ok());
        Self { address: host.to_owned(), port: port.unwrap_or_else(|| scheme.default_port()) }
    }
}

impl From<&AMQPUri> for Server {
    fn from(uri: &AMQPUri) -> Self {
        Self { address: uri.authority.host.clone(), port: uri.authority.port }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_found_in_every_form() {
        for (uri, address, port) in [
            ("amqp://shop.example/%2f", "shop.example", 5672),
            ("amqps://shop.example", "shop.example", 5671),
            ("amqp://user:p%40ss@shop.example:5673/%2f?heartbeat=10", "shop.example", 5673),
            ("amqp://127.0.0.1:5672", "127.0.0.1", 5672),
            ("amqp://guest:guest@[::1]:5673/%2f", "::1", 5673),
            ("amqps://[fe80::1]", "fe80::1", 5671),
            ("amqp://shop.example?frame_max=4096", "shop.example", 5672),
            ("shop.example:5673", "shop.example", 5673),
            ("shop.example", "shop.example", 5672),
            ("[::1]:5673", "::1", 5673),
            ("amqp://", "", 5672),
            ("", "", 5672),
        ] {
            let expected = Server { address: address.to_owned(), port };
            assert_eq!(Server::from(&uri), expected, "{uri}");
        }
        let uri: AMQPUri = "amqps://shop.example".parse().unwrap();
        let expected = Server { address: "shop.example".to_owned(), port: 5671 };
        assert_eq!(Server::from(&uri), expected);
    }
}
