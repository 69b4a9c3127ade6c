//! A day of orders on three brokers: five services, each a process of its own, from one binary.
//!
//! The files to read are `shop.rs`, `stock.rs`, `billing.rs`, `mailer.rs` and `nightly.rs`: they are
//! instrumented by an import, and by `process` around their handlers. `all` runs the five and checks
//! what they have exported.

mod billing;
mod brokers;
mod mailer;
mod nightly;
mod shop;
mod stock;

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use otel_messaging_demo::{
    Result, all, audit::Hop, children::Program, exit, print, sampled, service, telemetry,
};

use crate::brokers::Brokers;

const SERVICES: [&str; 5] = ["shop", "stock", "billing", "mailer", "nightly"];
const HOPS: [Hop; 5] = [
    Hop::new("NATS request", "nats", ["shop", "stock"], None),
    Hop::new("NATS reply", "nats", ["stock", "shop"], Some(0)).received(),
    Hop::new("Kafka", "kafka", ["shop", "billing"], None),
    Hop::new("RabbitMQ", "rabbitmq", ["billing", "mailer"], Some(2)),
    Hop::new("JetStream", "nats", ["billing", "nightly"], Some(2)),
];

/// A service, and a variable that it has for itself, with its value.
type Variable = (String, (String, String));

fn main() -> ExitCode {
    let matches = command().get_matches();
    let Some((service, matches)) = matches.subcommand() else { return ExitCode::from(2) };
    let orders = *matches.get_one("orders").unwrap_or(&0);
    exit(match service {
        "shop" => service::run("shop", orders, shop::run),
        "stock" => service::run("stock", orders, stock::run),
        "billing" => service::run("billing", orders, billing::run),
        "mailer" => service::run("mailer", orders, mailer::run),
        "nightly" => service::run("nightly", orders, nightly::run),
        _ => run_all(matches, orders),
    })
}

fn command() -> Command {
    let option = |name, value| Arg::new(name).long(name).value_name(value);
    let orders = option("orders", "N")
        .default_value("100")
        .value_parser(value_parser!(u64).range(1..=10_000))
        .help("Orders of the day, at most 10000");
    let variable = option("env", "SERVICE:VARIABLE=VALUE")
        .action(ArgAction::Append)
        .value_parser(variable)
        .help(
            "Set a variable for one service only: break one, and see it noticed \
             (mailer:OTEL_TRACES_SAMPLER=always_off)",
        );
    let sampler = option("sampler", "RULE").value_parser(["root", "any", "sticky"]).help(
        "Sample, and count what is kept: `root` decides on each trace alone, `any` by the flags \
             of links, `sticky` keeps chains of linked traces whole. Without it all spans are kept",
    );
    let rate = option("sampling-rate", "RATE")
        .requires("sampler")
        .default_value("0.01")
        .value_parser(value_parser!(f64))
        .help("The share of traces that the sampler keeps");
    let one_trace = Arg::new("one-trace").long("one-trace").action(ArgAction::SetTrue).help(
        "Make one trace of a message's producer and consumer, instead of two that are linked \
         (ProcessParent::CreationContextIfNoAmbient). Batches have links in any case",
    );
    let service = |name| Command::new(name).about("Run this service alone").arg(orders.clone());
    let all = Command::new("all")
        .override_usage("cargo xtask demo --all [OPTIONS]\n       services all [OPTIONS]")
        .about(
            "Runs a day of orders through five services, each a process of its own, on Kafka, \
             RabbitMQ and NATS: shop asks stock (NATS request) and orders (Kafka); billing sends \
             invoices (RabbitMQ) and notes each order in the day book (JetStream); mailer mails \
             the invoices; nightly takes the whole day as one batch. Then shows their traces, and \
             counts whether each order can be followed all the way",
        )
        .args([orders.clone(), variable, one_trace, sampler, rate, all::html()])
        .after_help(format!(
            "OTEL_MESSAGING_KAFKA, OTEL_MESSAGING_RABBITMQ and OTEL_MESSAGING_NATS say where the \
             brokers are; the xtask sets them, and starts brokers that they do not name. {}\n\n\
             Exit status: 0 if nothing is missing; 1 if something is, or if a service or its \
             export failed; 2 if an option is wrong.",
            telemetry::HELP
        ));
    Command::new("services")
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommands(SERVICES.map(service))
        .subcommand(all)
}

fn variable(text: &str) -> Result<Variable, String> {
    let parts = || {
        let (service, variable) = text.split_once(':')?;
        let (name, value) = variable.split_once('=').filter(|(name, _)| !name.is_empty())?;
        let is_service = SERVICES.contains(&service);
        is_service.then(|| (service.to_owned(), (name.to_owned(), value.to_owned())))
    };
    parts().ok_or(format!("one of {} has to stand before the colon", SERVICES.join(", ")))
}

fn run_all(matches: &ArgMatches, orders: u64) -> Result {
    let (brokers, suffix) = (Brokers::from_env()?, all::suffix());
    print(format_args!("{orders} orders go through {}.\n", SERVICES.join(", ")));
    let variables: Vec<&Variable> = matches.get_many("env").into_iter().flatten().collect();
    let rate = *matches.get_one::<f64>("sampling-rate").unwrap_or(&1.0);
    let sampler = matches.get_one::<String>("sampler").map(|rule| format!("{rule}:{rate}"));
    let chosen = sampler.iter().map(|sampler| (sampled::SAMPLER, sampler.as_str()));
    let joined = matches.get_flag("one-trace").then_some((telemetry::ONE_TRACE, "true"));
    let for_all = chosen.chain(joined).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let programs = SERVICES.map(|service| {
        let own = variables.iter().filter(|(of, _)| of == service);
        Program {
            service,
            args: [service, "--orders", &orders.to_string()].map(str::to_owned).into(),
            variables: for_all.clone().chain(own.map(|(_, own)| own.clone())).collect(),
            input: String::new(),
        }
    });
    let (html, clean) = (matches.get_one("html"), brokers.remove(&suffix));
    let (orders, sampler) = (usize::try_from(orders)?, sampler.as_deref());
    all::run(programs.into(), &suffix, orders, &HOPS, html, sampler, clean)
}
