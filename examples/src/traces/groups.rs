//! Trees that look alike, so that three hundred of them take no more room than three.

use super::Forest;
use std::collections::{BTreeMap, HashMap};

/// How many of a group are shown in full.
const SHOWN: usize = 3;

/// Trees of one shape: some to be shown, and the others.
pub(super) struct Group {
    pub(super) shown: Vec<usize>,
    pub(super) more: Vec<usize>,
}

/// Sorts trees (by their root spans) into groups: by service, then by time.
pub(super) fn groups(forest: &Forest<'_>, trees: &[usize]) -> Vec<Group> {
    let mut trees = trees.to_vec();
    trees.sort_by_key(|&tree| forest.span(tree).span.start_time);

    let mut groups: Vec<Group> = Vec::new();
    let mut by_shape = HashMap::new();
    for tree in trees {
        let group = *by_shape.entry(shape(forest, tree)).or_insert_with(|| {
            groups.push(Group { shown: Vec::new(), more: Vec::new() });
            groups.len() - 1
        });
        let group = &mut groups[group];
        if group.shown.len() < SHOWN { &mut group.shown } else { &mut group.more }.push(tree);
    }
    // All spans of a service stand together, in the order of the pipeline.
    let service = |group: &Group| {
        let service = &forest.span(group.shown[0]).service;
        forest.all().position(|it| forest.span(it).service == *service)
    };
    groups.sort_by_cached_key(service);
    groups
}

/// Everything about a tree but times and ids.
fn shape(forest: &Forest<'_>, index: usize) -> String {
    let it = forest.span(index);
    let mut targets = BTreeMap::<_, usize>::new();
    for link in it.span.links.iter() {
        let target = forest.target(link).map(|target| forest.span(target));
        *targets.entry(target.map(|target| (&target.service, &target.span.name))).or_default() += 1;
    }
    let mut children: Vec<_> =
        forest.children(index).iter().map(|&child| shape(forest, child)).collect();
    children.sort();
    format!(
        "{} {:?} {} {:?} {targets:?} {children:?}",
        it.service, it.span.span_kind, it.span.name, it.span.status
    )
}
