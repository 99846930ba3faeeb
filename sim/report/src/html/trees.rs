//! The drawn trees and lists: nodes in their colours, freed ones dashed, the suspect ringed.
//!
//! Invariant: each node is drawn once, at the place to which the links from the root lead first.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};
use treefall_model::index::{Block, Link, List, Tree};

use crate::explain::{EntryState, Labels, ListShot, Snapshot, Suspects, TreeShot};

/// Height of a node, and the gaps between nodes.
const NODE_HEIGHT: usize = 40;
const GAP: (usize, usize) = (12, 26);
/// Width of a node: a letter's, times its text, plus padding.
const LETTER: usize = 7;
const PADDING: usize = 16;
const NODE_WIDTH_MIN: usize = 76;
/// Length of the stub of a stray link, and the room for its text.
const STUB: usize = 14;
const STUB_ROOM: usize = 28;

/// Longest text in a node.
const NODE_TEXT_MAX: usize = 28;
/// Longest name of a lane.
const TEXT_MAX: usize = 15;
/// Least scale of a picture, in hundredths: it must stay readable.
const SMALLEST: usize = 75;

/// Trees that are drawn as trees; the others are listed, as their shape seldom matters.
const DRAWN: [Tree; 2] = [Tree::Child, Tree::ChildPid];

/// Draws one snapshot.
pub(super) fn snapshot(snapshot: &Snapshot, suspects: &Suspects, labels: &Labels<'_, '_>) -> Markup {
    let drawn = || snapshot.trees.iter().filter(|tree| DRAWN.contains(&tree.tree));
    let told = || snapshot.trees.iter().filter(|tree| !DRAWN.contains(&tree.tree));
    html! {
        div class="shot" {
            @for tree in drawn() {
                div data-index=(tree.tree.name()) {
                    h4 { (tree.tree.name()) }
                    @if tree.nodes.is_empty() && !tree.astray { p class="empty" { "empty" } }
                    @else { div class="scroll" { (picture(tree, suspects, labels)) } }
                    @if tree.astray { p class="bad" { "A link leads to no entry, or to one that was met already." } }
                }
            }
            div class="lists" {
                @for list in &snapshot.lists { (chips(list.list.name(), &in_list(list), list.astray, suspects, labels)) }
                @for tree in told() {
                    @if !tree.nodes.is_empty() || tree.tree != Tree::Write {
                        (chips(tree.tree.name(), &in_order(tree), tree.astray, suspects, labels))
                    }
                }
            }
        }
    }
}

fn in_list(list: &ListShot) -> Vec<EntryState> {
    list.entries.clone()
}

fn in_order(tree: &TreeShot) -> Vec<EntryState> {
    let mut seats: Vec<EntryState> = tree.nodes.iter().map(|(seat, _)| *seat).collect();
    seats.sort_by_key(|seat| seat.due);
    seats
}

fn chips(
    name: &str,
    seats: &[EntryState],
    astray: bool,
    suspects: &Suspects,
    labels: &Labels<'_, '_>,
) -> Markup {
    let retired = name == List::Unuse.name();
    // Retired entries are counted, except suspect and freed ones.
    let (told, rest): (Vec<&EntryState>, Vec<&EntryState>) =
        seats.iter().partition(|seat| !retired || !seat.live || suspects.blocks.contains(&seat.block));
    html! {
        div data-index=(name) {
            b { (name) }
            div class="chips" {
                @for seat in told {
                    span class={ "chip" @if !seat.live { " freed" } @if suspects.blocks.contains(&seat.block) { " guilty" } }
                        title=(format!("block {}", seat.block.0)) { (labels.seat(seat)) }
                }
                @if !rest.is_empty() { span class="empty" { (rest.len()) " retired" } }
                @if seats.is_empty() && !astray { span class="empty" { "empty" } }
                @if astray { span class="bad" { "a link leads astray" } }
            }
        }
    }
}

/// A link of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Left,
    Right,
    Parent,
}

/// The parent and the side; the root has none.
type Above = Option<(Block, Side)>;

/// The layout of a tree.
struct Shape {
    /// The column and the depth of each node.
    places: BTreeMap<Block, (usize, usize)>,
    /// The node above each node.
    parents: BTreeMap<Block, Above>,
}

