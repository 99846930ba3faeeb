//! The trees and lists after a step, drawn: nodes coloured as they are, freed ones dashed, the guilty one ringed.
//!
//! Always: each node is drawn once, at the place to which the links from the root lead first, whatever else links it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};
use treefall_model::index::{Block, Link, List, Tree};

use crate::explain::{Guilt, Labels, ListShot, Seat, Snapshot, TreeShot};

/// The size of a node, and what is between two.
const NODE: (usize, usize) = (104, 40);
const GAP: (usize, usize) = (12, 26);

/// Longest text in a node.
const TEXT_MAX: usize = 15;

/// Trees that are drawn as trees; the others are told as lists, for their shape seldom matters.
const DRAWN: [Tree; 2] = [Tree::Child, Tree::ChildPid];

/// One state of all trees and lists.
pub(super) fn snapshot(snapshot: &Snapshot, guilt: &Guilt, labels: &Labels<'_, '_>) -> Markup {
    let drawn = || snapshot.trees.iter().filter(|tree| DRAWN.contains(&tree.tree));
    let told = || snapshot.trees.iter().filter(|tree| !DRAWN.contains(&tree.tree));
    html! {
        div class="shot" {
            @for tree in drawn() {
                div data-index=(tree.tree.name()) {
                    h4 { (tree.tree.name()) }
                    @if tree.nodes.is_empty() && !tree.astray { p class="empty" { "empty" } }
                    @else { div class="scroll" { (picture(tree, guilt, labels)) } }
                    @if tree.astray { p class="bad" { "A link leads to no entry, or to one that was met already." } }
                }
            }
            div class="lists" {
                @for list in &snapshot.lists { (chips(list.list.name(), &in_list(list), list.astray, guilt, labels)) }
                @for tree in told() {
                    @if !tree.nodes.is_empty() || tree.tree != Tree::Write {
                        (chips(tree.tree.name(), &in_order(tree), tree.astray, guilt, labels))
                    }
                }
            }
        }
    }
}

fn in_list(list: &ListShot) -> Vec<Seat> {
    list.entries.clone()
}

fn in_order(tree: &TreeShot) -> Vec<Seat> {
    let mut seats: Vec<Seat> = tree.nodes.iter().map(|(seat, _)| *seat).collect();
    seats.sort_by_key(|seat| seat.due);
    seats
}

fn chips(name: &str, seats: &[Seat], astray: bool, guilt: &Guilt, labels: &Labels<'_, '_>) -> Markup {
    let retired = name == List::Unuse.name();
    // Retired entries say nothing, but for the guilty and the freed.
    let (told, rest): (Vec<&Seat>, Vec<&Seat>) =
        seats.iter().partition(|seat| !retired || !seat.live || guilt.blocks.contains(&seat.block));
    html! {
        div data-index=(name) {
            b { (name) }
            div class="chips" {
                @for seat in told {
                    span class={ "chip" @if !seat.live { " freed" } @if guilt.blocks.contains(&seat.block) { " guilty" } }
                        title=(format!("block {}", seat.block.0)) { (labels.seat(seat)) }
                }
                @if !rest.is_empty() { span class="empty" { (rest.len()) " retired" } }
                @if seats.is_empty() && !astray { span class="empty" { "empty" } }
                @if astray { span class="bad" { "a link leads astray" } }
            }
        }
    }
}

/// Where a node is drawn: its column and its depth.
type Places = BTreeMap<Block, (usize, usize)>;

fn place(tree: &TreeShot, links: &BTreeMap<Block, (Link, Link)>) -> Places {
    // In order, without recursion: a broken tree may be as deep as it has nodes.
    let (mut places, mut met) = (Places::new(), BTreeSet::new());
    let mut open: Vec<(Link, usize, bool)> = vec![(tree.root, 0, false)];
    while let Some((link, depth, opened)) = open.pop() {
        let Link::To(block) = link else { continue };
        let Some((left, right)) = links.get(&block) else { continue };
        if opened {
            let column = places.len();
            places.insert(block, (column, depth));
        } else if met.insert(block) {
            open.push((*right, depth + 1, false));
            open.push((link, depth, true));
            open.push((*left, depth + 1, false));
        }
    }
    places
}

