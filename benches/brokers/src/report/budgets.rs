//! Compares the figures with the budgets, scaled to this machine.

use super::{figures::Figures, table::Table};
use crate::{calibration::REFERENCE, mode::Mode};

/// The most that a disabled instrumentation adds, and that no provider adds to that, in nanoseconds
/// on the machine of reference.
const DISABLED: f64 = 15.0;
/// The most that p99 grows at a fixed rate.
const P99: f64 = 1.05;
/// The least of a fixed rate that is reached: less is a loss of rate, and not noise of the clock.
const RATE: f64 = 0.99;

/// Prints the budgets. Returns the number of those that are missed.
pub(super) fn print(all: &[Figures]) -> usize {
    let report = Report::of(all);
    println!(
        "\n## Budgets\n\nA budget of CPU is that of the machine of reference, times what a careful \
         send of the core's benchmarks takes here over the {REFERENCE} ns that it takes there.\n"
    );
    print!("{}", report.table);
    println!("\n{} missed.", report.missed);
    report.missed
}

struct Report {
    table: Table,
    missed: usize,
}

impl Report {
    fn of(all: &[Figures]) -> Self {
        let table = Table::new(["scenario", "mode", "what", "measured", "budget", "", "verdict"]);
        let mut report = Self { table, missed: 0 };
        for figures in all {
            report.cpu(figures);
            report.throughput(figures);
            report.latency(figures);
        }
        report
    }

    fn cpu(&mut self, figures: &Figures) {
        let scale = figures.calibration / REFERENCE;
        let mut budgets =
            vec![(Mode::Disabled, false, DISABLED), (Mode::NoProvider, false, 2.0 * DISABLED)];
        if let Some(budget) = figures.scenario.budget() {
            for (index, mode) in [Mode::OnePercent, Mode::All].into_iter().enumerate() {
                budgets.push((mode, false, budget.plain[index]));
                budgets.push((mode, true, budget.bound[index]));
            }
        }
        for (mode, bound, budget) in budgets {
            let row = figures.row(mode, bound);
            if let Some((row, added)) = row.and_then(|row| Some((row, row.added?))) {
                let (measured, scaled) = (added.median, budget * scale);
                self.add(
                    figures,
                    row.variant.name(),
                    "CPU added",
                    format!("{measured:+.0} ns"),
                    format!("{scaled:.0} ns"),
                    format!("{budget:.0} × {scale:.2}"),
                    measured <= scaled,
                );
            }
        }
    }

    fn throughput(&mut self, figures: &Figures) {
        let Some(budgets) = figures.scenario.throughput_budget() else { return };
        for (mode, budget) in [Mode::OnePercent, Mode::All].into_iter().zip(budgets) {
            for row in [false, true].into_iter().filter_map(|bound| figures.row(mode, bound)) {
                self.add(
                    figures,
                    row.variant.name(),
                    "throughput",
                    format!("{:.3}", row.throughput),
                    format!("{budget}"),
                    String::new(),
                    row.throughput >= budget,
                );
            }
        }
    }

    fn latency(&mut self, figures: &Figures) {
        for (mode, bound) in
            [Mode::OnePercent, Mode::All].map(|mode| [(mode, false), (mode, true)]).concat()
        {
            let Some(row) = figures.latency(mode, bound) else { continue };
            let mut add = |what, measured: f64, budget: f64, is_met| {
                let (measured, budget) = (format!("{measured:.3}"), format!("{budget}"));
                let name = row.variant.name();
                self.add(figures, name, what, measured, budget, String::new(), is_met);
            };
            add("p99 at a fixed rate", row.p99_ratio, P99, row.p99_ratio <= P99);
            add("fixed rate reached", row.rate_reached, RATE, row.rate_reached >= RATE);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "a row of the table")]
    fn add(
        &mut self,
        figures: &Figures,
        mode: String,
        what: &str,
        measured: String,
        budget: String,
        formula: String,
        is_met: bool,
    ) {
        let verdict = if is_met { "met" } else { "**missed**" };
        self.missed += usize::from(!is_met);
        let title = figures.scenario.title().to_owned();
        self.table.add([title, mode, what.into(), measured, budget, formula, verdict.into()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::figures::tests::{calibration, sample},
        scenario::Scenario,
    };

    /// Returns the row of a mode at 1 %, and the number of budgets that are missed. `ns` is the CPU
    /// that is added to a message, `reference` that of the careful send.
    fn one_percent(ns: u64, reference: f64) -> (String, usize) {
        let scenario = Scenario::KafkaProcess;
        let records = [
            calibration(scenario, reference),
            sample(scenario, Mode::Header, 0, 700),
            sample(scenario, Mode::OnePercent, 0, 700 + ns),
        ];
        let report = Report::of(&[Figures::new(scenario, &records).unwrap()]);
        let table = report.table.to_string();
        let row = table.lines().nth(2).unwrap();
        (row.split_whitespace().collect::<Vec<_>>().join(" "), report.missed)
    }

    #[test]
    fn a_budget_is_that_of_the_reference_scaled_to_this_machine() {
        let row = |measured, budget, verdict| {
            format!(
                "| Kafka, `recv` and `process` | 1 % | CPU added | {measured} | {budget} | {verdict} |"
            )
        };
        let met = row("+1000 ns", "1000 ns", "1000 × 1.00 | met");
        assert_eq!(one_percent(1000, REFERENCE), (met, 0));
        let missed = row("+1001 ns", "1000 ns", "1000 × 1.00 | **missed**");
        assert_eq!(one_percent(1001, REFERENCE), (missed, 1));
        let on_a_slow_machine = row("+1900 ns", "2000 ns", "1000 × 2.00 | met");
        assert_eq!(one_percent(1900, 2.0 * REFERENCE), (on_a_slow_machine, 0));
    }
}
