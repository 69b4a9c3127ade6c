//! What is known of a server: its address, from the URI that was connected to.

use lapin::uri::{AMQPScheme, AMQPUri};
use otel_messaging_core::{Instrumentation, Instrumenter, client::host_and_port};

use crate::semconv;

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    address: String,
    port: u16,
}

impl Server {
    /// Reads a URI, or `host:port`. This does not parse the URI as the client does, which takes
    /// `[::1]` for `localhost`.
    pub(crate) fn of(uri: &str) -> Option<Self> {
        let (address, port) = host_and_port(uri)?;
        let scheme = uri.split_once("://").and_then(|(scheme, _)| scheme.parse().ok());
        let default_port = || scheme.unwrap_or(AMQPScheme::AMQP).default_port();
        Some(Self { address: address.to_owned(), port: port.unwrap_or_else(default_port) })
    }
}

impl From<&AMQPUri> for Server {
    fn from(uri: &AMQPUri) -> Self {
        Self { address: uri.authority.host.clone(), port: uri.authority.port }
    }
}

/// Makes the instrumenter of a connection or channel to this server, if that is known.
pub(crate) fn instrumenter(
    server: Option<&Server>,
    instrumentation: &Instrumentation,
) -> Instrumenter {
    let builder = Instrumenter::builder(semconv::SYSTEM);
    match server {
        Some(server) => builder.server(&server.address, Some(server.port)),
        None => builder,
    }
    .build(instrumentation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_left_out_is_the_schemes() {
        for (uri, expected) in [
            ("amqp://shop.example/%2f", Some(("shop.example", 5672))),
            ("amqps://shop.example", Some(("shop.example", 5671))),
            ("amqp://user:p%40ss@shop.example:5673/%2f?heartbeat=10", Some(("shop.example", 5673))),
            ("amqps://[fe80::1]", Some(("fe80::1", 5671))),
            ("shop.example:5673", Some(("shop.example", 5673))),
            ("shop.example", Some(("shop.example", 5672))),
            ("http://shop.example", Some(("shop.example", 5672))),
            ("amqp://", None),
            ("", None),
        ] {
            let server = Server::of(uri);
            let found = server.as_ref().map(|server| (server.address.as_str(), server.port));
            assert_eq!(found, expected, "{uri}");
        }
        let uri: AMQPUri = "amqps://shop.example".parse().unwrap();
        assert_eq!(Server::from(&uri), Server::of("amqps://shop.example").unwrap());
    }
}
