//! The laws over indexes: for each a board that it accepts and some that it refuses; `tree-shape` against a
//! second opinion on arbitrary trees.

use std::collections::BTreeSet;

use crate::common::{Board, RunReader, setup};
use proptest::prelude::*;
use treefall_model::digest::index_hash;
use treefall_model::event::{EntryKind, Handler, Step};
use treefall_model::id::{Generation, ScriptId, ScriptRef};
use treefall_model::index::{Block, IndexView, Link, List, Tree};
use treefall_model::time::Deadline;
use treefall_model::trace::OnTerm;

const NONE: [&str; 0] = [];

/// A board with `children` children, tracked as they should be, two timers, and an entry on each list.
fn sound(children: usize) -> (Board, Vec<Block>) {
    let mut board = Board::new();
    let tracked: Vec<_> = (0..children).map(|_| board.hand_out(EntryKind::Child)).collect();
    board.plant(Tree::Child, &tracked);
    board.plant(Tree::ChildPid, &tracked);
    let timers = [board.hand_out(EntryKind::Timer), board.hand_out(EntryKind::Timer)];
    board.plant(Tree::Timer, &timers);
    for (list, kind) in
        [(List::Event, EntryKind::Event), (List::Ready, EntryKind::Ready), (List::Unuse, EntryKind::Unused)]
    {
        let queued = [board.hand_out(kind), board.hand_out(kind)];
        board.queue(list, &queued);
    }
    (board, tracked)
}

#[test]
fn sound_indexes_break_no_law() {
    for children in 0..40 {
        assert_eq!(sound(children).0.broken(), NONE, "{children} children");
    }
}

#[test]
fn a_freed_entry_that_is_linked_dangles_though_it_looks_whole() {
    for place in 0..5 {
        let (mut board, children) = sound(5);
        board.squares[children[place].0 as usize].live = false;
        assert_eq!(board.broken(), ["no-dangling-node/cleanup/child"]);
    }
    let (mut board, _) = sound(1);
    let Link::To(retired) = board.last(List::Unuse) else { panic!("UNUSE is not empty") };
    board.squares[retired.0 as usize].live = false;
    assert_eq!(board.broken(), ["no-dangling-node/cleanup/unused"]);
}

#[test]
fn a_link_to_no_entry_dangles() {
    let (mut board, children) = sound(3);
    board.node_mut(Tree::ChildPid, children[0]).right = Link::Wild;
    assert_eq!(board.broken(), ["no-dangling-node/cleanup/none"]);
}

#[test]
fn an_entry_that_is_freed_and_linked_nowhere_is_no_concern() {
    let (mut board, _) = sound(3);
    let freed = board.hand_out(EntryKind::ChildTimeout);
    board.squares[freed.0 as usize].live = false;
    assert_eq!(board.broken(), NONE);
}

#[test]
fn a_broken_order_link_colour_height_or_cache_is_found() {
    let refused = ["tree-shape/cleanup/child"];
    let spoilt = |spoil: &dyn Fn(&mut Board, &[Block])| {
        let (mut board, children) = sound(7);
        spoil(&mut board, &children);
        board.broken()
    };
    let in_child = Tree::Child;
    assert_eq!(
        spoilt(&|board, it| board.node_mut(in_child, it[1]).parent = Link::To(it[0])),
        refused,
        "parent"
    );
    assert_eq!(spoilt(&|board, it| board.node_mut(in_child, it[3]).red = true), refused, "red root");
    assert_eq!(spoilt(&|board, it| board.node_mut(in_child, it[0]).red = true), refused, "black heights");
    assert_eq!(spoilt(&|board, it| board.node_mut(in_child, it[0]).left = Link::To(it[3])), refused, "cycle");
    assert_eq!(
        spoilt(&|board, it| board.node_mut(in_child, it[1]).right = Link::To(it[0])),
        refused,
        "twice"
    );
    assert_eq!(spoilt(&|board, it| board.leftmost[in_child as usize] = Link::To(it[1])), refused, "cache");
    assert_eq!(
        spoilt(&|board, it| board.squares[it[0].0 as usize].entry.deadline = Deadline::Never),
        refused
    );
}

