//! Compares each release's replica with the recording of its real program; needs no keepalived.
//!
//! The name of a file in `sim/recordings` has its kind and the releases that share it: `engine-2.0.8-2.0.10.rec`.
//! `treefall record` writes one; the example `pool` of treefall-search draws the pool.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use treefall::model::event::SubjectKind;
use treefall::model::release::{Release, Rules};
use treefall::subject::recording::{Pool, Recording, flips, play_replica};

/// Traces of the pool for rules that must make no difference.
const LOOKED_AT: usize = 150;
/// Most bytes of all files together.
const BYTES_MAX: u64 = 3 << 20;

struct SharedRecording {
    path: PathBuf,
    kind: SubjectKind,
    first: Release,
    last: Release,
}

fn files() -> Vec<SharedRecording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let entries = folder.read_dir().expect("the recordings are there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut files: Vec<SharedRecording> =
        paths.filter(|path| path.extension().is_some()).map(shared_recording).collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn shared_recording(path: PathBuf) -> SharedRecording {
    let name = path.file_stem().and_then(|name| name.to_str()).expect("text");
    let parts: Vec<&str> = name.split('-').collect();
    let [kind, first, last] = parts.as_slice() else { panic!("{name}: kind, first and last release") };
    let kind = if *kind == "daemon" { SubjectKind::Daemon } else { SubjectKind::Engine };
    let release = |text| Release::parse(text).expect("a release");
    SharedRecording { kind, first: release(first), last: release(last), path: path.clone() }
}

#[test]
fn every_release_has_a_recording_of_each_kind() {
    let files = files();
    for release in Release::ALL {
        for kind in [SubjectKind::Engine, SubjectKind::Daemon] {
            let its = files.iter().filter(|it| it.kind == kind && (it.first..=it.last).contains(release));
            assert_eq!(its.count(), 1, "{release}, {kind:?}");
        }
    }
    let bytes: u64 = files.iter().map(|it| it.path.metadata().expect("readable").len()).sum();
    assert!(bytes < BYTES_MAX, "{bytes} bytes");
}

#[test]
fn every_replica_matches_the_recording_of_its_program() {
    let pool = Pool::built_in().expect("the pool is sound");
    let wrong: Vec<String> = files()
        .par_iter()
        .flat_map_iter(|file| {
            let recording = Recording::load(&file.path, &pool).expect("it can be read");
            assert_eq!(recording.kind(), file.kind, "{}", file.path.display());
            let mut rules: Vec<(Release, Rules)> = Vec::new();
            for release in Release::ALL.iter().filter(|it| (file.first..=file.last).contains(it)) {
                if rules.iter().all(|(_, known)| *known != Rules::of(*release)) {
                    rules.push((*release, Rules::of(*release)));
                }
            }
            let lines: Vec<String> = rules
                .into_iter()
                .filter_map(|(release, rules)| {
                    let compared = recording.compare(&pool, |trace| play_replica(file.kind, trace, rules));
                    let differ: Vec<usize> = compared.different.iter().map(|(trace, _)| *trace).collect();
                    let as_known = differ == differences_known(file.kind, release);
                    (!as_known).then(|| format!("{release} {:?}: {:?}", file.kind, compared.different))
                })
                .collect();
            lines
        })
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_flipped_rule_is_detected_or_listed() {
    let pool = Pool::built_in().expect("the pool is sound");
    let files = files();
    let wrong: Vec<String> = Release::ALL
        .par_iter()
        .enumerate()
        .filter(|(place, release)| {
            let rules = Rules::of(**release);
            Release::ALL[..*place].iter().all(|earlier| Rules::of(*earlier) != rules)
        })
        .flat_map_iter(|(_, release)| {
            let its = files.iter().filter(|it| (it.first..=it.last).contains(release));
            let recordings: Vec<Recording> =
                its.map(|it| Recording::load(&it.path, &pool).expect("it can be read")).collect();
            flips(Rules::of(*release))
                .into_iter()
                .filter_map(|(name, flipped)| {
                    let listed = unseen(&name, *release);
                    let most = if listed.is_some() { LOOKED_AT } else { usize::MAX };
                    let refuted = recordings
                        .iter()
                        .any(|it| it.refutes(&pool, flipped, most, differences_known(it.kind(), *release)));
                    (refuted == listed.is_some()).then(|| format!("{release} {name}: refuted {refuted}"))
                })
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// Numbers of the pool's traces on which the replica is known to differ: after a tree is corrupt, it does not follow
/// the program to the end.
fn differences_known(kind: SubjectKind, release: Release) -> &'static [usize] {
    let last = Release::parse("2.0.10").expect("a release");
    match kind {
        _ if release > last => &[],
        SubjectKind::Daemon => &KNOWN_OF_DAEMONS,
        _ => &[],
    }
}

const KNOWN_OF_DAEMONS: [usize; 1] = [480];

/// A rule that makes no difference in these releases, with the reason.
type Unseen = (&'static str, &'static str, &'static str, &'static str);

const FORGETS: &str = "no child survives a reload whose entry could be freed, left stale or rescheduled";
const SOUND: &str =
    "it shows in broken trees alone, and on no trace that was drawn before a freed entry is used";
const LEFT: &str = "the entry has left the pid tree already when its timeout was queued";
const UNHEARD: &str = "it concerns how the real program is called or configured, or the names of its functions: no history shows it";
const THERE: &str = "a child whose entry is handled always exists, because a zombie can be signalled";
const UNLINKED: &str = "no entry is handed out again that the pid tree links";

const UNSEEN: [Unseen; 26] = [
    ("ReloadFreesQueuedTimeout", "2.0.8", "2.2.4", FORGETS),
    ("StaleArgumentAfterReload", "2.0.8", "2.2.4", FORGETS),
    ("ReloadRestartsGrace", "2.0.8", "2.2.4", FORGETS),
    ("ExitErasesTwice", "2.0.8", "2.0.19", "an exit does not know the queued timeout of its child"),
    ("TimeoutLeavesPidEntry", "2.0.11", "2.0.19", LEFT),
    ("CancelLeavesPidEntry", "2.0.11", "2.0.19", LEFT),
    ("LostChildRetriedForEver", "2.3.3", "2.4.3", THERE),
    ("GroupOfNobody", "2.3.3", "2.4.3", THERE),
    ("leftmost", "2.0.11", "2.4.3", SOUND),
    ("last_in_erase", "2.0.11", "2.0.19", SOUND),
    ("last_in_erase", "2.2.5", "2.4.3", SOUND),
    ("first_armed", "2.0.8", "2.4.3", SOUND),
    ("expiry", "2.0.8", "2.4.3", SOUND),
    ("before_move", "2.0.11", "2.0.20", "what is read once more shows in the line on a late wake alone"),
    ("late_wake", "2.0.8", "2.0.20", "without a clock read before the move no wake is seen to be late"),
    ("timer_value", "2.0.11", "2.0.19", UNLINKED),
    ("timer_value", "2.3.3", "2.4.3", UNLINKED),
    ("lost_misc", "2.0.8", "2.0.19", "a lost child is not taken for lost"),
    ("lost_misc", "2.3.3", "2.4.3", THERE),
    ("carried_by", "2.0.8", "2.4.3", "scripts of one name have one command in traces"),
    (
        "first_result",
        "2.0.8",
        "2.4.3",
        "both initial states count the same, and no record distinguishes them",
    ),
    ("cached_calls", "2.0.8", "2.4.3", UNHEARD),
    ("short_timeouts", "2.0.8", "2.4.3", UNHEARD),
    ("cleanup_call", "2.0.8", "2.4.3", UNHEARD),
    ("killall_flag", "2.2.5", "2.4.3", UNHEARD),
    ("layout", "2.0.8", "2.4.3", SOUND),
];

/// Returns why this rule, flipped alone, makes no difference in this release; `None`: it does.
fn unseen(rule: &str, release: Release) -> Option<&'static str> {
    let of = |text| Release::parse(text).expect("a release");
    let row = UNSEEN
        .iter()
        .find(|(name, first, last, _)| *name == rule && (of(first)..=of(last)).contains(&release));
    row.map(|(_, _, _, why)| *why)
}
