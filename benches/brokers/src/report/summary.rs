//! Prints one table for all scenarios of each figure: what PERFORMANCE.md has.

use super::{
    figures::{Figures, Latency, Row},
    table::Table,
};
use crate::{mode::Mode, record::Variant};

/// Prints the tables.
pub(super) fn print(all: &[Figures]) {
    let added = |row: &Row| match row.added {
        Some(added) => format!("{:+.0}", added.median),
        None => format!("{:.0}", row.cpu),
    };
    by_row("CPU ns a message; added, but for the bare client", all, added, |_| true);
    by_row(
        "Throughput, as a part of the baseline's",
        all,
        |row| format!("{:.2}", row.throughput),
        |variant| variant.mode.writes_header() && variant.mode != Mode::Header,
    );
    let is_plain = |variant: Variant| !variant.bound;
    by_row("Allocations a message", all, |row| format!("{:.1}", row.allocations), is_plain);
    by_row("Bytes allocated a message", all, |row| format!("{:.0}", row.bytes), is_plain);
    by_row("Peak MiB", all, |row| format!("{:.0}", row.peak_mib), is_plain);
    let latency = |row: &Latency| format!("{:.0} ({:.2})", row.p99_us, row.p99_ratio);
    if all.iter().any(|figures| !figures.latencies.is_empty()) {
        let columns = all.iter().flat_map(|figures| &figures.latencies).map(|row| row.variant);
        table(
            "p99 in µs at a fixed rate (to the bare client's with the header)",
            all,
            columns,
            |figures, variant| {
                let mut rows = figures.latencies.iter();
                rows.find(|row| row.variant == variant).map(latency)
            },
        );
    }
}

fn by_row(
    title: &str,
    all: &[Figures],
    cell: impl Fn(&Row) -> String,
    is_shown: impl Fn(Variant) -> bool,
) {
    let rows = all.iter().flat_map(|figures| &figures.rows);
    let columns = rows.map(|row| row.variant).filter(|variant| is_shown(*variant));
    table(title, all, columns, |figures, variant| {
        figures.row(variant.mode, variant.bound).map(&cell)
    });
}

/// Prints a table with a row for each scenario, and a column for each variant that some have.
fn table(
    title: &str,
    all: &[Figures],
    variants: impl Iterator<Item = Variant>,
    cell: impl Fn(&Figures, Variant) -> Option<String>,
) {
    let mut columns: Vec<Variant> = Vec::new();
    for variant in variants {
        if !columns.contains(&variant) {
            columns.push(variant);
        }
    }
    columns.sort_by_key(|variant| (variant.mode.position(), variant.bound));
    let header = columns.iter().map(|variant| variant.name());
    let mut table = Table::new([title.to_owned()].into_iter().chain(header));
    for figures in all {
        let cells = columns.iter().map(|variant| cell(figures, *variant).unwrap_or_default());
        table.add([figures.scenario.title().to_owned()].into_iter().chain(cells));
    }
    print!("\n{table}");
}
