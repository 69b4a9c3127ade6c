//! Prints the tables, in Markdown.

mod budgets;
mod figures;
mod summary;
mod table;

use self::{figures::Figures, table::Table};
use crate::{machine, record::Record, scenario::Scenario, statistics::Quartiles};

/// Prints all tables. Returns the number of budgets that are missed.
pub(crate) fn print(records: &[Record]) -> usize {
    for record in records {
        if let Record::Machine(machine) = record {
            println!("Measured on {machine}.");
        }
    }
    let figures: Vec<_> =
        Scenario::ALL.into_iter().filter_map(|scenario| Figures::new(scenario, records)).collect();
    for figures in &figures {
        println!("\n## {}\n", figures.scenario.title());
        println!("{}", conditions(figures, records));
        print_throughput(figures);
        print_latency(figures);
    }
    println!("\n## All scenarios");
    summary::print(&figures);
    budgets::print(&figures)
}

/// Says how much was measured, and whether the machine was quiet.
fn conditions(figures: &Figures, records: &[Record]) -> String {
    let busy = records.iter().find_map(|record| match record {
        Record::Busy { scenario, percent } if *scenario == figures.scenario => Some(*percent),
        _ => None,
    });
    let quiet = match busy {
        Some(percent) if machine::is_quiet(percent) => "the machine was quiet before".to_owned(),
        Some(percent) => format!(
            "**there was no quiet moment: others kept the machine {percent:.0} % busy, so times \
             are not to be relied on**"
        ),
        None => "it is not known whether the machine was quiet".to_owned(),
    };
    let (messages, rounds) = (figures.messages, figures.rounds);
    let rounds = if rounds == 1 { "1 round".to_owned() } else { format!("{rounds} rounds") };
    format!("{messages} messages a round, {rounds}; {quiet}.\n")
}

fn print_throughput(figures: &Figures) {
    let mut table = Table::new([
        "mode",
        "CPU ns a message",
        "added (quartiles)",
        "allocations",
        "bytes",
        "throughput",
        "peak MiB",
    ]);
    for row in &figures.rows {
        let added = row.added.map_or_else(String::new, |Quartiles { lower, median, upper }| {
            format!("{median:+.0} ({lower:+.0} to {upper:+.0})")
        });
        table.add([
            row.variant.name(),
            format!("{:.0}", row.cpu),
            added,
            format!("{:.1}", row.allocations),
            format!("{:.0}", row.bytes),
            format!("{:.2}", row.throughput),
            format!("{:.0}", row.peak_mib),
        ]);
    }
    print!("{table}");
}

fn print_latency(figures: &Figures) {
    let Some(rate) = figures.rate else { return };
    println!("\nFrom sending to processing, at {rate} messages a second:\n");
    let mut table = Table::new(["mode", "p50 µs", "p99 µs", "p99, ratio", "rate reached"]);
    for row in &figures.latencies {
        table.add([
            row.variant.name(),
            format!("{:.0}", row.p50_us),
            format!("{:.0}", row.p99_us),
            format!("{:.2}", row.p99_ratio),
            format!("{:.3}", row.rate_reached),
        ]);
    }
    print!("{table}");
}
