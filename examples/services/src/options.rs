//! The options of the command line.

use crate::service::Service;
use std::ffi::OsString;

pub(crate) const USAGE: &str = "\
Usage: cargo xtask demo --all [options]
       services all [options]
       services shop|stock|billing|mailer|nightly [--orders N]

`all` runs a day of orders through the five services, each a process of its own, on Kafka, RabbitMQ
and NATS: shop asks stock (NATS request) and orders (Kafka); billing sends invoices (RabbitMQ) and
notes each order in the day book (JetStream); mailer mails the invoices; nightly takes the whole day
as one batch. Then it shows their traces, and counts whether each order can be followed all the way.

  --orders N                   orders of the day, from 1 to 10000 (100 if nothing else is said)
  --env SERVICE:VARIABLE=VALUE sets a variable for one service only: break one, and see it noticed
                               (mailer:OTEL_TRACES_SAMPLER=always_off)
  -h, --help                   show this

OTEL_MESSAGING_KAFKA, OTEL_MESSAGING_RABBITMQ and OTEL_MESSAGING_NATS say where the brokers are; the
xtask sets them, and starts brokers that they do not name. With OTEL_EXPORTER_OTLP_ENDPOINT (or
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and .._METRICS_ENDPOINT) set, traces and metrics also go there,
over OTLP http/protobuf; metrics do not with OTEL_METRICS_EXPORTER=none.

Exit status: 0 if nothing is missing; 1 if something is, or if a service or its export failed;
2 if an option is wrong.
";

/// More would be too much for one batch, and for a terminal.
const MOST_ORDERS: u64 = 10_000;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Service { service: Service, orders: u64 },
    All { orders: u64, variables: Vec<Variable> },
}

/// A variable of the environment that one service has for itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) service: Service,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Reads the arguments; an error is the cause, for people.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut args = args.into_iter().map(|arg| arg.to_string_lossy().into_owned());
    let what = args.next().ok_or("say which service to run, or `all`")?;
    if matches!(what.as_str(), "-h" | "--help") {
        return Ok(Command::Help);
    }
    let service = Service::from_name(&what);
    if service.is_none() && what != "all" {
        return Err(format!("there is no service `{what}`"));
    }
    let (mut orders, mut variables) = (None, Vec::new());
    while let Some(arg) = args.next() {
        let (name, attached) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (arg.as_str(), None),
        };
        let is_attached = attached.is_some();
        let value = || attached.or_else(|| args.next()).ok_or(format!("{name} needs a value"));
        match name {
            "-h" | "--help" if !is_attached => return Ok(Command::Help),
            "--orders" if orders.is_some() => return Err("give --orders once".into()),
            "--orders" => orders = Some(count(&value()?)?),
            "--env" if service.is_none() => variables.push(variable(&value()?)?),
            _ => return Err(format!("`{what}` has no option `{arg}`")),
        }
    }
    let orders = orders.unwrap_or(100);
    Ok(match service {
        Some(service) => Command::Service { service, orders },
        None => Command::All { orders, variables },
    })
}

fn count(value: &str) -> Result<u64, String> {
    let count = value.parse().ok().filter(|count| (1..=MOST_ORDERS).contains(count));
    count.ok_or(format!("--orders needs a whole number from 1 to {MOST_ORDERS}, not `{value}`"))
}

fn variable(text: &str) -> Result<Variable, String> {
    let parts = || {
        let (service, variable) = text.split_once(':')?;
        let (name, value) = variable.split_once('=').filter(|(name, _)| !name.is_empty())?;
        let service = Service::from_name(service)?;
        Some(Variable { service, name: name.to_owned(), value: value.to_owned() })
    };
    parts().ok_or(format!("--env needs SERVICE:VARIABLE=VALUE, not `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Command, String> {
        super::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn every_option_is_understood() {
        let one = |service, orders| Ok(Command::Service { service, orders });
        assert_eq!(parse(&["shop"]), one(Service::Shop, 100));
        assert_eq!(parse(&["nightly", "--orders", "7"]), one(Service::Nightly, 7));
        assert_eq!(parse(&["all"]), Ok(Command::All { orders: 100, variables: vec![] }));
        let variable = |service, name: &str, value: &str| Variable {
            service,
            name: name.into(),
            value: value.into(),
        };
        let variables =
            vec![variable(Service::Stock, "A", "b:c=d"), variable(Service::Billing, "E", "")];
        assert_eq!(
            parse(&["all", "--env", "stock:A=b:c=d", "--orders=10000", "--env=billing:E="]),
            Ok(Command::All { orders: 10_000, variables })
        );
        assert_eq!(parse(&["--help"]), Ok(Command::Help));
        assert_eq!(parse(&["all", "--orders", "1", "-h"]), Ok(Command::Help));
    }

    #[test]
    fn everything_else_is_an_error() {
        for args in [
            vec![],
            vec!["shops"],
            vec!["all", "--order", "3"],
            vec!["all", "--orders", "0"],
            vec!["all", "--orders", "10001"],
            vec!["all", "--orders", "many"],
            vec!["all", "--orders"],
            vec!["all", "--orders=3", "--orders=3"],
            vec!["all", "--help=yes"],
            vec!["all", "--env", "shop:A"],
            vec!["all", "--env", "shop:=b"],
            vec!["all", "--env", "A=b"],
            vec!["all", "--env", "all:A=b"],
            vec!["shop", "--env", "shop:A=b"],
            vec!["shop", "stock"],
        ] {
            assert!(parse(&args).is_err(), "{args:?}");
        }
    }
}
