//! Tests that quick looks at the indexes give the same verdict as complete ones, word for word, on every release.
//!
//! A quick look follows the changes or sweeps over all entries; it may only conclude that all is well. On any doubt,
//! a complete look at the same step finds the violation. So both judges must report the same violations, at the same
//! instants and records, in the same words.

use treefall::generator::generate;
use treefall::model::event::{Record, Step, SubjectKind};
use treefall::model::index::{Block, Branch, Entry, IndexView, Link, List, Node, Tree};
use treefall::model::observe::{Observer, Options, Watch};
use treefall::model::release::{Release, Rules};
use treefall::model::time::{Instant, Span};
use treefall::model::trace::{Name, Script, Setup, Trace};
use treefall::model::verdict::{Verdict, Weight};
use treefall::subject::build;
use treefall::subject::program::find_installed;
use treefall::subject::replica::{Replica, run_replica};
use treefall::subject::target::{Place, Target};

/// Seed of the campaign.
const SEED: u64 = 20_260_717;
/// Traces for each release.
const TRACES: u64 = 120;
/// Scripts that are added to make more entries than a sweep covers.
const WIDER_BY: usize = 40;

/// A view that does not report changes, so that everything is swept.
struct WithoutChanges<'v, V>(&'v V);

impl<V: IndexView> IndexView for WithoutChanges<'_, V> {
    fn root(&self, tree: Tree) -> Link {
        self.0.root(tree)
    }
    fn leftmost(&self, tree: Tree) -> Option<Link> {
        self.0.leftmost(tree)
    }
    fn node(&self, tree: Tree, block: Block) -> Node {
        self.0.node(tree, block)
    }
    fn first(&self, list: List) -> Link {
        self.0.first(list)
    }
    fn last(&self, list: List) -> Link {
        self.0.last(list)
    }
    fn next(&self, list: List, block: Block) -> Link {
        self.0.next(list, block)
    }
    fn previous(&self, list: List, block: Block) -> Link {
        self.0.previous(list, block)
    }
    fn entry(&self, block: Block) -> Entry {
        self.0.entry(block)
    }
    fn is_live(&self, block: Block) -> bool {
        self.0.is_live(block)
    }
    fn blocks(&self) -> u32 {
        self.0.blocks()
    }
}

/// An observer without changes that also checks that links as numbers equal links as words.
struct WatchWithoutChanges<'s>(Watch<'s>);

/// Asserts that a sweep reads the same as a complete look.
fn assert_words_say_the_same<V: IndexView>(view: &V, tree: Tree, block: Block) {
    let (words, node, entry) = (view.words(tree, block), view.node(tree, block), view.entry(block));
    assert_eq!(words.red, node.red);
    for (word, link) in [(words.parent, node.parent), (words.left, node.left), (words.right, node.right)] {
        assert_eq!(word == V::NULL, link == Link::End);
        let live = match link {
            Link::To(to) => Some(to).filter(|to| view.is_live(*to)),
            Link::End | Link::Wild => None,
        };
        assert_eq!(view.node_at(tree, word), live);
    }
    assert_eq!(view.key(tree, block), entry.key(tree));
    assert_eq!(view.says(block), (entry.kind, entry.argument));
}

impl Observer for WatchWithoutChanges<'_> {
    fn record(&mut self, record: &Record) {
        self.0.record(record);
    }

    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        for block in (0..view.blocks()).map(Block) {
            for tree in Tree::ALL {
                let Node { parent, left, right, red } = view.node(tree, block);
                let (parent, left, right) = (parent.number(), left.number(), right.number());
                assert_eq!(view.branch(tree, block), Branch { parent, left, right, red });
                assert_words_say_the_same(view, tree, block);
            }
            for list in List::ALL {
                let beside = (view.previous(list, block).number(), view.next(list, block).number());
                assert_eq!(view.neighbours(list, block), beside);
            }
        }
        self.0.step(step, at, &WithoutChanges(view));
    }
}

