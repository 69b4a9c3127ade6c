//! What is known of a client and of its server.

use std::sync::LazyLock;

use otel_messaging_core::{
    Instrumentation, Instrumenter,
    client::{InstrumenterBuilder, host_and_port},
};
use rdkafka::{ClientContext, client::Client};

use crate::{native, semconv};

/// The default of `client.id`, which all clients of a process would share.
const DEFAULT_CLIENT_ID: &str = "rdkafka";

/// Makes the instrumenter of a producer. It has no consumer group, though its configuration may
/// name one: applications share one configuration among their clients.
pub(crate) fn producer<C: ClientContext>(
    client: &Client<C>,
    instrumentation: &Instrumentation,
) -> Instrumenter {
    if !is_enabled(instrumentation) {
        return Instrumenter::disabled();
    }
    builder(client).build(instrumentation)
}

/// Makes the instrumenter of a consumer, with its group.
pub(crate) fn consumer<C: ClientContext>(
    client: &Client<C>,
    instrumentation: &Instrumentation,
) -> Instrumenter {
    if !is_enabled(instrumentation) {
        return Instrumenter::disabled();
    }
    let mut builder = builder(client);
    if let Some(group) = native::property(client, c"group.id") {
        builder = builder.consumer_group(&group);
    }
    builder.build(instrumentation)
}

/// Returns an instrumenter for messages of unknown consumers, with the default instrumentation.
pub(crate) fn unknown() -> &'static Instrumenter {
    static UNKNOWN: LazyLock<Instrumenter> =
        LazyLock::new(|| Instrumenter::builder(semconv::SYSTEM).build(&Instrumentation::default()));
    &UNKNOWN
}

/// Returns whether clients with this instrumentation have any telemetry.
pub(crate) fn is_enabled(instrumentation: &Instrumentation) -> bool {
    Instrumenter::builder(semconv::SYSTEM).build(instrumentation).is_enabled()
}

/// Sets the client's id and the first of its bootstrap servers.
fn builder<C: ClientContext>(client: &Client<C>) -> InstrumenterBuilder {
    let mut builder = Instrumenter::builder(semconv::SYSTEM);
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

/// Adds the cluster's id to later spans, once the client knows it: that needs no call to a broker.
pub(crate) fn learn_cluster<C: ClientContext>(instrumenter: &Instrumenter, client: &Client<C>) {
    instrumenter.learn(semconv::CLUSTER_ID, || native::cluster_id(client));
}

/// Returns host and port of the first of a list such as `SASL_SSL://one:9092,[::1]:9093`.
fn first_server(servers: &str) -> Option<(&str, Option<u16>)> {
    let first = servers.split(',').map(str::trim).find(|server| !server.is_empty())?;
    host_and_port(first)
}

#[cfg(test)]
mod tests {
    use super::first_server;

    #[test]
    fn the_first_server_of_a_list_is_found() {
        for (servers, expected) in [
            ("", None),
            (" , ", None),
            ("one", Some(("one", None))),
            (" ,one:9092,two:9093", Some(("one", Some(9092)))),
            ("SASL_SSL://[::1]:9094 ,two", Some(("::1", Some(9094)))),
        ] {
            assert_eq!(first_server(servers), expected, "{servers}");
        }
    }
}