#[test]
fn equal_deadlines_and_never_at_the_end_are_in_order() {
    let (mut board, children) = sound(7);
    let second = board.squares[1].entry.deadline;
    for child in &children[1..6] {
        board.squares[child.0 as usize].entry.deadline = second;
    }
    board.squares[children[6].0 as usize].entry.deadline = Deadline::Never;
    assert_eq!(board.broken(), NONE, "children that a reload rescheduled are all due at once");
}

#[test]
fn a_list_s_links_must_agree_both_ways_and_end() {
    let spoilt = |spoil: &dyn Fn(&mut Board, usize, usize)| {
        let (mut board, _) = sound(1);
        let (Link::To(first), Link::To(last)) = board.ends[List::Ready as usize] else { panic!("not empty") };
        spoil(&mut board, first.0 as usize, last.0 as usize);
        board.broken()
    };
    let refused = ["tree-shape/cleanup/ready"];
    assert_eq!(spoilt(&|board, _, last| board.squares[last].previous = Link::End), refused, "link back");
    assert_eq!(spoilt(&|board, first, last| board.squares[last].next = to(first)), refused, "cycle");
    assert_eq!(spoilt(&|board, first, _| board.squares[first].next = Link::End), refused, "cut short");
}

fn to(place: usize) -> Link {
    Link::To(Block(u32::try_from(place).expect("few")))
}

#[test]
fn a_tracked_child_is_in_both_trees_or_on_ready() {
    let mut queued = Board::new();
    let timeout = queued.hand_out(EntryKind::ChildTimeout);
    queued.queue(List::Ready, &[timeout]);
    let untied = queued.clone();
    queued.plant(Tree::ChildPid, &[timeout]);
    assert_eq!(queued.broken(), NONE);
    assert_eq!(untied.broken(), ["one-entry-per-child/cleanup/child-timeout"]);
    let (mut board, children) = sound(3);
    board.plant(Tree::ChildPid, &children[..2]);
    assert_eq!(board.broken(), ["one-entry-per-child/cleanup/child"], "not in CHILD_PID");
    let (mut board, children) = sound(3);
    board.plant(Tree::Child, &children[..2]);
    assert_eq!(board.broken(), ["one-entry-per-child/cleanup/child"], "not in CHILD");
    let (mut board, children) = sound(3);
    board.squares[children[1].0 as usize].entry.kind = EntryKind::Unused;
    assert_eq!(board.broken(), ["one-entry-per-child/cleanup/unused"], "retired, and linked");
}

#[test]
fn a_lasting_violation_is_noted_where_it_arose() {
    let setup = setup(1, OnTerm::Ignores);
    let (mut board, children) = sound(3);
    board.plant(Tree::ChildPid, &children[..2]);
    let mut teller = RunReader::new(&setup);
    teller.look(Step::Dispatched, &board).look(Step::AddTimer, &board);
    board.squares[children[2].0 as usize].entry.kind = EntryKind::Event;
    teller.look(Step::Blocked, &board);
    assert_eq!(teller.broken(), ["one-entry-per-child/dispatched/child"]);
}

