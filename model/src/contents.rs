//! The indexes by what they hold: per tree and list its entries in order, without blocks, colours and links.
//!
//! Two programs that keep the same entries in the same order have equal contents, even where one gives retired entries
//! out again, or destroys entries, in another order. Retired entries (UNUSE) are counted, and nothing else of them is told.

use alloc::vec::Vec;

use crate::event::EntryKind;
use crate::index::{Entry, IndexView, Link, List, Tree};
use crate::time::Deadline;
use crate::violation::Index;

/// Greatest height that is walked: no red-black tree with fewer than 2^32 nodes is higher.
const HEIGHT_MAX: usize = 64;

/// One step of a walk over the indexes.
#[derive(Clone, Copy, Debug)]
enum Item {
    /// An index begins.
    Begin(Index),
    /// Its next entry.
    Entry(Entry),
    /// The number of retired entries.
    Retired(u32),
    /// A link leads to no entry, or in a circle: the index ends here.
    Broken,
}

/// One tree or list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Which one.
    pub index: Index,
    /// Its entries in order: by key in trees. None for UNUSE.
    pub entries: Vec<Entry>,
    /// Number of entries; for UNUSE too.
    pub count: u32,
    /// Whether the walk met a link that leads to no entry, or a circle.
    pub broken: bool,
}

/// What all trees and lists hold.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Contents {
    /// Each of them: the trees, then the lists.
    pub held: Vec<Held>,
}

impl Contents {
    /// Returns what the view shows.
    #[must_use]
    pub fn of<V: IndexView>(view: &V) -> Self {
        let mut held: Vec<Held> = Vec::new();
        walk(view, |item| match (item, held.last_mut()) {
            (Item::Begin(index), _) => {
                held.push(Held { index, entries: Vec::new(), count: 0, broken: false });
            }
            (Item::Entry(entry), Some(last)) => {
                last.entries.push(entry);
                last.count += 1;
            }
            (Item::Retired(count), Some(last)) => last.count = count,
            (Item::Broken, Some(last)) => last.broken = true,
            (_, None) => {}
        });
        Self { held }
    }

    /// Returns the first tree or list in which the two differ, as each has it.
    #[must_use]
    pub fn first_unlike<'c>(&'c self, other: &'c Self) -> Option<(&'c Held, &'c Held)> {
        self.held.iter().zip(&other.held).find(|(one, two)| one != two)
    }
}

/// Hashes the contents of all trees and lists. Equal [`Contents`] have equal hashes. The hash may differ between versions
/// of treefall.
#[must_use]
pub fn contents_hash<V: IndexView>(view: &V) -> u64 {
    let mut state = 0_u64;
    let mut mix = |number: u64| {
        let mixed = (state ^ number).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        state = mixed ^ (mixed >> 32);
    };
    walk(view, |item| match item {
        Item::Begin(Index::Tree(tree)) => mix(0x100 | tree as u64),
        Item::Begin(Index::List(list)) => mix(0x200 | list as u64),
        Item::Retired(count) => mix(u64::from(count)),
        Item::Broken => mix(u64::MAX),
        Item::Entry(Entry { kind, deadline, pid, handler, argument }) => {
            mix(match deadline {
                Deadline::At(at) => at.as_micros(),
                Deadline::Never => u64::MAX - 1,
            });
            let pid = pid.map_or(0, |pid| u64::from(pid.get().unsigned_abs()));
            mix(pid << 16 | handler.map_or(0xff, |handler| handler as u64) << 8 | kind as u64);
            mix(argument.map_or(u64::MAX, |it| u64::from(it.generation.0) << 16 | u64::from(it.script.0)));
        }
    });
    state
}

/// Visits all trees and lists; ends on corrupted ones too.
fn walk<V: IndexView>(view: &V, mut visit: impl FnMut(Item)) {
    let most = view.blocks().saturating_add(1);
    for tree in Tree::ALL {
        visit(Item::Begin(Index::Tree(tree)));
        walk_tree(view, tree, most, &mut visit);
    }
    for list in List::ALL {
        visit(Item::Begin(Index::List(list)));
        let (mut link, mut count) = (view.first(list), 0);
        while let Link::To(block) = link {
            if count == most {
                break;
            }
            count += 1;
            if list != List::Unuse {
                // A deadline means nothing in a list.
                let entry = Entry { deadline: Deadline::Never, ..view.entry(block) };
                visit(Item::Entry(meaningful(entry)));
            }
            link = view.next(list, block);
        }
        if list == List::Unuse {
            visit(Item::Retired(count));
        }
        if link != Link::End {
            visit(Item::Broken);
        }
    }
}

