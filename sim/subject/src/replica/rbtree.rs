//! Intrusive red-black trees over the simulated memory.
//!
//! A node is three words: its parent's address with its colour in the lowest bit (0 red, 1 black), its right child,
//! its left child. The rules are those of keepalived.md, section 7, for sound and for broken trees: nothing is
//! checked that the program does not check, and an erased node is not cleared. Each function is one of the program's
//! own, and traps where that one would crash.
//!
//! A side is the offset of a child's link, so that one function handles both sides.

use treefall_model::release::LastInErase;

use super::entry::Addr;
use super::fault::Trap;
use super::heap::Heap;
use super::mutant::Mutant;

/// Offset of the left child's link.
pub(super) const LEFT: u64 = 16;
/// Offset of the right child's link.
pub(super) const RIGHT: u64 = 8;

const RED: u64 = 0;
const BLACK: u64 = 1;
const COLOUR: u64 = 1;
/// The bits of a parent word that are not part of the address.
const TAG: u64 = 3;

/// Returns the parent in a node's first word.
#[inline]
pub(super) const fn parent_in(word: u64) -> Addr {
    word & !TAG
}

/// Returns whether a node's first word says that it is red.
#[inline]
pub(super) const fn is_red(word: u64) -> bool {
    word & COLOUR == RED
}

/// Links `node`, red and without children, at `link`: a child's link of `parent`, or the root.
#[inline]
pub(super) fn hang(heap: &mut Heap, node: Addr, parent: Addr, link: Addr) -> Result<(), Trap> {
    heap.set(node, parent)?;
    heap.set(node + LEFT, 0)?;
    heap.set(node + RIGHT, 0)?;
    heap.set(link, node)
}

/// Makes what pointed down at `old` point at `new`: its parent's left link if that pointed at it, else the right one,
/// unchecked; without a parent the root.
#[inline]
fn replace_below(heap: &mut Heap, root: Addr, parent: Addr, old: Addr, new: Addr) -> Result<(), Trap> {
    let link = if parent == 0 {
        root
    } else if heap.get(parent + LEFT)? == old {
        parent + LEFT
    } else {
        parent + RIGHT
    };
    heap.set(link, new)
}

/// Swaps parent links after a rotation: `new` takes the place of `old`, and `old` is below it in `colour`.
fn rotated(heap: &mut Heap, root: Addr, old: Addr, new: Addr, colour: u64) -> Result<(), Trap> {
    let word = heap.get(old)?;
    heap.set(new, word)?;
    heap.set(old, new | colour)?;
    if heap.has(Mutant::RotationNotLinked) {
        return Ok(());
    }
    replace_below(heap, root, parent_in(word), old, new)
}

/// `rb_insert_color`: repairs the colours above a new node. A red parent is assumed to have a parent.
pub(super) fn settle_inserted(heap: &mut Heap, root: Addr, mut node: Addr) -> Result<(), Trap> {
    loop {
        heap.visit()?;
        let mut parent = parent_in(heap.get(node)?);
        if parent == 0 {
            return heap.set(node, if heap.has(Mutant::RootNotBlackened) { RED } else { BLACK });
        }
        let word = heap.get(parent)?;
        if !is_red(word) {
            return Ok(());
        }
        let above = parent_in(word);
        let mut uncle = heap.get(above + RIGHT)?;
        let (side, far) = if uncle == parent { (RIGHT, LEFT) } else { (LEFT, RIGHT) };
        if far == LEFT {
            uncle = heap.get(above + LEFT)?;
        }
        if uncle != 0 && is_red(heap.get(uncle)?) {
            heap.set(uncle, above | if heap.has(Mutant::UncleNotRecoloured) { RED } else { BLACK })?;
            heap.set(parent, above | BLACK)?;
            node = above;
            let word = heap.get(node)?;
            heap.set(node, parent_in(word) | RED)?;
            continue;
        }
        let mut inner = heap.get(parent + far)?;
        if inner == node {
            inner = heap.get(node + side)?;
            heap.set(parent + far, inner)?;
            heap.set(node + side, parent)?;
            if inner != 0 {
                heap.set(inner, parent | BLACK)?;
            }
            heap.set(parent, node | RED)?;
            parent = node;
            inner = heap.get(node + far)?;
        }
        heap.set(above + side, inner)?;
        heap.set(parent + far, above)?;
        if inner != 0 {
            heap.set(inner, above | BLACK)?;
        }
        return rotated(heap, root, above, parent, RED);
    }
}

/// `rb_erase`: removes `node`. It is not cleared, and nothing is checked: a second erase writes through the links of
/// the first.
/// the links of the first.
pub(super) fn erase(heap: &mut Heap, root: Addr, node: Addr, last: LastInErase) -> Result<(), Trap> {
    let right = heap.get(node + RIGHT)?;
    let left = heap.get(node + LEFT)?;
    let lacking = if left == 0 {
        let word = heap.get(node)?;
        let parent = parent_in(word);
        replace_below(heap, root, parent, node, right)?;
        if right != 0 {
            heap.set(right, word)?;
            0
        } else if is_red(word) {
            0
        } else {
            parent
        }
    } else if right == 0 {
        let word = heap.get(node)?;
        heap.set(left, word)?;
        replace_below(heap, root, parent_in(word), node, left)?;
        0
    } else {
        erase_with_both(heap, root, node, right, last)?
    };
    let settles = lacking != 0 && !heap.has(Mutant::EraseNotRebalanced);
    if settles { settle_erased(heap, root, lacking) } else { Ok(()) }
}