#[test]
fn an_argument_is_stale_once_the_reload_is_done() {
    let setup = setup(1, OnTerm::Ignores);
    let mut board = sound(3).0;
    let argument = |generation| Some(ScriptRef { generation: Generation(generation), script: ScriptId(0) });
    board.squares[1].entry.argument = argument(0);
    let Link::To(retired) = board.first(List::Unuse) else { panic!("UNUSE is not empty") };
    board.squares[retired.0 as usize].entry.argument = argument(0);
    let mut teller = RunReader::new(&setup);
    teller.look(Step::Blocked, &board).reload_begins(1).look(Step::Cleanup, &board);
    assert_eq!(teller.broken(), NONE, "the configuration is in force, then not freed yet");
    teller.reload_ends(1).look(Step::Dispatched, &board);
    assert_eq!(teller.broken(), ["no-stale-argument/dispatched/child"]);
    board.squares[1].entry.argument = None;
    let mut teller = RunReader::new(&setup);
    teller.reload_begins(1).reload_ends(1).look(Step::Dispatched, &board);
    assert_eq!(teller.broken(), NONE, "null, and on UNUSE anything");
}

#[test]
fn after_a_memory_break_nothing_is_judged() {
    let setup = setup(1, OnTerm::Ignores);
    let (mut board, children) = sound(3);
    board.squares[children[0].0 as usize].live = false;
    let mut teller = RunReader::new(&setup);
    teller.look(Step::Cleanup, &board).look(Step::Blocked, &board);
    teller.tell(treefall_model::event::Event::Ended(treefall_model::event::End::NoProgress));
    assert_eq!(teller.broken(), ["no-dangling-node/cleanup/child"]);
}

/// The second opinion: every property for itself, over the nodes that a walk with a memory meets.
fn is_sound(board: &Board, tree: Tree) -> bool {
    fn nodes(
        board: &Board,
        tree: Tree,
        link: Link,
        met: &mut BTreeSet<Block>,
        order: &mut Vec<Block>,
    ) -> bool {
        let block = match link {
            Link::End => return true,
            Link::Wild => return false,
            Link::To(block) => block,
        };
        let node = board.node(tree, block);
        met.insert(block) && board.is_live(block) && nodes(board, tree, node.left, met, order) && {
            order.push(block);
            nodes(board, tree, node.right, met, order)
        }
    }
    let mut order = Vec::new();
    let root = board.root(tree);
    if !nodes(board, tree, root, &mut BTreeSet::new(), &mut order) {
        return false;
    }
    let node = |block: &Block| board.node(tree, *block);
    let parents = order.iter().all(|block| {
        let above = |it: &&Block| node(it).left == Link::To(*block) || node(it).right == Link::To(*block);
        node(block).parent == order.iter().find(above).map_or(Link::End, |parent| Link::To(*parent))
    });
    let red_parent = |block: &Block| matches!(node(block).parent, Link::To(parent) if node(&parent).red);
    let colours = order.iter().all(|block| !node(block).red || !red_parent(block));
    let black_root = order.iter().all(|block| Link::To(*block) != root || !node(block).red);
    // Black nodes from a node up to the root, itself included.
    let blacks = |block: &Block| {
        let (mut count, mut at) = (0, *block);
        loop {
            count += u32::from(!node(&at).red);
            match node(&at).parent {
                Link::To(parent) => at = parent,
                _ => return count,
            }
        }
    };
    let open = |block: &&Block| node(block).left == Link::End || node(block).right == Link::End;
    parents && colours && black_root && {
        let heights: BTreeSet<_> = order.iter().filter(open).map(blacks).collect();
        let deadlines = order.iter().map(|block| board.entry(*block).deadline);
        let pids = order.iter().map(|block| board.entry(*block).pid.map_or(0, treefall_model::id::Pid::get));
        let ordered = if tree == Tree::ChildPid { pids.is_sorted() } else { deadlines.is_sorted() };
        let first = order.first().map_or(Link::End, |first| Link::To(*first));
        heights.len() <= 1 && ordered && board.leftmost(tree).is_none_or(|cached| cached == first)
    }
}

/// A change to one link, colour, key or block: what, of which entry, to which.
type Spoil = (u8, usize, usize);

