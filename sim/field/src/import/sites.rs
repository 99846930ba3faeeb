//! Finds the defects that can end where a backtrace ends, by crashes of a replica of the release.
//!
//! Random traces run on the replica. For each crash or hang its place is recorded, and its defect is found by
//! ablation. A backtrace matches if its innermost function and the operation of the scheduler that called it are such
//! a place.
//!
//! Invariant: no place is written down here, only the program's names for the replica's operations.

use std::collections::BTreeMap;

use treefall_model::event::SubjectKind;
use treefall_model::release::{Defect, Rules};
use treefall_model::verdict::Weight;
use treefall_search::cause::cause;
use treefall_search::generator::generate;
use treefall_subject::Options;
use treefall_subject::replica::{crash_site, run_replica};

use super::crash::{Crash, CrashFrame};

/// Traces to run on a replica.
const TRACES: u64 = 4_000;
/// Crashes at one place whose defect is determined.
const CAUSES_MAX: u32 = 4;
/// A place with fewer of a thousand crashes is ignored.
const PER_MILLE_MIN: u32 = 5;

/// Functions that are parts of one function. The first is the replica's name.
const ALIKE: [&[&str]; 4] = [
    &[
        "rb_erase",
        "rb_erase_cached",
        "rb_erase_color",
        "____rb_erase_color",
        "__rb_erase_color",
        "__rb_erase_augmented",
        "__rb_change_child",
        "__rb_rotate_set_parents",
    ],
    &[
        "rb_insert_color",
        "rb_insert_color_cached",
        "__rb_insert",
        "__rb_insert_augmented",
        "rb_add_cached",
        "rb_link_node",
    ],
    &["rb_next", "rb_prev", "rb_first", "rb_first_cached"],
    &["rb_first_postorder", "rb_next_postorder", "rb_left_deepest_node"],
];

/// The scheduler's operations, as backtraces and the replica name them. The first name is used in messages.
const OPERATIONS: [&[&str]; 8] = [
    &["process_child_termination", "thread_child_handler", "signal_run_callback", "thread_signal_read"],
    &["thread_add_child", "thread_add_child_sands"],
    &["thread_move_ready", "thread_rb_move_ready", "thread_timerfd_handler", "thread_update_timer"],
    &[
        "thread_cleanup_master",
        "thread_destroy_rb",
        "thread_destroy_list",
        "thread_clean_unuse",
        "thread_destroy_master",
    ],
    &["thread_cancel", "thread_cancel_read", "thread_cancel_event"],
    &["script_killall", "thread_children_reschedule"],
    &[
        "thread_add_timer",
        "thread_add_timer_shutdown",
        "thread_add_timer_uval",
        "thread_add_event",
        "thread_add_base_threads",
    ],
    &["process_threads", "thread_fetch_next_queue", "thread_call", "launch_thread_scheduler"],
];

/// Functions of the C library and of tools, which are above the program's own.
const NOT_ITS_OWN: [&str; 22] = [
    "raise",
    "abort",
    "gsignal",
    "kill",
    "pthread_kill",
    "__pthread_kill_implementation",
    "__pthread_kill_internal",
    "__libc_message",
    "malloc_printerr",
    "_int_free",
    "free",
    "cfree",
    "__libc_free",
    "calloc",
    "malloc",
    "_int_malloc",
    "malloc_consolidate",
    "unlink_chunk",
    "__assert_fail",
    "__restore_rt",
    "memcpy",
    "zalloc",
];

/// A place: function and operation, each by its first name.
type Place = (&'static str, &'static str);

/// The places at which a release crashes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Sites {
    places: BTreeMap<Place, (u32, BTreeMap<Defect, u32>)>,
    /// All crashes and hangs.
    pub crashes: u32,
}

/// How a backtrace matches a release.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SiteMatch {
    /// These defects end there, in `here` of the replica's crashes.
    OfClass {
        /// The defects, the most frequent first.
        defects: Vec<Defect>,
        /// Crashes of the replica at this place.
        here: u32,
        /// All crashes of the replica.
        all: u32,
    },
    /// No defect ends there.
    NotOfClass,
    /// No frame has a name, or only that of a tree's function, which every program has.
    Nameless,
}

impl Sites {
    /// Determines the places of a replica that follows `rules`.
    #[must_use]
    pub fn of(rules: Rules) -> Self {
        let mut sites = Self::default();
        for number in 0..TRACES {
            let trace = generate(7, number);
            let Some(site) = crash_site(&trace, rules) else { continue };
            let operation = operation_of(site.operation).unwrap_or(site.operation);
            let function =
                alike(site.function).or_else(|| operation_of(site.function)).unwrap_or(site.function);
            sites.crashes += 1;
            let (times, causes) = sites.places.entry((function, operation)).or_default();
            *times += 1;
            if *times > CAUSES_MAX {
                continue;
            }
            let verdict = run_replica(&trace, rules, Options::VERDICT).verdict;
            let memory =
                verdict.breaks.iter().rfind(|broken| broken.signature.law.weight() == Weight::Memory);
            let defect = memory
                .and_then(|broken| cause(SubjectKind::Replica, &trace, broken.signature, rules).leading());
            if let Some(defect) = defect {
                *causes.entry(defect).or_default() += 1;
            }
        }
        sites
    }

