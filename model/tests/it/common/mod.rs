//! What the tests of the laws share: a board of hand-made indexes, and a teller of hand-made histories.

use treefall_model::event::{Answer, EntryKind, Event, Handler, Record, Step, SubjectKind, Target};
use treefall_model::id::{Generation, Pid, Run, ScriptRef};
use treefall_model::index::{Block, Entry, IndexView, Link, List, Node, Tree};
use treefall_model::observe::{Observer, Options, Watch};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Deadline, Instant, Span};
use treefall_model::trace::{Config, Name, OnTerm, Script, Setup};
use treefall_model::verdict::Outcome;

/// An entry of a board: what it says of itself, whether it is live, its links.
#[derive(Clone, Debug)]
pub(crate) struct Square {
    pub(crate) entry: Entry,
    pub(crate) live: bool,
    pub(crate) nodes: [Node; 5],
    pub(crate) next: Link,
    pub(crate) previous: Link,
}

/// Indexes made by hand.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    pub(crate) squares: Vec<Square>,
    pub(crate) roots: [Link; 5],
    pub(crate) leftmost: [Link; 5],
    pub(crate) ends: [(Link, Link); 3],
}

const BARE: Node = Node { parent: Link::End, left: Link::End, right: Link::End, red: false };

impl Board {
    pub(crate) fn new() -> Self {
        let ends = [(Link::End, Link::End); 3];
        Self { squares: Vec::new(), roots: [Link::End; 5], leftmost: [Link::End; 5], ends }
    }

    /// Hands out a block for an entry; its pid is 1000 + its block, its deadline as many seconds.
    pub(crate) fn hand_out(&mut self, kind: EntryKind) -> Block {
        let number = u32::try_from(self.squares.len()).expect("few");
        let deadline = Deadline::At(Instant::START + Span::from_secs(number.into()));
        let pid = Pid::new(1_000 + i32::try_from(number).expect("few"));
        let entry = Entry { kind, deadline, pid, handler: None, argument: None };
        let square = Square { entry, live: true, nodes: [BARE; 5], next: Link::End, previous: Link::End };
        self.squares.push(square);
        Block(number)
    }

    /// Links blocks, lowest key first, as a tree that is as flat as can be.
    pub(crate) fn plant(&mut self, tree: Tree, blocks: &[Block]) {
        let full = (blocks.len() + 1).ilog2();
        self.roots[tree as usize] = self.branch(tree, blocks, Link::End, full);
        self.leftmost[tree as usize] = blocks.first().map_or(Link::End, |first| Link::To(*first));
    }

    fn branch(&mut self, tree: Tree, blocks: &[Block], parent: Link, full: u32) -> Link {
        let middle = blocks.len() / 2;
        let Some(block) = blocks.get(middle).copied() else { return Link::End };
        let below = full.checked_sub(1);
        let left = self.branch(tree, &blocks[..middle], Link::To(block), below.unwrap_or(0));
        let right = self.branch(tree, &blocks[middle + 1..], Link::To(block), below.unwrap_or(0));
        // Below the full levels, nodes are red.
        self.node_mut(tree, block).clone_from(&Node { parent, left, right, red: below.is_none() });
        Link::To(block)
    }

    pub(crate) fn node_mut(&mut self, tree: Tree, block: Block) -> &mut Node {
        &mut self.squares[block.0 as usize].nodes[tree as usize]
    }

    /// Links blocks as a list, the first first.
    pub(crate) fn queue(&mut self, list: List, blocks: &[Block]) {
        let mut before = Link::End;
        for (place, block) in blocks.iter().enumerate() {
            let next = blocks.get(place + 1).map_or(Link::End, |next| Link::To(*next));
            let square = &mut self.squares[block.0 as usize];
            (square.previous, square.next) = (before, next);
            before = Link::To(*block);
        }
        self.ends[list as usize] = (blocks.first().map_or(Link::End, |first| Link::To(*first)), before);
    }

    /// Says which laws break when this is seen after a clean-up, as signatures.
    pub(crate) fn broken(&self) -> Vec<String> {
        let setup = setup(1, OnTerm::Ignores);
        let mut watch = Watch::new(&setup, SubjectKind::Replica, Options::VERDICT);
        watch.step(Step::Cleanup, Instant::START, self);
        signatures(watch)
    }
}

impl IndexView for Board {
    fn root(&self, tree: Tree) -> Link {
        self.roots[tree as usize]
    }

    fn leftmost(&self, tree: Tree) -> Option<Link> {
        (tree != Tree::ChildPid).then_some(self.leftmost[tree as usize])
    }

    fn node(&self, tree: Tree, block: Block) -> Node {
        self.squares[block.0 as usize].nodes[tree as usize]
    }

    fn first(&self, list: List) -> Link {
        self.ends[list as usize].0
    }

    fn last(&self, list: List) -> Link {
        self.ends[list as usize].1
    }

    fn next(&self, _: List, block: Block) -> Link {
        self.squares[block.0 as usize].next
    }

    fn previous(&self, _: List, block: Block) -> Link {
        self.squares[block.0 as usize].previous
    }

    fn entry(&self, block: Block) -> Entry {
        self.squares[block.0 as usize].entry
    }

    fn is_live(&self, block: Block) -> bool {
        self.squares[block.0 as usize].live
    }

    fn blocks(&self) -> u32 {
        u32::try_from(self.squares.len()).expect("few")
    }
}