fn spoil(board: &mut Board, tree: Tree, (what, whose, whom): Spoil) {
    let count = board.squares.len();
    if count == 0 {
        return;
    }
    let (block, other) = (Block(u32::try_from(whose % count).expect("few")), whom % (count + 2));
    let link = match other.checked_sub(count) {
        None => to(other),
        Some(0) => Link::End,
        Some(_) => Link::Wild,
    };
    match what {
        0 => board.node_mut(tree, block).left = link,
        1 => board.node_mut(tree, block).right = link,
        2 => board.node_mut(tree, block).parent = link,
        3 => board.node_mut(tree, block).red ^= true,
        4 => board.leftmost[tree as usize] = link,
        5 => board.roots[tree as usize] = link,
        6 => board.squares[block.0 as usize].live = false,
        _ => {
            let from = board.squares[other % count].entry;
            board.squares[block.0 as usize].entry = from;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_and_the_second_opinion_agree_on_every_tree(
        size in 0_usize..20,
        spoils in proptest::collection::vec((0_u8..8, any::<usize>(), any::<usize>()), 0..4),
        tree in prop_oneof![Just(Tree::Timer), Just(Tree::Read)],
    ) {
        let mut board = Board::new();
        let blocks: Vec<_> = (0..size).map(|_| board.hand_out(EntryKind::Timer)).collect();
        board.plant(tree, &blocks);
        spoils.into_iter().for_each(|it| spoil(&mut board, tree, it));
        prop_assert_eq!(board.broken().is_empty(), is_sound(&board, tree));
        // However it is linked, the hash comes to its end.
        prop_assert_eq!(index_hash(&board), index_hash(&board));
    }

    #[test]
    fn the_walk_and_the_second_opinion_agree_on_every_pid_tree(
        size in 0_usize..20,
        spoils in proptest::collection::vec((0_u8..8, any::<usize>(), any::<usize>()), 0..4),
    ) {
        let mut board = Board::new();
        let blocks: Vec<_> = (0..size).map(|_| board.hand_out(EntryKind::Unused)).collect();
        board.plant(Tree::ChildPid, &blocks);
        spoils.into_iter().for_each(|it| spoil(&mut board, Tree::ChildPid, it));
        let memory = |it: &String| it.starts_with("tree-shape") || it.starts_with("no-dangling-node");
        prop_assert_eq!(!board.broken().iter().any(memory), is_sound(&board, Tree::ChildPid));
    }
}

#[test]
fn the_index_hash_depends_on_every_link_colour_and_entry() {
    let sound = || sound(7).0;
    let hash = index_hash(&sound());
    assert_eq!(hash, index_hash(&sound()));
    let differs = |what: &str, spoil: &dyn Fn(&mut Board)| {
        let mut board = sound();
        spoil(&mut board);
        assert_ne!(index_hash(&board), hash, "{what}");
    };
    differs("colour", &|board| board.node_mut(Tree::Child, Block(2)).red ^= true);
    differs("parent", &|board| board.node_mut(Tree::ChildPid, Block(2)).parent = Link::Wild);
    differs("link", &|board| board.node_mut(Tree::Child, Block(0)).left = Link::Wild);
    differs("cache", &|board| board.leftmost[Tree::Timer as usize] = Link::End);
    differs("kind", &|board| board.squares[3].entry.kind = EntryKind::ChildTimeout);
    differs("deadline", &|board| board.squares[3].entry.deadline = Deadline::Never);
    differs("pid", &|board| board.squares[3].entry.pid = None);
    differs("handler", &|board| board.squares[3].entry.handler = Some(Handler::Tick));
    differs("argument", &|board| board.squares[3].entry.argument = Some(ScriptRef::default()));
    differs("list", &|board| board.ends[List::Unuse as usize].1 = Link::End);
    let mut board = sound();
    let Link::To(retired) = board.first(List::Unuse) else { panic!("UNUSE is not empty") };
    board.squares[retired.0 as usize].entry.pid = None;
    assert_eq!(index_hash(&board), hash, "what a retired entry says means nothing");
}
