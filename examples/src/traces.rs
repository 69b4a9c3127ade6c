//! The traces as a person wants to see them: trees, with links drawn to where they lead.

pub mod by_hand;
mod forest;
mod groups;
mod links;
#[cfg(test)]
mod tests;

pub use self::forest::{Exported, Forest};

use self::groups::{Group, groups};
use crate::table::{Cell, Table};
use opentelemetry::trace::Status;
use std::time::Duration;

/// What stands before a tree's first line, and before all others.
type Branch = (&'static str, &'static str);

const ROOT: Branch = ("", "");
const MIDDLE: Branch = ("├─ ", "│  ");
const LAST: Branch = ("└─ ", "   ");

/// Draws all traces.
pub fn draw(forest: &Forest<'_>) -> String {
    let mut table = Table::new([
        Cell::left("span"),
        Cell::left("kind"),
        Cell::left("service"),
        Cell::right("took"),
        Cell::left("id"),
    ]);
    for group in groups(forest, forest.roots()) {
        table.gap();
        draw_group(forest, &group, "", (ROOT, ROOT), &mut table);
    }
    table.to_string()
}

/// `last` is the branch of what comes last in the group, `middle` that of all before.
fn draw_group(
    forest: &Forest<'_>,
    group: &Group,
    indent: &str,
    (middle, last): (Branch, Branch),
    table: &mut Table<5>,
) {
    let more = more(forest, &group.more);
    for (nth, &tree) in group.shown.iter().enumerate() {
        let is_last = more.is_none() && nth + 1 == group.shown.len();
        let (own, below) = if is_last { last } else { middle };
        draw_tree(forest, tree, &format!("{indent}{own}"), &format!("{indent}{below}"), table);
    }
    if let Some(more) = more {
        table.note(format!("{indent}{}{more}", last.0));
    }
}

fn draw_tree(forest: &Forest<'_>, index: usize, first: &str, others: &str, table: &mut Table<5>) {
    let it = forest.span(index);
    table.row([
        Cell::left(format!("{first}{}", it.span.name)),
        Cell::left(format!("{:?}", it.span.span_kind).to_uppercase()),
        Cell::left(&it.service),
        Cell::right(shown(took(it))),
        Cell::left(links::id(it)),
    ]);
    let children = forest.children(index);
    let trunk = if children.is_empty() { "   " } else { "│  " };
    if let Status::Error { description } = &it.span.status {
        table.note(format!("{others}{trunk}failed: {}", description.escape_debug()));
    }
    for line in links::lines(forest, index) {
        table.note(format!("{others}{trunk}{line}"));
    }
    let groups = groups(forest, children);
    for (nth, group) in groups.iter().enumerate() {
        let last = if nth + 1 == groups.len() { LAST } else { MIDDLE };
        draw_group(forest, group, others, (MIDDLE, last), table);
    }
}

/// `... and 297 more like it (612 µs to 12.1 ms)`
fn more(forest: &Forest<'_>, trees: &[usize]) -> Option<String> {
    let took = || trees.iter().map(|&tree| took(forest.span(tree)));
    let (fastest, slowest) = (took().min()?, took().max()?);
    let (count, fastest, slowest) = (trees.len(), shown(fastest), shown(slowest));
    Some(format!("... and {count} more like it ({fastest} to {slowest})"))
}

fn took(it: &Exported) -> Duration {
    // A clock that was set back makes a span end before it started.
    it.span.end_time.duration_since(it.span.start_time).unwrap_or_default()
}

fn shown(took: Duration) -> String {
    match took.as_secs_f64() {
        seconds if seconds < 1e-3 => format!("{:.0} µs", seconds * 1e6),
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    }
}
