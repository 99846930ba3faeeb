//! Tests of [`heap`](super).

use super::super::entry::{PID, PLACE};
use super::*;

fn handed_out(policy: HeapPolicy) -> Vec<u32> {
    let mut heap = Heap::new(policy);
    let entries: Vec<Addr> = (0..4).map(|_| heap.allocate()).collect();
    for entry in entries {
        heap.free(entry).expect("live");
    }
    (0..5)
        .filter_map(|_| {
            let entry = heap.allocate();
            heap.block_at(entry)
        })
        .map(|(block, _)| block.0)
        .collect()
}

#[test]
fn freed_blocks_come_back_in_the_order_of_the_policy() {
    assert_eq!(handed_out(HeapPolicy::LastFreedFirst), [3, 2, 1, 0, 4]);
    assert_eq!(handed_out(HeapPolicy::FirstFreedFirst), [0, 1, 2, 3, 4]);
    assert_eq!(handed_out(HeapPolicy::NeverAgain), [4, 5, 6, 7, 8]);
}

#[test]
fn a_freed_block_keeps_its_bytes_until_it_is_handed_out_again_zeroed() {
    let mut heap = Heap::new(HeapPolicy::LastFreedFirst);
    let entry = heap.allocate();
    heap.set(entry + PID, 77).expect("mapped");
    heap.free(entry).expect("live");
    assert_eq!(heap.get(entry + PID), Ok(77));
    assert_eq!(heap.allocate(), entry);
    assert_eq!(heap.get(entry + PID), Ok(0));
}

#[test]
fn what_is_not_handed_out_cannot_be_freed() {
    let mut heap = Heap::new(HeapPolicy::LastFreedFirst);
    let entry = heap.allocate();
    assert_eq!(heap.free(entry), Ok(()));
    for wrong in [entry, entry + 8, entry + STRIDE, MASTER_AT] {
        assert_eq!(heap.free(wrong), Err(NoBlock));
    }
}

#[test]
fn addresses_outside_the_memory_trap() {
    let mut heap = Heap::new(HeapPolicy::LastFreedFirst);
    let entry = heap.allocate();
    for wild in [0, 8, 4095, MASTER_AT - 8, entry + STRIDE, u64::MAX - 7] {
        assert_eq!(heap.get(wild), Err(Trap(wild)));
        assert_eq!(heap.set(wild, 1), Err(Trap(wild)));
    }
    assert_eq!(Trap(8).inside("rb_erase"), Fault::Segv { address: 8, function: "rb_erase" });
}

#[test]
fn the_first_use_of_a_freed_linked_block_is_noted_once_and_tells_its_story() {
    let mut heap = Heap::new(HeapPolicy::LastFreedFirst);
    let (sound, entry) = (heap.allocate(), heap.allocate());
    let at = Instant::from_micros;
    heap.enter(at(1), "thread_add_child");
    heap.pid_linked(entry, true);
    heap.enter(at(2), "thread_cleanup_master");
    heap.free(entry).expect("live");
    heap.enter(at(3), "rb_erase");
    heap.get(sound + PLACE).expect("mapped");
    assert_eq!(heap.notes(), []);
    heap.get(entry + PID_NODE).expect("mapped");
    heap.get(entry + PID_NODE).expect("mapped");
    let mark = |micros, function| Mark { at: at(micros), function, looks: 0 };
    let note = Note {
        block: Block(1),
        linked_at: mark(1, "thread_add_child"),
        freed_at: mark(2, "thread_cleanup_master"),
        used_at: mark(3, "rb_erase"),
    };
    assert_eq!(heap.notes(), [note]);
}

#[test]
fn the_pid_node_of_a_block_freed_while_linked_stays_suspect_when_it_is_handed_out_again() {
    let mut heap = Heap::new(HeapPolicy::LastFreedFirst);
    let entry = heap.allocate();
    heap.pid_linked(entry, true);
    heap.free(entry).expect("live");
    assert_eq!(heap.allocate(), entry);
    heap.set(entry + PLACE, 1).expect("mapped");
    assert_eq!(heap.notes(), []);
    heap.set(entry + PID_NODE, 1).expect("mapped");
    assert_eq!(heap.notes().len(), 1);
}

#[test]
fn a_loop_that_does_not_end_traps() {
    let mut heap = Heap::new(HeapPolicy::LastFreedFirst);
    let trap = (0..=VISITS_BASE).find_map(|_| heap.visit().err()).expect("there is a limit");
    assert_eq!(trap.inside("rb_next"), Fault::Endless { function: "rb_next" });
}
