//! Orders on their way through three services that talk over Kafka, and the telemetry that the
//! services export: what `cargo xtask demo` runs.
//!
//! The files to read are `shop.rs`, `billing.rs` and `ledger.rs`: they are instrumented by an
//! import, and by `process` around their handlers.

mod billing;
mod cluster;
mod ledger;
mod order;
mod shop;

use std::{path::PathBuf, process::ExitCode};

use clap::{Arg, Command, value_parser};
use otel_messaging_demo::{
    Result, all, audit::Hop, children::Program, exit, log, print, service, telemetry,
};

use crate::cluster::Cluster;

const SERVICES: [&str; 3] = ["shop", "billing", "ledger"];
const HOPS: [Hop; 2] = [
    Hop::new("orders", "kafka", ["shop", "billing"], None),
    Hop::new("invoices", "kafka", ["billing", "ledger"], Some(0)),
];

fn main() -> ExitCode {
    let matches = command().get_matches();
    if let Some((service, matches)) = matches.subcommand() {
        let orders = *matches.get_one("ORDERS").unwrap_or(&0);
        return exit(match service {
            "shop" => service::run("shop", orders, shop::run),
            "billing" => service::run("billing", orders, billing::run),
            _ => service::run("ledger", orders, ledger::run),
        });
    }
    let count = *matches.get_one("messages").unwrap_or(&0_u64);
    let orders = match matches.get_one::<PathBuf>("orders") {
        None => Ok((1..=count).map(order::made_up).collect()),
        Some(path) => order::read(path),
    };
    match orders {
        Err(error) => {
            log(format_args!("failed: {error}"));
            ExitCode::from(2)
        }
        Ok(orders) if orders.is_empty() => {
            log("failed: no valid order, so nothing was sent; an order is a line like `Ada,12.50`");
            ExitCode::from(3)
        }
        Ok(orders) => exit(run(&orders, matches.get_one("brokers"), matches.get_one("html"))),
    }
}

fn command() -> Command {
    let option = |name, value| Arg::new(name).long(name).value_name(value);
    let messages = option("messages", "N")
        .default_value("300")
        .value_parser(value_parser!(u64).range(1..=order::MOST as u64))
        .help("Send N made-up orders, at most 10000");
    let orders = option("orders", "FILE")
        .conflicts_with("messages")
        .value_parser(value_parser!(PathBuf))
        .help("Send the lines of FILE that are orders such as `Ada,12.50`, and report the others");
    let brokers = option("brokers", "HOST:PORT").help(
        "Use a real Kafka cluster; more brokers follow after commas. Without this, Kafka is \
         embedded and nothing needs to be installed",
    );
    let count = Arg::new("ORDERS").required(true).value_parser(value_parser!(u64));
    Command::new("orders")
        .override_usage("cargo xtask demo [OPTIONS]")
        .about(
            "Sends orders through three services that talk over Kafka (shop, billing, ledger), \
             shows the traces they made, and counts whether each order can be followed all the way",
        )
        .args([messages, orders, brokers, all::html()])
        .subcommands(SERVICES.map(|name| Command::new(name).hide(true).arg(count.clone())))
        .disable_help_subcommand(true)
        .after_help(format!(
            "{}\n\nExit status: 0 if nothing is missing; 1 if something is, or if the run or the \
             export failed; 2 if an option is wrong or the file cannot be read; 3 if the file \
             holds no valid order.",
            telemetry::HELP
        ))
}

fn run(orders: &[String], brokers: Option<&String>, html: Option<&PathBuf>) -> Result {
    let cluster = brokers.map_or_else(Cluster::embedded, |brokers| Cluster::real(brokers))?;
    let names = SERVICES.join(", ");
    print(format_args!("{} orders go through {names}, over {cluster}.\n", orders.len()));
    let programs = SERVICES.map(|service| Program {
        service,
        args: vec![service.to_owned(), orders.len().to_string()],
        variables: cluster.variables(),
        input: if service == "shop" { orders.join("\n") } else { String::new() },
    });
    all::run(programs.into(), &cluster.suffix, orders.len(), &HOPS, html, None, cluster.remove())
}