impl Shape {
    fn of(tree: &TreeShot) -> Self {
        let links: BTreeMap<Block, (Link, Link)> =
            tree.nodes.iter().map(|(seat, node)| (seat.block, (node.left, node.right))).collect();
        // In order, without recursion: a broken tree may be as deep as it has nodes.
        let (mut places, mut parents) = (BTreeMap::new(), BTreeMap::new());
        let mut open: Vec<(Link, usize, Above, bool)> = vec![(tree.root, 0, None, false)];
        while let Some((link, depth, from, opened)) = open.pop() {
            let Link::To(block) = link else { continue };
            let Some((left, right)) = links.get(&block) else { continue };
            if opened {
                let column = places.len();
                places.insert(block, (column, depth));
            } else if let Entry::Vacant(parent) = parents.entry(block) {
                parent.insert(from);
                open.push((*right, depth + 1, Some((block, Side::Right)), false));
                open.push((link, depth, from, true));
                open.push((*left, depth + 1, Some((block, Side::Left)), false));
            }
        }
        Self { places, parents }
    }

    /// Returns the links that lead elsewhere than they are drawn.
    fn astray(&self, tree: &TreeShot) -> Vec<(Block, Side, Link)> {
        let mut astray = Vec::new();
        for (seat, node) in &tree.nodes {
            let block = seat.block;
            for (side, link) in [(Side::Left, node.left), (Side::Right, node.right)] {
                let drawn = match link {
                    Link::End => true,
                    Link::To(child) => self.parents.get(&child) == Some(&Some((block, side))),
                    Link::Wild => false,
                };
                if !drawn {
                    astray.push((block, side, link));
                }
            }
            let above = self.parents.get(&block).copied().flatten();
            let right = above.map_or(Link::End, |(parent, _)| Link::To(parent));
            if node.parent != right {
                astray.push((block, Side::Parent, node.parent));
            }
        }
        astray
    }
}

fn picture(tree: &TreeShot, suspects: &Suspects, labels: &Labels<'_, '_>) -> Markup {
    let shape = Shape::of(tree);
    let astray = shape.astray(tree);
    let texts = tree.nodes.iter().map(|(seat, _)| texts(seat, tree.tree, labels));
    let longest = texts.flat_map(|(name, key)| [name, key]).map(|text| text.chars().count()).max();
    let node = (longest.unwrap_or(0) * LETTER + PADDING).max(NODE_WIDTH_MIN);
    let room = if astray.is_empty() { 0 } else { STUB_ROOM };
    let middle = |(column, depth): (usize, usize)| {
        let (row, down) = (NODE_HEIGHT + GAP.1 + room, NODE_HEIGHT / 2 + 4 + room);
        (column * (node + GAP.0) + node / 2 + 4, depth * row + down)
    };
    let depth = shape.places.values().map(|(_, depth)| depth + 1).max().unwrap_or(1);
    let width = shape.places.len().max(1) * (node + GAP.0) - GAP.0 + 8;
    let height = depth * (NODE_HEIGHT + GAP.1 + room) - GAP.1 + 8 + room;
    let mut edges = String::new();
    for (child, parent) in &shape.parents {
        let parent = parent.and_then(|(parent, _)| shape.places.get(&parent));
        if let (Some(from), Some(to)) = (parent, shape.places.get(child)) {
            let ((x1, y1), (x2, y2)) = (middle(*from), middle(*to));
            // Writing to a String cannot fail.
            let _ = write!(edges, "M{x1} {y1}L{x2} {y2}");
        }
    }
    html! {
        svg class="wide" style=(fits(width)) viewBox=(format!("0 0 {width} {height}")) role="img"
            aria-label=(labels.tree(tree)) {
            path class="edge" d=(edges) {}
            @for (seat, shown) in &tree.nodes {
                @if let Some(at) = shape.places.get(&seat.block) {
                    (drawn(seat, shown.red, (middle(*at), node), tree.tree, suspects, labels))
                }
            }
            @for (block, side, link) in &astray {
                @if let Some(at) = shape.places.get(block) {
                    (stub((middle(*at), node), *side, &leads(*link, tree, labels)))
                }
            }
        }
    }
}