    /// Matches a crash.
    #[must_use]
    pub fn match_crash(&self, crash: &Crash) -> SiteMatch {
        let Some(place) = place(&crash.frames) else { return SiteMatch::Nameless };
        let Some((here, causes)) = place.and_then(|place| self.places.get(&place)) else {
            return SiteMatch::NotOfClass;
        };
        if here * 1_000 < self.crashes * PER_MILLE_MIN {
            return SiteMatch::NotOfClass;
        }
        let mut defects: Vec<(u32, Defect)> =
            causes.iter().map(|(defect, times)| (*times, *defect)).collect();
        defects.sort_by_key(|(times, defect)| (u32::MAX - times, *defect));
        SiteMatch::OfClass {
            defects: defects.into_iter().map(|(_, defect)| defect).collect(),
            here: *here,
            all: self.crashes,
        }
    }
}

fn alike(function: &str) -> Option<&'static str> {
    ALIKE.iter().find(|names| names.contains(&function)).map(|names| names[0])
}

fn operation_of(function: &str) -> Option<&'static str> {
    OPERATIONS.iter().find(|names| names.contains(&function)).map(|names| names[0])
}

/// Returns the program's own functions, the innermost first.
fn own(frames: &[CrashFrame]) -> impl Iterator<Item = &str> {
    let named = frames.iter().filter_map(|frame| frame.function.as_deref());
    named.skip_while(|name| {
        NOT_ITS_OWN.contains(name) || name.starts_with("__interceptor") || name.starts_with("__asan")
    })
}

/// Returns the place of a backtrace. Inner `None`: outside the scheduler; outer `None`: no frame names it.
fn place(frames: &[CrashFrame]) -> Option<Option<Place>> {
    let leaf = own(frames).next()?;
    // A tree's function without a caller does not show whose tree it was.
    if alike(leaf).is_some() && own(frames).all(|name| alike(name).is_some()) {
        return None;
    }
    let operation = own(frames).find_map(operation_of);
    let function = alike(leaf).or_else(|| operation_of(leaf));
    Some(function.zip(operation))
}

/// Formats the innermost function and the operation: `rb_erase under process_child_termination`.
#[must_use]
pub fn location(crash: &Crash) -> Option<String> {
    let leaf = own(&crash.frames).next()?;
    let under =
        own(&crash.frames).skip(1).find(|name| operation_of(name).is_some()).or(own(&crash.frames).nth(1));
    Some(under.map_or_else(|| leaf.to_owned(), |under| format!("{leaf} under {under}")))
}

/// Returns the process that crashed, by its outer functions.
#[must_use]
pub fn process(crash: &Crash) -> Option<&'static str> {
    let has = |names: &[&str]| {
        crash.frames.iter().any(|frame| frame.function.as_deref().is_some_and(|name| names.contains(&name)))
    };
    match () {
        () if has(&[
            "start_vrrp_child",
            "vrrp_respawn_thread",
            "vrrp_dispatcher_init",
            "vrrp_script_child_thread",
            "vrrp_script_thread",
        ]) =>
        {
            Some("vrrp")
        }
        () if has(&["start_check_child", "check_respawn_thread", "misc_check_thread"]) => Some("checker"),
        () if has(&["start_bfd_child", "bfd_respawn_thread"]) => Some("bfd"),
        () if has(&["keepalived_main", "main"]) => Some("parent"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use treefall_model::release::Release;
    use treefall_subject::target::ReplicaName;

    use super::super::crash::crashes;
    use super::*;

    fn sites(version: &str) -> Sites {
        Sites::of(ReplicaName::of(Release::parse(version).unwrap()).rules())
    }

    fn crash(functions: &[&str]) -> Crash {
        let text: String = functions
            .iter()
            .enumerate()
            .map(|(n, name)| format!("#{n}  0x1 in {name} (a=1) at x.c:1\n"))
            .collect();
        crashes(&text).remove(0)
    }

    #[test]
    fn each_defect_ends_where_its_replica_crashes_and_nowhere_else() {
        let reap = crash(&[
            "rb_erase",
            "process_child_termination",
            "thread_child_handler",
            "process_threads",
            "start_vrrp_child",
        ]);
        let add = crash(&[
            "raise",
            "abort",
            "rb_insert_color_cached",
            "thread_add_child",
            "system_call_script",
            "process_threads",
        ]);
        let expiry =
            crash(&["rb_erase_cached", "thread_move_ready", "thread_timerfd_handler", "process_threads"]);
        let checker = crash(&["rb_erase", "some_other_tree", "start_check_child"]);
        let ends = |sites: &Sites, crash: &Crash| match sites.match_crash(crash) {
            SiteMatch::OfClass { defects, .. } => defects,
            _ => Vec::new(),
        };
        let of = |version: &str| {
            let sites = sites(version);
            [&reap, &add, &expiry, &checker].map(|crash| ends(&sites, crash))
        };
        let [queued, twice, leaves] =
            [Defect::ReloadFreesQueuedTimeout, Defect::ExitErasesTwice, Defect::TimeoutLeavesPidEntry];
        assert_eq!(of("2.2.8"), [vec![queued], vec![queued], vec![], vec![]]);
        assert_eq!(of("2.3.2")[..1], [vec![twice]]);
        assert_eq!(of("2.0.10")[..1], [vec![leaves]]);
        assert_eq!(of("2.0.10")[2], []);
        assert_eq!(of("2.3.4"), [vec![], vec![], vec![], vec![]], "a clean release");
        assert_eq!(process(&reap), Some("vrrp"));
        assert_eq!(location(&reap).as_deref(), Some("rb_erase under process_child_termination"));
    }

    #[test]
    fn a_stack_without_names_or_of_a_bare_tree_function_tells_nothing() {
        let sites = sites("2.2.8");
        let nameless = crashes("#0  0x1 in ?? ()\n#1  0x2 n/a (keepalived + 0x5)\n").remove(0);
        assert_eq!(sites.match_crash(&nameless), SiteMatch::Nameless);
        assert_eq!(sites.match_crash(&crash(&["rb_erase"])), SiteMatch::Nameless);
    }
}
