//! Draws spans as text: trees, with a line for what each span links to.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use opentelemetry_proto::tonic::trace::v1::{Span as Otlp, span::Link};

use crate::traces::Traces;

/// How many trees of one shape, and how many links to spans of one name, are shown.
const SHOWN: usize = 3;

/// How many spans are drawn below each other.
const DEEPEST: usize = 100;

impl Traces {
    /// Draws all traces as trees of text, with a line for what each span links to. Of trees that
    /// differ in nothing but times and ids, three are drawn and the others counted. Services are in
    /// the order of their first spans.
    pub fn text(&self) -> String {
        let drawing = Drawing { traces: self, shapes: shapes(self) };
        let mut drawn = line(["span", "kind", "service", "took", "id"]);
        for group in groups(&drawing, &self.roots) {
            drawn += "\n";
            for item in group {
                item.draw(&drawing, 0, ["", ""], &mut drawn);
            }
        }
        drawn
    }
}

fn line([name, kind, service, took, id]: [&str; 5]) -> String {
    format!("{name:<28}{kind:<10}{service:<9}{took:>8}  {id}\n")
}

struct Drawing<'a> {
    traces: &'a Traces,
    /// A number for everything about a tree but its times and ids, by the tree's root.
    shapes: Vec<usize>,
}

/// A tree by its root, or the line that stands for more trees like those before it.
enum Item {
    Tree(usize),
    More(String),
}

impl Item {
    /// Draws the item: `first` begins its first line, `others` the other ones.
    fn draw(&self, drawing: &Drawing<'_>, depth: usize, margins: [&str; 2], drawn: &mut String) {
        match self {
            Self::Tree(index) => draw_tree(drawing, *index, depth, margins, drawn),
            Self::More(more) => drawn.extend([margins[0], more, "\n"]),
        }
    }
}

fn draw_tree(
    drawing: &Drawing<'_>,
    index: usize,
    depth: usize,
    [first, others]: [&str; 2],
    drawn: &mut String,
) {
    let traces = drawing.traces;
    let span = &traces.spans[index];
    let otlp = &span.otlp;
    let kind = otlp.kind().as_str_name().trim_start_matches("SPAN_KIND_");
    let (name, took) = (format!("{first}{}", plain(&otlp.name)), shown(took(otlp)));
    *drawn += &line([&name, kind, &plain(span.service()), &took, &short(&otlp.span_id)]);

    let below = || below(traces, &[index]).len() - 1;
    let children: Vec<Item> = if depth + 1 < DEEPEST {
        groups(drawing, traces.children(index)).into_iter().flatten().collect()
    } else if traces.children(index).is_empty() {
        Vec::new()
    } else {
        vec![Item::More(format!("... and {} more spans below", below()))]
    };
    let trunk = if children.is_empty() { "   " } else { "│  " };
    let failure = span.failure().map(|it| format!("failed: {}", plain(it)));
    for note in failure.into_iter().chain(links(traces, index)) {
        drawn.extend([others, trunk, &note, "\n"]);
    }
    for (nth, child) in children.iter().enumerate() {
        let is_last = nth + 1 == children.len();
        let (branch, trunk) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let margins = [format!("{others}{branch}"), format!("{others}{trunk}")];
        child.draw(drawing, depth + 1, margins.each_ref().map(String::as_str), drawn);
    }
}

/// Sorts trees into groups of one shape: by service, then by time. Only some of each are shown.
fn groups(drawing: &Drawing<'_>, trees: &[usize]) -> Vec<Vec<Item>> {
    let traces = drawing.traces;
    let mut trees = trees.to_vec();
    trees.sort_by_key(|&tree| traces.spans[tree].otlp.start_time_unix_nano);
    let (mut groups, mut by_shape) = (Vec::<Vec<usize>>::new(), HashMap::new());
    for tree in trees {
        let group = *by_shape.entry(drawing.shapes[tree]).or_insert(groups.len());
        groups.resize(groups.len().max(group + 1), Vec::new());
        groups[group].push(tree);
    }
    groups.sort_by_cached_key(|group| {
        let service = traces.spans[group[0]].service();
        traces.spans.iter().position(|it| it.service() == service)
    });
    groups.into_iter().map(|group| items(traces, &group)).collect()
}

