//! What a client knows of itself that its telemetry should say.

use opentelemetry::KeyValue;
use otel_messaging_core::{Endpoint, Instrumentation, builder::EndpointBuilder};
use rdkafka::{ClientContext, client::Client};

use crate::{native, semconv};

/// The default of `client.id`, which every client of a process would share.
const DEFAULT_CLIENT_ID: &str = "rdkafka";

/// An endpoint for a producer. It has no consumer group, though its configuration may name one:
/// that of the consumers it was shared with.
pub(crate) fn producer<C: ClientContext>(
    client: &Client<C>,
    instrumentation: &Instrumentation,
) -> Endpoint {
    builder(client).build(instrumentation)
}

/// An endpoint for a consumer, with its group.
pub(crate) fn consumer<C: ClientContext>(
    client: &Client<C>,
    instrumentation: &Instrumentation,
) -> Endpoint {
    let builder = builder(client);
    match native::property(client, c"group.id") {
        Some(group) => builder.consumer_group(&group).build(instrumentation),
        None => builder.build(instrumentation),
    }
}

/// What both have: the client's id, and the first of its bootstrap servers.
fn builder<C: ClientContext>(client: &Client<C>) -> EndpointBuilder {
    let mut builder = Endpoint::builder(semconv::SYSTEM);
    let id = native::property(client, c"client.id").filter(|id| id != DEFAULT_CLIENT_ID);
    if let Some(id) = id.or_else(|| native::client_name(client)) {
        builder = builder.client_id(&id);
    }
    let servers = native::property(client, c"bootstrap.servers").unwrap_or_default();
    if let Some((address, port)) = first_server(&servers) {
        builder = builder.server(address, port);
    }
    builder
}

/// Lets the endpoint know the cluster's id, once the client does: that needs no call to a broker.
pub(crate) fn learn_cluster<C: ClientContext>(endpoint: &Endpoint, client: &Client<C>) {
    endpoint.learn(|| native::cluster_id(client).map(|id| KeyValue::new(semconv::CLUSTER_ID, id)));
}

/// Host and port of the first of a list such as `SASL_SSL://one:9092,[::1]:9093`.
fn first_server(servers: &str) -> Option<(&str, Option<u16>)> {
    let first = servers.split(',').map(str::trim).find(|server| !server.is_empty())?;
    let server = first.split_once("://").map_or(first, |(_, server)| server);
    let (host, port) = match server.strip_prefix('[') {
        Some(address) => {
            let (host, rest) = address.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match server.rsplit_once(':') {
            // More than one colon without brackets is an address alone.
            Some((host, _)) if host.contains(':') => (server, None),
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    (!host.is_empty()).then(|| (host, port.and_then(|port| port.parse().ok())))
}

#[cfg(test)]
mod tests {
    use super::first_server;

    #[test]
    fn the_first_server_is_found_in_every_form() {
        for (servers, expected) in [
            ("", None),
            (" , ", None),
            ("one:9092", Some(("one", Some(9092)))),
            ("one", Some(("one", None))),
            (" ,one:9092,two:9093", Some(("one", Some(9092)))),
            ("SASL_SSL://one.example:9094", Some(("one.example", Some(9094)))),
            ("[::1]:9092", Some(("::1", Some(9092)))),
            ("PLAINTEXT://[fe80::1]", Some(("fe80::1", None))),
            ("::1", Some(("::1", None))),
            ("one:port", Some(("one", None))),
            ("[::1", None),
            (":9092", None),
        ] {
            assert_eq!(first_server(servers), expected, "{servers}");
        }
    }
}
