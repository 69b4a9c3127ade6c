//! Draws spans as trees, with a line for what each span links to.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use opentelemetry_proto::tonic::trace::v1::{Span, span::Link};

use crate::spans::{Exported, Forest};

/// How many trees of one shape, and how many links to spans of one name, are shown.
const SHOWN: usize = 3;

/// Draws all traces.
pub fn draw(forest: &Forest<'_>) -> String {
    let mut drawn = line(["span", "kind", "service", "took", "id"]);
    for group in groups(forest, &forest.roots) {
        drawn += "\n";
        for item in group {
            item.draw(forest, "", "", &mut drawn);
        }
    }
    drawn
}

fn line([name, kind, service, took, id]: [&str; 5]) -> String {
    format!("{name:<28}{kind:<10}{service:<9}{took:>8}  {id}\n")
}

/// A tree by its root, or the line that stands for more trees like those before it.
enum Item {
    Tree(usize),
    More(String),
}

impl Item {
    /// Draws the item: `first` begins its first line, `others` the other ones.
    fn draw(&self, forest: &Forest<'_>, first: &str, others: &str, drawn: &mut String) {
        match self {
            Self::Tree(index) => draw_tree(forest, *index, first, others, drawn),
            Self::More(more) => drawn.extend([first, more, "\n"]),
        }
    }
}

fn draw_tree(forest: &Forest<'_>, index: usize, first: &str, others: &str, drawn: &mut String) {
    let exported = &forest.spans[index];
    let Exported { service, span } = exported;
    let kind = span.kind().as_str_name().trim_start_matches("SPAN_KIND_");
    let (name, took) = (format!("{first}{}", span.name), shown(took(span)));
    *drawn += &line([&name, kind, service, &took, &short(&span.span_id)]);

    let children: Vec<Item> =
        groups(forest, forest.children(index)).into_iter().flatten().collect();
    let trunk = if children.is_empty() { "   " } else { "│  " };
    let failure = exported.failure().map(|it| format!("failed: {}", it.escape_debug()));
    for note in failure.into_iter().chain(links(forest, index)) {
        drawn.extend([others, trunk, &note, "\n"]);
    }
    for (nth, child) in children.iter().enumerate() {
        let is_last = nth + 1 == children.len();
        let (branch, trunk) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        child.draw(forest, &format!("{others}{branch}"), &format!("{others}{trunk}"), drawn);
    }
}

/// Sorts trees into groups of one shape: by service, then by time. Only some of each are shown.
fn groups(forest: &Forest<'_>, trees: &[usize]) -> Vec<Vec<Item>> {
    let mut trees = trees.to_vec();
    trees.sort_by_key(|&tree| forest.spans[tree].span.start_time_unix_nano);
    let (mut groups, mut by_shape) = (Vec::<Vec<usize>>::new(), HashMap::new());
    for tree in trees {
        let group = *by_shape.entry(shape(forest, tree)).or_insert(groups.len());
        groups.resize(groups.len().max(group + 1), Vec::new());
        groups[group].push(tree);
    }
    groups.sort_by_cached_key(|group| {
        let service = &forest.spans[group[0]].service;
        forest.spans.iter().position(|it| it.service == *service)
    });
    groups.into_iter().map(|group| items(forest, &group)).collect()
}

/// Returns everything about a tree but its times and ids.
fn shape(forest: &Forest<'_>, index: usize) -> String {
    let exported = &forest.spans[index];
    let Exported { service, span } = exported;
    let targets = by_target(forest, span.links.iter()).into_iter();
    let targets: Vec<_> = targets.map(|(target, links)| (target, links.len())).collect();
    let children = forest.children(index).iter();
    let mut children: Vec<String> = children.map(|&child| shape(forest, child)).collect();
    children.sort();
    let (kind, name, failure) = (span.kind, &span.name, exported.failure());
    format!("{service} {kind} {name} {failure:?} {targets:?} {children:?}")
}

/// Returns the trees to show, and `... and 297 more like it (612 µs to 12.1 ms)`.
fn items(forest: &Forest<'_>, trees: &[usize]) -> Vec<Item> {
    let (first, more) = trees.split_at(trees.len().min(SHOWN));
    let mut items: Vec<Item> = first.iter().map(|&tree| Item::Tree(tree)).collect();
    let took = || more.iter().map(|&tree| took(&forest.spans[tree].span));
    if let (Some(fastest), Some(slowest)) = (took().min(), took().max()) {
        let (count, fastest, slowest) = (more.len(), shown(fastest), shown(slowest));
        items.push(Item::More(format!("... and {count} more like it ({fastest} to {slowest})")));
    }
    items
}

/// Describes a span's links. Those on children called `links` are described with the parent's.
fn links(forest: &Forest<'_>, index: usize) -> Vec<String> {
    let own = forest.spans[index].span.links.len();
    if forest.is_overflow(index) {
        return vec![format!("{own} of the links above")];
    }
    let targets = by_target(forest, forest.links(index));
    let overflow = targets.values().map(Vec::len).sum::<usize>() - own;
    let places = match overflow {
        0 => String::new(),
        _ => format!(" ({own} on the span, {overflow} on its children)"),
    };
    targets.iter().map(|(target, links)| describe(*target, links, &places)).collect()
}

type Target<'a> = Option<(&'a str, &'a str)>;

/// Groups links by the service and the name of the span that they lead to.
fn by_target<'a>(
    forest: &Forest<'a>,
    links: impl Iterator<Item = &'a Link>,
) -> BTreeMap<Target<'a>, Vec<&'a Link>> {
    let mut targets = BTreeMap::<_, Vec<_>>::new();
    for link in links {
        let target = forest.target(link).map(|target| &forest.spans[target]);
        let target = target.map(|it| (it.service.as_str(), it.span.name.as_str()));
        targets.entry(target).or_default().push(link);
    }
    targets
}

/// Returns `→ send orders (shop) 1f2e3d4c`, or the same for several links.
fn describe(target: Target<'_>, links: &[&Link], places: &str) -> String {
    let to = match target {
        Some((service, name)) => format!("→ {name} ({service})"),
        None => "→ a span that was not exported:".to_owned(),
    };
    let ids: Vec<String> = links.iter().take(SHOWN).map(|link| short(&link.span_id)).collect();
    let ids = ids.join(", ");
    match links.len() {
        1 => format!("{to} {ids}"),
        count @ ..=SHOWN => format!("{count} links{places} {to} {ids}"),
        count => format!("{count} links{places} {to} {ids} ... and {} more", count - SHOWN),
    }
}

/// Returns half of a span's id: enough to find it on the same screen.
fn short(id: &[u8]) -> String {
    let half = id.first_chunk().copied().unwrap_or_default();
    format!("{:08x}", u32::from_be_bytes(half))
}

fn took(span: &Span) -> Duration {
    // A clock that was set back makes a span end before it started.
    Duration::from_nanos(span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano))
}

fn shown(took: Duration) -> String {
    match took.as_secs_f64() {
        seconds if seconds < 1e-3 => format!("{:.0} µs", seconds * 1e6),
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    }
}