/// Numbers the shapes of all trees: two have the same number if they differ in times and ids only.
fn shapes(traces: &Traces) -> Vec<usize> {
    let (mut shapes, mut numbers) = (vec![0; traces.spans.len()], HashMap::new());
    for index in below(traces, &traces.roots).into_iter().rev() {
        let span = &traces.spans[index];
        let targets = by_target(traces, span.otlp.links.iter()).into_iter();
        let targets: Vec<_> = targets.map(|(target, links)| (target, links.len())).collect();
        let mut children: Vec<usize> =
            traces.children(index).iter().map(|&child| shapes[child]).collect();
        children.sort_unstable();
        let own = (span.service(), span.otlp.kind, &span.otlp.name, span.failure());
        let next = numbers.len();
        shapes[index] = *numbers.entry((own, targets, children)).or_insert(next);
    }
    shapes
}

/// Returns these spans and all below them, each before its children. It is no recursion: a tree can
/// be as deep as the input.
fn below(traces: &Traces, spans: &[usize]) -> Vec<usize> {
    let mut found = spans.to_vec();
    let mut next = 0;
    while let Some(&span) = found.get(next) {
        found.extend(traces.children(span));
        next += 1;
    }
    found
}

/// Returns the trees to show, and `... and 297 more like it (612 µs to 12.1 ms)`.
fn items(traces: &Traces, trees: &[usize]) -> Vec<Item> {
    let (first, more) = trees.split_at(trees.len().min(SHOWN));
    let mut items: Vec<Item> = first.iter().map(|&tree| Item::Tree(tree)).collect();
    let took = || more.iter().map(|&tree| took(&traces.spans[tree].otlp));
    if let (Some(fastest), Some(slowest)) = (took().min(), took().max()) {
        let (count, fastest, slowest) = (more.len(), shown(fastest), shown(slowest));
        items.push(Item::More(format!("... and {count} more like it ({fastest} to {slowest})")));
    }
    items
}

/// Describes a span's links. Those on children called `links` are described with the parent's.
fn links(traces: &Traces, index: usize) -> Vec<String> {
    let own = traces.spans[index].otlp.links.len();
    if traces.spans[index].is_overflow() {
        return vec![format!("{own} of the links above")];
    }
    let targets = by_target(traces, traces.links(index));
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
    traces: &'a Traces,
    links: impl Iterator<Item = &'a Link>,
) -> BTreeMap<Target<'a>, Vec<&'a Link>> {
    let mut targets = BTreeMap::<_, Vec<_>>::new();
    for link in links {
        let target = traces.target(link).map(|target| &traces.spans[target]);
        let target = target.map(|it| (it.service(), it.otlp.name.as_str()));
        targets.entry(target).or_default().push(link);
    }
    targets
}

/// Returns `→ send orders (shop) 1f2e3d4c`, or the same for several links.
fn describe(target: Target<'_>, links: &[&Link], places: &str) -> String {
    let to = match target {
        Some((service, name)) => format!("→ {} ({})", plain(name), plain(service)),
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

/// Writes control characters so that a terminal does not obey them.
fn plain(text: &str) -> Cow<'_, str> {
    let is_plain = !text.chars().any(char::is_control);
    if is_plain { text.into() } else { text.escape_debug().collect() }
}

/// Returns half of a span's id: enough to find it on the same screen.
fn short(id: &[u8]) -> String {
    let half = id.first_chunk().copied().unwrap_or_default();
    format!("{:08x}", u32::from_be_bytes(half))
}

fn took(span: &Otlp) -> Duration {
    // A clock that was set back makes a span end before it started.
    Duration::from_nanos(span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano))
}

/// Writes a duration in the unit that it needs.
pub(crate) fn shown(took: Duration) -> String {
    match took.as_secs_f64() {
        seconds if seconds < 1e-3 => format!("{:.0} µs", seconds * 1e6),
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    }
}
