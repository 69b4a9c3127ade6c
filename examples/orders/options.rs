//! The options of the command line.

use std::{ffi::OsString, path::PathBuf};

pub(crate) const USAGE: &str = "\
Usage: cargo xtask demo [options]

Sends orders through three services that talk over Kafka (shop, billing, ledger), shows the traces
they made, and counts whether each message can be followed from its sender to its receiver.

  --messages N         send N made-up orders (300 if nothing else is said)
  --orders FILE        send the lines of FILE, each a `customer,amount` such as `Ada,12.50`;
                       lines that are none are reported with their number, and counted
  --brokers HOST:PORT  use a real Kafka cluster; more brokers follow after commas (without this,
                       Kafka is embedded and nothing needs to be installed)
  -h, --help           show this

With OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and .._METRICS_ENDPOINT) set,
traces and metrics also go there, over OTLP http/protobuf.

Exit status: 0 if nothing is missing; 1 if something is, or if the run or the export failed;
2 if an option is wrong or the file cannot be read; 3 if the file holds no valid order.
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Run(Options),
}

/// How to run the pipeline.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) source: Source,
    /// `HOST:PORT,..` of a real cluster; else an embedded one.
    pub(crate) brokers: Option<String>,
}

/// Where orders come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    MadeUp(u64),
    File(PathBuf),
}

/// Reads the arguments; an error is the cause, for people.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let (mut source, mut brokers) = (None, None);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let shown = arg.to_string_lossy().into_owned();
        let (name, attached) = match arg.to_str().and_then(|arg| arg.split_once('=')) {
            Some((name, value)) => (name, Some(value.into())),
            None => (shown.as_str(), None),
        };
        let is_attached = attached.is_some();
        let mut value =
            || attached.clone().or_else(|| args.next()).ok_or(format!("{name} needs a value"));
        match name {
            "-h" | "--help" if !is_attached => return Ok(Command::Help),
            "--messages" | "--orders" if source.is_some() => {
                return Err("give --messages or --orders, once".into());
            }
            "--messages" => source = Some(Source::MadeUp(count(&value()?)?)),
            "--orders" => source = Some(Source::File(value()?.into())),
            "--brokers" if brokers.is_some() => return Err("give --brokers once".into()),
            "--brokers" => brokers = Some(addresses(&value()?)?),
            _ => return Err(format!("there is no option `{shown}`")),
        }
    }
    Ok(Command::Run(Options { source: source.unwrap_or(Source::MadeUp(300)), brokers }))
}

fn count(value: &OsString) -> Result<u64, String> {
    let count = value.to_str().and_then(|value| value.parse().ok()).filter(|&count| count > 0);
    count.ok_or(format!("--messages needs a whole number from 1, not `{}`", value.display()))
}

fn addresses(value: &OsString) -> Result<String, String> {
    let is_address = |address: &str| {
        let (host, port) = address.rsplit_once(':').unwrap_or_default();
        !host.is_empty() && port.parse::<u16>().is_ok()
    };
    let value = value.to_string_lossy();
    if value.split(',').all(is_address) {
        return Ok(value.into_owned());
    }
    Err(format!("--brokers needs HOST:PORT or HOST:PORT,HOST:PORT,.. and not `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Command, String> {
        super::parse(args.iter().map(OsString::from))
    }

    fn run(source: Source, brokers: Option<&str>) -> Command {
        Command::Run(Options { source, brokers: brokers.map(Into::into) })
    }

    #[test]
    fn every_option_is_understood() {
        assert_eq!(parse(&[]), Ok(run(Source::MadeUp(300), None)));
        assert_eq!(parse(&["--messages", "7"]), Ok(run(Source::MadeUp(7), None)));
        assert_eq!(parse(&["--messages=7"]), Ok(run(Source::MadeUp(7), None)));
        let both = parse(&["--brokers", "a:1,[::1]:2", "--orders", "a=b"]);
        assert_eq!(both, Ok(run(Source::File("a=b".into()), Some("a:1,[::1]:2"))));
        assert_eq!(parse(&["--messages", "1", "--help"]), Ok(Command::Help));
    }

    #[test]
    fn everything_else_is_an_error() {
        for args in [
            ["--mesages", "3"],
            ["--messages", "0"],
            ["--messages", "-1"],
            ["--messages", "many"],
            ["--brokers", "kafka"],
            ["--brokers", "kafka:9092,"],
            ["--brokers", "kafka:99999"],
            ["3", "4"],
            ["--messages=3", "--orders=f"],
            ["--help=yes", ""],
        ] {
            assert!(parse(&args).is_err(), "{args:?}");
        }
        assert_eq!(parse(&["--orders"]), Err("--orders needs a value".into()));
    }
}