/// Returns the style for a picture's width: the page's, but readable and not enlarged.
pub(super) fn fits(width: usize) -> String {
    format!("max-width:{width}px;min-width:{}px", width * SMALLEST / 100)
}

/// Describes where a link leads.
fn leads(link: Link, tree: &TreeShot, labels: &Labels<'_, '_>) -> String {
    match link {
        Link::End => "nothing".to_owned(),
        Link::Wild => "no entry".to_owned(),
        Link::To(block) => {
            let seat = tree.nodes.iter().find(|(seat, _)| seat.block == block);
            let name = seat.map(|(seat, _)| texts(seat, tree.tree, labels).0);
            name.unwrap_or_else(|| format!("block {}", block.0))
        }
    }
}

/// Draws a stray link: a red stub, and where it leads.
fn stub(((x, y), node): ((usize, usize), usize), side: Side, leads: &str) -> Markup {
    let half = NODE_HEIGHT / 2;
    let (from, to, text, words) = match side {
        Side::Parent => (y - half, y - half - STUB, y - half - STUB - 3, format!("parent: {leads}")),
        Side::Left => (y + half, y + half + STUB, y + half + STUB + 11, format!("left: {leads}")),
        Side::Right => (y + half, y + half + STUB, y + half + STUB + 11, format!("right: {leads}")),
    };
    let x = match side {
        Side::Parent => x,
        Side::Left => x - node / 4,
        Side::Right => x + node / 4,
    };
    html! {
        g class="stray" {
            title { "a link that leads astray: " (words) }
            path d=(format!("M{x} {from}L{x} {to}M{} {to}L{} {to}", x - 5, x + 5)) {}
            text x=(x) y=(text) text-anchor="middle" { (cut_to(&words, NODE_TEXT_MAX)) }
        }
    }
}

/// Returns the two lines in a node: its owner and its key.
fn texts(seat: &EntryState, tree: Tree, labels: &Labels<'_, '_>) -> (String, String) {
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
    (cut_to(&name, NODE_TEXT_MAX), cut_to(&key, NODE_TEXT_MAX))
}

fn drawn(
    seat: &EntryState,
    red: bool,
    ((x, y), node): ((usize, usize), usize),
    tree: Tree,
    suspects: &Suspects,
    labels: &Labels<'_, '_>,
) -> Markup {
    let (name, key) = texts(seat, tree, labels);
    let shade = |yes: bool, class: &'static str| if yes { class } else { "" };
    html! {
        g class={ "node" (shade(red, " red")) (shade(!seat.live, " freed"))
            (shade(suspects.blocks.contains(&seat.block), " guilty")) } {
            title { (labels.by_pid(seat)) ", block " (seat.block.0) }
            rect x=(x - node / 2) y=(y - NODE_HEIGHT / 2) width=(node) height=(NODE_HEIGHT) rx="7" {}
            text x=(x) y=(y - 3) text-anchor="middle" { (name) }
            text x=(x) y=(y + 13) text-anchor="middle" { (key) }
        }
    }
}

fn due(seat: &EntryState) -> String {
    match seat.due {
        treefall_model::time::Deadline::At(at) => format!("due {at}"),
        treefall_model::time::Deadline::Never => "due never".to_owned(),
    }
}

/// At most [`TEXT_MAX`] letters.
pub(super) fn cut(text: &str) -> String {
    cut_to(text, TEXT_MAX)
}

fn cut_to(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

/// Explains the colours.
pub(super) fn legend() -> Markup {
    html! {
        p class="legend" {
            span { span class="swatch" {} " black node" }
            span { span class="swatch red" {} " red node" }
            span { span class="swatch freed" {} " given back to the heap, and linked all the same" }
            span { span class="swatch guilty" {} " the guilty entry" }
            span { span class="swatch stray" {} " a link that leads astray, and where" }
        }
    }
}

/// Embeds a text that is known to be safe: a file of this folder.
pub(super) fn embedded(text: &'static str) -> PreEscaped<&'static str> {
    PreEscaped(text)
}