fn without_changes(trace: &Trace, rules: Rules) -> Verdict {
    let watch = WatchWithoutChanges(Watch::new(trace.setup(), SubjectKind::Replica, Options::VERDICT));
    let run = Replica::new(trace, rules, watch).run();
    run.observer.0.finish(run.outcome).verdict
}

/// Returns the trace with more scripts in each configuration, after the existing ones.
fn wider(trace: &Trace) -> Trace {
    let mut setup: Setup = trace.setup().clone();
    for config in &mut setup.configs {
        let there = config.scripts.len();
        config.scripts.extend((0..WIDER_BY).map(|more| {
            let mut script = Script::new(Name::numbered(there + more));
            script.interval = Span::from_millis(700 + 90 * more as u64);
            script.timeout = Span::from_millis(400 + 130 * more as u64);
            script
        }));
    }
    Trace::new(setup, trace.wakes().to_vec()).expect("within the limits of a trace")
}

/// Judges the campaign's traces on every release in both ways; returns how many violated a memory law and a conduct
/// law.
fn same_on_all_releases(
    traces: u64,
    trace: impl Fn(u64) -> Trace,
    quick: impl Fn(&Trace, Rules) -> Verdict,
) -> (u32, u32) {
    let releases = Release::ALL.iter().map(|release| (release.to_string(), Rules::of(*release)));
    let mended = ("mended".to_owned(), Rules::mended());
    let (mut memory, mut conduct) = (0, 0);
    for (place, (name, rules)) in (0..).zip(releases.chain([mended])) {
        for number in place * traces..(place + 1) * traces {
            let trace = trace(number);
            let whole = run_replica(&trace, rules, Options::WHOLE).verdict;
            assert_eq!(quick(&trace, rules), whole, "{name}, trace {number}");
            let weighs = |weight| whole.breaks.iter().any(|it| it.signature.law.weight() == weight);
            memory += u32::from(weighs(Weight::Memory));
            conduct += u32::from(weighs(Weight::Conduct));
        }
    }
    (memory, conduct)
}

fn with_changes(trace: &Trace, rules: Rules) -> Verdict {
    run_replica(trace, rules, Options::VERDICT).verdict
}

#[test]
fn a_sweep_over_few_entries_equals_a_complete_look() {
    let (memory, conduct) = same_on_all_releases(TRACES, |number| generate(SEED, number), with_changes);
    assert!(memory > 50 && conduct > 500, "{memory} memory violations and {conduct} others are too few");
}

#[test]
fn following_changes_equals_a_complete_look() {
    let trace = |number| wider(&generate(SEED, number));
    let (memory, conduct) = same_on_all_releases(TRACES / 6, trace, with_changes);
    assert!(memory > 10 && conduct > 80, "{memory} memory violations and {conduct} others are too few");
}

#[test]
fn a_sweep_by_numeric_links_equals_a_complete_look() {
    let (memory, conduct) =
        same_on_all_releases(TRACES / 3, |number| generate(SEED, number), without_changes);
    assert!(memory > 20 && conduct > 150, "{memory} memory violations and {conduct} others are too few");
}

/// Tests the real program, if one is installed: few scripts are swept, many are followed by changes.
#[test]
fn quick_looks_equal_complete_ones_on_the_real_program() {
    for path in find_installed() {
        let mut real = build(&Target::Engine(Place::of(path))).expect("it can be driven");
        let few: Vec<_> = (0..300).map(|number| generate(SEED, number)).collect();
        let many: Vec<_> = few.iter().step_by(10).map(wider).collect();
        for traces in [few, many] {
            let quick = real.run(&traces, Options::VERDICT).expect("it runs");
            let whole = real.run(&traces, Options::WHOLE).expect("it runs");
            for (place, (quick, whole)) in quick.iter().zip(&whole).enumerate() {
                assert_eq!(quick.verdict, whole.verdict, "trace {place}");
            }
        }
    }
}
