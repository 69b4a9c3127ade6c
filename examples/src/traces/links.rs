//! Links as words: where they lead, and how many there are.

use super::{Exported, Forest};
use opentelemetry::{SpanId, trace::Link};
use std::collections::BTreeMap;

/// How many links to the same kind of span are drawn one by one.
const DRAWN: usize = 3;

/// The lines to stand below a span. The links of overflow children are drawn with their operation.
pub(super) fn lines(forest: &Forest<'_>, index: usize) -> Vec<String> {
    let own = forest.span(index).span.links.len();
    if forest.is_overflow(index) {
        return vec![format!("{own} of the links above")];
    }
    let overflow: usize =
        forest.overflow(index).map(|child| forest.span(child).span.links.len()).sum();

    let mut by_target = BTreeMap::<_, Vec<&Link>>::new();
    for link in forest.links(index) {
        let target = forest.target(link).map(|target| forest.span(target));
        let target = target.map(|it| (it.service.as_str(), it.span.name.as_ref()));
        by_target.entry(target).or_default().push(link);
    }
    let places = if overflow == 0 {
        String::new()
    } else {
        format!(" ({own} on the span, {overflow} on its children)")
    };
    // One kind of target is the rule: then a single line says it all.
    if by_target.len() == 1 {
        return by_target.iter().map(|(target, links)| line(*target, links, &places)).collect();
    }
    let total = (overflow > 0).then(|| format!("{} links{places}", own + overflow));
    let each = by_target.iter().map(|(target, links)| line(*target, links, ""));
    total.into_iter().chain(each).collect()
}

/// `→ send orders (shop) 1f2e3d4c`
fn line(target: Option<(&str, &str)>, links: &[&Link], places: &str) -> String {
    let to = match target {
        Some((service, name)) => format!("→ {name} ({service})"),
        None => "→ a span that was not exported:".to_owned(),
    };
    let ids = links.iter().take(DRAWN).map(|link| short_id(link.span_context.span_id()));
    let ids = ids.collect::<Vec<_>>().join(", ");
    match links.len().saturating_sub(DRAWN) {
        0 if links.len() == 1 => format!("{to} {ids}"),
        0 => format!("{} links{places} {to} {ids}", links.len()),
        more => format!("{} links{places} {to} {ids} ... and {more} more", links.len()),
    }
}

/// The id of a span as it is printed everywhere.
pub(super) fn id(it: &Exported) -> String {
    short_id(it.span.span_context.span_id())
}

/// Half of it: enough to find it on the same screen.
fn short_id(id: SpanId) -> String {
    let mut id = id.to_string();
    id.truncate(8);
    id
}
