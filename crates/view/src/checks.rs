//! Looks for what cannot be right in spans that were read.

use std::{collections::HashMap, time::Duration};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::{
    problem::{Problem, count},
    text::shown,
    traces::Traces,
};

/// Checks all spans. `cut` are those that lost their parent because it was below them.
pub(crate) fn all(traces: &Traces, cut: &[usize]) -> Vec<Problem> {
    let found = |is_wrong: &dyn Fn(usize) -> bool| -> Vec<usize> {
        (0..traces.spans.len()).filter(|&it| is_wrong(it)).collect()
    };
    let span = |it: usize| &traces.spans[it].otlp;
    let invalid = found(&|it| traces.spans[it].id().is_none());
    let backwards = found(&|it| span(it).end_time_unix_nano < span(it).start_time_unix_nano);
    let orphans = found(&|it| traces.is_orphan(it));
    let dangling = found(&|it| span(it).links.iter().any(|it| traces.target(it).is_none()));
    let dropped = found(&|it| span(it).dropped_links_count > 0);
    let cycles = link_cycles(traces);
    let (_, missing) = traces.count_links();
    let lost: usize = dropped.iter().map(|&it| span(it).dropped_links_count as usize).sum();
    let kept: usize = dropped.iter().map(|&it| overflow(traces, it)).sum();

    let spans = |it| count(it, "span");
    let problems = [
        Problem::of(&invalid, |it| format!("{} without valid ids", spans(it))),
        Problem::of(&backwards, |it| format!("{} ended before its start, or never", spans(it))),
        Problem::of(&orphans, |it| format!("{} with a parent that is not in the input", spans(it))),
        Problem::of(cut, |it| {
            format!("{} below itself: parents in a circle, shown without a parent", spans(it))
        }),
        Problem::of(&cycles, |it| format!("{} in circles of links", spans(it))),
        Problem::of(&dangling, |it| {
            let links = count(missing, "link");
            format!("{links} to spans that are not in the input, on {}", spans(it))
        }),
        // What the SDK counts as dropped may be on children.
        Problem::of(if lost > kept { &dropped } else { &[] }, |it| {
            let links = count(lost - kept, "link");
            format!("{links} dropped by the SDK because of its limit, on {}", spans(it))
        }),
    ];
    problems.into_iter().flatten().chain(skews(traces)).collect()
}

fn overflow(traces: &Traces, index: usize) -> usize {
    traces.links(index).count() - traces.spans[index].otlp.links.len()
}

/// Finds causes that are later than their effects, by the services of both: their clocks differ.
fn skews(traces: &Traces) -> Vec<Problem> {
    let mut skews = HashMap::<(&str, &str), (Vec<usize>, u64)>::new();
    for (effect, it) in traces.spans.iter().enumerate() {
        let own = &it.otlp;
        // A receive span starts when the wait does, before the message is sent.
        let waits = !matches!(own.kind(), SpanKind::Consumer | SpanKind::Server);
        let latest = if waits { own.end_time_unix_nano } else { own.start_time_unix_nano };
        let linked = own.links.iter().filter_map(|link| traces.target(link));
        let causes = linked.map(|cause| (cause, latest));
        let parent = traces.parent(effect).map(|parent| (parent, own.start_time_unix_nano));
        for (cause, latest) in causes.chain(parent) {
            let cause = &traces.spans[cause];
            let early = cause.otlp.start_time_unix_nano.saturating_sub(latest);
            if early > 0 && cause.service() != it.service() {
                let skew = skews.entry((cause.service(), it.service())).or_default();
                skew.0.push(effect);
                skew.1 = skew.1.max(early);
            }
        }
    }
    let mut skews: Vec<_> = skews.into_iter().collect();
    skews.sort_unstable();
    let problem = |((from, to), (mut effects, early)): ((&str, &str), (Vec<usize>, u64))| {
        effects.dedup();
        Problem::of(&effects, |it| {
            let (spans, early) = (count(it, "span"), shown(Duration::from_nanos(early)));
            format!(
                "{spans} of {to} before its cause in {from}, by up to {early}: the clocks of the \
                 two differ"
            )
        })
    };
    skews.into_iter().filter_map(problem).collect()
}

/// Finds the spans that come back to themselves by following links, by Tarjan's algorithm.
fn link_cycles(traces: &Traces) -> Vec<usize> {
    let targets: Vec<Vec<usize>> = traces
        .spans
        .iter()
        .map(|it| it.otlp.links.iter().filter_map(|link| traces.target(link)).collect())
        .collect();
    let (mut order, mut low) = (vec![usize::MAX; targets.len()], vec![0; targets.len()]);
    let (mut waiting, mut is_waiting) = (Vec::new(), vec![false; targets.len()]);
    let (mut next, mut cycles) = (0, Vec::new());
    for start in 0..targets.len() {
        // The path from `start`, with the number of targets that were visited. No recursion: a chain
        // of links can be as long as the input.
        let mut path = if order[start] == usize::MAX { vec![(start, 0)] } else { Vec::new() };
        while let Some((at, visited)) = path.last_mut() {
            let at = *at;
            if *visited == 0 {
                (order[at], low[at]) = (next, next);
                next += 1;
                waiting.push(at);
                is_waiting[at] = true;
            }
            let target = targets[at].get(*visited).copied();
            *visited += 1;
            match target {
                Some(target) if order[target] == usize::MAX => path.push((target, 0)),
                Some(target) if is_waiting[target] => low[at] = low[at].min(order[target]),
                Some(_) => {}
                None => {
                    path.pop();
                    if let Some((earlier, _)) = path.last() {
                        low[*earlier] = low[*earlier].min(low[at]);
                    }
                    if low[at] == order[at] {
                        let first = waiting.iter().rposition(|it| *it == at).unwrap_or_default();
                        let component = waiting.split_off(first);
                        for &it in &component {
                            is_waiting[it] = false;
                        }
                        if component.len() > 1 || targets[at].contains(&at) {
                            cycles.extend(component);
                        }
                    }
                }
            }
        }
    }
    cycles.sort_unstable();
    cycles
}