/// Visits a tree by its keys.
fn walk_tree<V: IndexView>(view: &V, tree: Tree, most: u32, visit: &mut impl FnMut(Item)) {
    let mut above = [None; HEIGHT_MAX];
    let (mut height, mut link, mut left) = (0, view.root(tree), most);
    loop {
        match link {
            Link::To(block) if height < HEIGHT_MAX && left > 0 => {
                above[height] = Some(block);
                height += 1;
                left -= 1;
                link = view.node(tree, block).left;
            }
            Link::End => {
                let Some(block) = height.checked_sub(1).and_then(|top| above[top]) else { return };
                height -= 1;
                visit(Item::Entry(meaningful(view.entry(block))));
                link = view.node(tree, block).right;
            }
            Link::To(_) | Link::Wild => return visit(Item::Broken),
        }
    }
}

/// The entry without a pid where the field means something else.
fn meaningful(entry: Entry) -> Entry {
    Entry { pid: entry.pid.filter(|_| entry.kind.has_pid() && entry.kind != EntryKind::Unused), ..entry }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::id::Pid;
    use crate::index::{Block, Node};
    use crate::time::Instant;

    /// CHILD with these nodes; UNUSE with these blocks in order.
    struct Child {
        nodes: Vec<(u64, Node)>,
        root: Link,
        unuse: Vec<u32>,
    }

    impl IndexView for Child {
        fn root(&self, tree: Tree) -> Link {
            if tree == Tree::Child { self.root } else { Link::End }
        }
        fn leftmost(&self, _: Tree) -> Option<Link> {
            None
        }
        fn node(&self, _: Tree, block: Block) -> Node {
            self.nodes[block.0 as usize].1
        }
        fn first(&self, list: List) -> Link {
            let first = self.unuse.first().filter(|_| list == List::Unuse);
            first.map_or(Link::End, |block| Link::To(Block(*block)))
        }
        fn last(&self, _: List) -> Link {
            Link::End
        }
        fn next(&self, _: List, block: Block) -> Link {
            let place = self.unuse.iter().position(|it| *it == block.0).unwrap_or(0);
            self.unuse.get(place + 1).map_or(Link::End, |block| Link::To(Block(*block)))
        }
        fn previous(&self, _: List, _: Block) -> Link {
            Link::End
        }
        fn entry(&self, block: Block) -> Entry {
            let deadline = Deadline::At(Instant::from_micros(self.nodes[block.0 as usize].0));
            let pid = Pid::new(100 + block.0 as i32);
            Entry { kind: EntryKind::Child, deadline, pid, handler: None, argument: None }
        }
        fn is_live(&self, _: Block) -> bool {
            true
        }
        fn blocks(&self) -> u32 {
            self.nodes.len() as u32
        }
    }

    const END: Link = Link::End;

    fn to(block: u32) -> Link {
        Link::To(Block(block))
    }

    fn node(left: Link, right: Link) -> Node {
        Node { parent: END, left, right, red: false }
    }

    #[test]
    fn the_shape_of_a_tree_and_the_order_of_retired_entries_are_not_told() {
        let balanced = Child {
            nodes: vec![(1, node(END, END)), (2, node(to(0), to(2))), (3, node(END, END))],
            root: to(1),
            unuse: vec![0, 1, 2],
        };
        let slanted = Child {
            nodes: vec![(1, node(END, to(1))), (2, node(END, to(2))), (3, node(END, END))],
            root: to(0),
            unuse: vec![2, 0, 1],
        };
        assert_eq!(Contents::of(&balanced), Contents::of(&slanted));
        assert_eq!(contents_hash(&balanced), contents_hash(&slanted));
        let child = &Contents::of(&balanced).held[Tree::Child as usize];
        assert_eq!((child.count, child.broken), (3, false));
    }

    #[test]
    fn an_entry_more_another_order_and_a_circle_are_told() {
        let of = |nodes: Vec<(u64, Node)>, root, unuse| Child { nodes, root, unuse };
        let one = of(vec![(1, node(END, END))], to(0), vec![]);
        let two = of(vec![(1, node(END, to(1))), (2, node(END, END))], to(0), vec![]);
        let swapped = of(vec![(2, node(END, END)), (1, node(END, to(0)))], to(1), vec![]);
        let circle = of(vec![(1, node(to(0), END))], to(0), vec![]);
        let retired = of(vec![(1, node(END, END))], to(0), vec![0]);
        let all = [one, two, swapped, circle, retired];
        for (place, view) in all.iter().enumerate() {
            for other in &all[..place] {
                assert_ne!(Contents::of(view), Contents::of(other), "{place}");
                assert_ne!(contents_hash(view), contents_hash(other), "{place}");
            }
        }
        let contents = Contents::of(&all[3]);
        assert!(contents.held[Tree::Child as usize].broken);
        let of_one = Contents::of(&all[0]);
        let unlike = contents.first_unlike(&of_one).expect("they differ");
        assert_eq!(unlike.0.index, Index::Tree(Tree::Child));
    }
}