fn picture(tree: &TreeShot, guilt: &Guilt, labels: &Labels<'_, '_>) -> Markup {
    let links: BTreeMap<Block, (Link, Link)> =
        tree.nodes.iter().map(|(seat, node)| (seat.block, (node.left, node.right))).collect();
    let places = place(tree, &links);
    let middle = |(column, depth): (usize, usize)| {
        (column * (NODE.0 + GAP.0) + NODE.0 / 2 + 4, depth * (NODE.1 + GAP.1) + NODE.1 / 2 + 4)
    };
    let depth = places.values().map(|(_, depth)| depth + 1).max().unwrap_or(1);
    let width = places.len().max(1) * (NODE.0 + GAP.0) - GAP.0 + 8;
    let height = depth * (NODE.1 + GAP.1) - GAP.1 + 8;
    let mut edges = String::new();
    for (block, (left, right)) in &links {
        for child in [left, right] {
            let Link::To(child) = child else { continue };
            if let (Some(from), Some(to)) = (places.get(block), places.get(child)) {
                let ((x1, y1), (x2, y2)) = (middle(*from), middle(*to));
                // Writing to a String cannot fail.
                let _ = write!(edges, "M{x1} {y1}L{x2} {y2}");
            }
        }
    }
    html! {
        svg width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) role="img"
            aria-label=(labels.tree(tree)) {
            path class="edge" d=(edges) {}
            @for (seat, node) in &tree.nodes {
                @if let Some(at) = places.get(&seat.block) {
                    (drawn(seat, node.red, middle(*at), tree.tree, guilt, labels))
                }
            }
        }
    }
}

fn drawn(
    seat: &Seat,
    red: bool,
    (x, y): (usize, usize),
    tree: Tree,
    guilt: &Guilt,
    labels: &Labels<'_, '_>,
) -> Markup {
    let name = if tree == Tree::ChildPid {
        let run = seat.pid.and_then(|pid| labels.run_name(pid));
        run.unwrap_or_else(|| labels.whose(seat))
    } else {
        labels.whose(seat)
    };
    let key = match (tree, seat.live, seat.pid) {
        (Tree::ChildPid, false, Some(pid)) => format!("pid {} freed", pid.get()),
        (_, false, _) => "freed".to_owned(),
        (Tree::ChildPid, true, Some(pid)) => format!("pid {}", pid.get()),
        (Tree::ChildPid, true, None) => format!("now {}", labels.whose(seat)),
        _ => due(seat),
    };
    let shade = |yes: bool, class: &'static str| if yes { class } else { "" };
    html! {
        g class={ "node" (shade(red, " red")) (shade(!seat.live, " freed"))
            (shade(guilt.blocks.contains(&seat.block), " guilty")) } {
            title { (labels.by_pid(seat)) ", block " (seat.block.0) }
            rect x=(x - NODE.0 / 2) y=(y - NODE.1 / 2) width=(NODE.0) height=(NODE.1) rx="7" {}
            text x=(x) y=(y - 3) text-anchor="middle" { (cut(&name)) }
            text x=(x) y=(y + 13) text-anchor="middle" { (cut(&key)) }
        }
    }
}

fn due(seat: &Seat) -> String {
    match seat.due {
        treefall_model::time::Deadline::At(at) => format!("due {at}"),
        treefall_model::time::Deadline::Never => "due never".to_owned(),
    }
}

/// At most [`TEXT_MAX`] letters.
pub(super) fn cut(text: &str) -> String {
    if text.chars().count() <= TEXT_MAX {
        return text.to_owned();
    }
    text.chars().take(TEXT_MAX - 1).chain(['…']).collect()
}

/// What the colours mean.
pub(super) fn legend() -> Markup {
    html! {
        p class="legend" {
            span { span class="swatch" {} " black node" }
            span { span class="swatch red" {} " red node" }
            span { span class="swatch freed" {} " given back to the heap, and linked all the same" }
            span { span class="swatch guilty" {} " the guilty entry" }
        }
    }
}

/// A text that is known to be safe: one of the files beside this one.
pub(super) fn embedded(text: &'static str) -> PreEscaped<&'static str> {
    PreEscaped(text)
}