/// Erases a node with both children: its successor takes its place and colour. Returns the node below which a black
/// one is missing, or 0.
fn erase_with_both(
    heap: &mut Heap,
    root: Addr,
    node: Addr,
    right: Addr,
    last: LastInErase,
) -> Result<Addr, Trap> {
    let mut successor = right;
    let mut above = right;
    let mut below = heap.get(right + LEFT)?;
    let orphan;
    if below == 0 {
        orphan = heap.get(successor + RIGHT)?;
    } else {
        while below != 0 {
            heap.visit()?;
            above = successor;
            successor = below;
            below = heap.get(successor + LEFT)?;
        }
        orphan = heap.get(successor + RIGHT)?;
        heap.set(above + LEFT, orphan)?;
        heap.set(successor + RIGHT, right)?;
        let word = heap.get(right)?;
        heap.set(right, successor | word & COLOUR)?;
    }
    // Read again: in a broken tree the node may have been on the path to its own successor.
    let left = heap.get(node + LEFT)?;
    heap.set(successor + LEFT, left)?;
    let word = heap.get(left)?;
    heap.set(left, successor | word & COLOUR)?;
    let word = heap.get(node)?;
    replace_below(heap, root, parent_in(word), node, successor)?;
    if orphan != 0 {
        let (successor, orphan) = ((successor, word), (orphan, above | BLACK));
        // In a broken tree both may be the same node.
        let writes = match last {
            LastInErase::Child => [successor, orphan],
            LastInErase::Successor => [orphan, successor],
        };
        for (node, word) in writes {
            heap.set(node, word)?;
        }
        return Ok(0);
    }
    let was = heap.get(successor)?;
    heap.set(successor, word)?;
    Ok(if is_red(was) { 0 } else { above })
}

/// Repairs the colours if a black node is missing below `parent`. A sibling is assumed to exist.
fn settle_erased(heap: &mut Heap, root: Addr, mut parent: Addr) -> Result<(), Trap> {
    let mut node = 0;
    loop {
        heap.visit()?;
        let mut sibling = heap.get(parent + RIGHT)?;
        let (side, far) = if sibling == node { (RIGHT, LEFT) } else { (LEFT, RIGHT) };
        if far == LEFT {
            sibling = heap.get(parent + LEFT)?;
        }
        if is_red(heap.get(sibling)?) {
            let nephew = heap.get(sibling + side)?;
            heap.set(parent + far, nephew)?;
            heap.set(sibling + side, parent)?;
            heap.set(nephew, parent | BLACK)?;
            rotated(heap, root, parent, sibling, RED)?;
            sibling = nephew;
        }
        let mut outer = heap.get(sibling + far)?;
        if outer == 0 || !is_red(heap.get(outer)?) {
            let inner = heap.get(sibling + side)?;
            if inner == 0 || !is_red(heap.get(inner)?) {
                heap.set(sibling, parent | RED)?;
                let word = heap.get(parent)?;
                if is_red(word) {
                    return heap.set(parent, word | BLACK);
                }
                node = parent;
                parent = parent_in(word);
                if parent == 0 {
                    return Ok(());
                }
                continue;
            }
            let grandchild = heap.get(inner + far)?;
            heap.set(sibling + side, grandchild)?;
            heap.set(inner + far, sibling)?;
            heap.set(parent + far, inner)?;
            if grandchild != 0 {
                heap.set(grandchild, sibling | BLACK)?;
            }
            outer = sibling;
            sibling = inner;
        }
        let inner = heap.get(sibling + side)?;
        heap.set(parent + far, inner)?;
        heap.set(sibling + side, parent)?;
        heap.set(outer, sibling | BLACK)?;
        if inner != 0 {
            let word = heap.get(inner)?;
            heap.set(inner, parent | word & COLOUR)?;
        }
        return rotated(heap, root, parent, sibling, BLACK);
    }
}

/// `rb_next`: returns the node after `node` in order, or 0. It climbs by parent pointers and compares addresses.
pub(super) fn next(heap: &mut Heap, mut node: Addr) -> Result<Addr, Trap> {
    let word = heap.get(node)?;
    if word == node {
        return Ok(0);
    }
    let mut below = heap.get(node + RIGHT)?;
    if below != 0 {
        loop {
            heap.visit()?;
            let left = heap.get(below + LEFT)?;
            if left == 0 {
                return Ok(below);
            }
            below = left;
        }
    }
    let mut parent = parent_in(word);
    while parent != 0 && heap.get(parent + RIGHT)? == node {
        heap.visit()?;
        node = parent;
        parent = parent_in(heap.get(node)?);
    }
    Ok(parent)
}

/// Returns the leaf that post-order visits first below `node`.
fn deepest(heap: &mut Heap, mut node: Addr) -> Result<Addr, Trap> {
    loop {
        heap.visit()?;
        let left = heap.get(node + LEFT)?;
        let below = if left != 0 { left } else { heap.get(node + RIGHT)? };
        if below == 0 {
            return Ok(node);
        }
        node = below;
    }
}

/// `rb_first_postorder`: returns the first node of the tree in post-order, or 0.
pub(super) fn first_in_postorder(heap: &mut Heap, root: Addr) -> Result<Addr, Trap> {
    match heap.get(root)? {
        0 => Ok(0),
        top => deepest(heap, top),
    }
}

/// `rb_next_postorder`: returns the node after `node` in post-order, or 0.
pub(super) fn next_in_postorder(heap: &mut Heap, node: Addr) -> Result<Addr, Trap> {
    heap.visit()?;
    let parent = parent_in(heap.get(node)?);
    if parent != 0 && heap.get(parent + LEFT)? == node {
        let right = heap.get(parent + RIGHT)?;
        if right != 0 {
            return deepest(heap, right);
        }
    }
    Ok(parent)
}