/// Scripts `s0`, `s1`, .. with an interval of three seconds and a timeout of two.
pub(crate) fn setup(scripts: usize, on_term: OnTerm) -> Setup {
    let script = |place| {
        let mut script = Script::new(Name::numbered(place));
        script.interval = Span::from_secs(3);
        script.timeout = Span::from_secs(2);
        script.habit.on_term = on_term;
        script
    };
    Setup { configs: vec![Config { scripts: (0..scripts).map(script).collect() }], ..Setup::default() }
}

pub(crate) fn signatures(watch: Watch<'_>) -> Vec<String> {
    signatures_of(watch, Outcome::Survived)
}

pub(crate) fn signatures_of(watch: Watch<'_>, outcome: Outcome) -> Vec<String> {
    let verdict = watch.finish(outcome).verdict;
    verdict.signatures().map(|signature| signature.to_string()).collect()
}

/// Tells a history event by event, at instants in milliseconds.
pub(crate) struct RunReader<'s> {
    watch: Watch<'s>,
    at: Instant,
    wakes: u32,
}

impl<'s> RunReader<'s> {
    pub(crate) fn new(setup: &'s Setup) -> Self {
        Self::of(setup, SubjectKind::Replica)
    }

    pub(crate) fn of(setup: &'s Setup, subject: SubjectKind) -> Self {
        Self { watch: Watch::new(setup, subject, Options::VERDICT), at: Instant::START, wakes: 0 }
    }

    pub(crate) fn tell(&mut self, event: Event) -> &mut Self {
        self.watch.record(&Record { at: self.at, event });
        self
    }

    pub(crate) fn look(&mut self, step: Step, board: &Board) -> &mut Self {
        self.watch.step(step, self.at, board);
        self
    }

    pub(crate) fn blocks_until(&mut self, millis: u64) -> &mut Self {
        self.tell(Event::Blocked { deadline: Deadline::At(Instant::START + Span::from_millis(millis)) })
    }

    pub(crate) fn blocks(&mut self) -> &mut Self {
        self.tell(Event::Blocked { deadline: Deadline::Never })
    }

    /// The loop wakes, with the timer ready or (else) signals, whose handler begins.
    pub(crate) fn wakes(&mut self, millis: u64, timer: bool) -> &mut Self {
        self.at = Instant::START + Span::from_millis(millis);
        self.wakes += 1;
        let wakes = self.wakes;
        let handler = if timer { Handler::TimerFd } else { Handler::SignalFd };
        self.tell(Event::Woke { wakes, timer, signals: !timer });
        self.tell(Event::Dispatched { handler, entry: EntryKind::Ready, script: None, run: None })
    }

    /// A script's tick, off EVENT or (else) due by its timer.
    pub(crate) fn ticks(&mut self, of: ScriptRef, first: bool) -> &mut Self {
        let entry = if first { EntryKind::Event } else { EntryKind::Ready };
        self.tell(Event::Dispatched { handler: Handler::Tick, entry, script: Some(of), run: None })
    }

    /// A first tick, and its run.
    pub(crate) fn starts(&mut self, run: Run) -> &mut Self {
        self.ticks(run.of, true);
        self.forks(run)
    }

    pub(crate) fn forks(&mut self, run: Run) -> &mut Self {
        self.tell(Event::Started { run, pid: pid_of(run) })
    }

    pub(crate) fn of_child(&mut self, run: Run, entry: EntryKind) -> &mut Self {
        let handler = Handler::TrackChild;
        self.tell(Event::Dispatched { handler, entry, script: Some(run.of), run: Some(run) })
    }

    pub(crate) fn signals(&mut self, run: Run, signal: Signal) -> &mut Self {
        let target = Target::Group(pid_of(run));
        self.tell(Event::Signalled { target, run: Some(run), signal, answer: Answer::Delivered })
    }

    pub(crate) fn exits(&mut self, run: Run, status: ExitStatus) -> &mut Self {
        self.tell(Event::Exited { run, status })
    }

    pub(crate) fn reaps(&mut self, run: Run, status: ExitStatus) -> &mut Self {
        self.tell(Event::Reaped { run, pid: pid_of(run), status })
    }

    /// A reload begins, which makes this generation of the first configuration.
    pub(crate) fn reload_begins(&mut self, generation: u32) -> &mut Self {
        let event =
            Event::Dispatched { handler: Handler::Reload, entry: EntryKind::Event, script: None, run: None };
        self.tell(event);
        let config = treefall_model::id::ConfigId(0);
        self.tell(Event::ReloadBegun { config, generation: Generation(generation) })
    }

    pub(crate) fn reload_ends(&mut self, generation: u32) -> &mut Self {
        self.tell(Event::ReloadDone { generation: Generation(generation) })
    }

    /// SIGTERM is read, and the shutdown begins or (else) not.
    pub(crate) fn terminates(&mut self, begins: bool) -> &mut Self {
        self.tell(Event::SignalRead { signal: Signal::TERM });
        if begins {
            let (handler, entry) = (Handler::TerminateStart, EntryKind::Event);
            self.tell(Event::Dispatched { handler, entry, script: None, run: None });
            self.tell(Event::TerminationBegun);
        }
        self
    }

    /// What was broken.
    pub(crate) fn broken(&mut self) -> Vec<String> {
        signatures(self.watch.clone())
    }
}

/// Each run has a pid of its own.
pub(crate) fn pid_of(run: Run) -> Pid {
    let number = 2_000 + run.of.generation.0 * 100 + u32::from(run.of.script.0) * 10 + run.nth;
    Pid::new(i32::try_from(number).expect("small")).expect("a pid")
}
