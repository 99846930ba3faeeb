//! States which traces an exhaustive search covers, for machines and for people.
//!
//! Invariant: a certificate states the whole bound, the whole alphabet, and everything that was left out.

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::trace::OnTerm;

use super::output::count;
use treefall_report::cause_name;
use treefall_search::explore::{FoundTrace, Kind, Space};
use treefall_search::triage::Finding;

/// Coverage of a search. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct Certificate {
    pub(super) target: String,
    pub(super) release: String,
    pub(super) scripts: u8,
    pub(super) kinds: Vec<String>,
    pub(super) setups: usize,
    pub(super) wakes: u8,
    pub(super) living: u8,
    pub(super) alphabet: [&'static str; 5],
    pub(super) laws: Vec<&'static str>,
    /// All traces up to the bound are covered.
    pub(super) complete: bool,
    /// No new state is left, so the result holds for traces of any length; if `cut` is not 0, only for traces with at
    /// most `living` living runs. Never true of a real program, which may hold state that its trees and lists do not
    /// show.
    pub(super) closed: bool,
    /// No new state of the replica is left. For a real program: the played traces are all continuations of these
    /// states.
    pub(super) replica_closed: bool,
    /// Reason why the search is not complete.
    pub(super) stopped: Option<&'static str>,
    /// Length in wakes up to which all traces are covered.
    pub(super) wakes_done: usize,
    /// Number of these traces, as a text because it may exceed the range of JSON numbers; `null`: more than 2^128.
    pub(super) traces: Option<String>,
    pub(super) states: usize,
    pub(super) transitions: u64,
    /// Continuations with more than `living` living runs; the search did not extend them.
    pub(super) cut: u64,
    pub(super) replays: u64,
    pub(super) different: u64,
    pub(super) memory_bytes: u64,
    pub(super) signatures: usize,
    /// Signatures of these that are kept as found, because triage was interrupted.
    pub(super) kept_as_found: usize,
    pub(super) transitions_per_second: u64,
    pub(super) elapsed_ms: u64,
    pub(super) certificate: Option<String>,
    pub(super) checkpoint: Option<String>,
}

/// Alphabet of the traces: all values that a wake can have.
pub(super) const ALPHABET: [&str; 5] = [
    "one configuration; pids ascend, the block freed last is allocated first, nothing takes time, no start fails",
    "the clock moves to the next timer, or half-way there, cut to whole steps of 500ms",
    "at most one exit a wake, of a run that is alive when the loop blocks: status 0, by SIGTERM or by SIGKILL",
    "SIGHUP or none",
    "both orders of the descriptors if both are ready",
];

/// Describes a kind of script.
pub(super) fn kind((interval, timeout, on_term): &Kind) -> String {
    let dies = match on_term {
        OnTerm::Ignores => "ignores SIGTERM".to_owned(),
        OnTerm::Dies(span) if span.is_zero() => "dies of SIGTERM at once".to_owned(),
        OnTerm::Dies(span) => format!("dies {span} after SIGTERM"),
    };
    format!("interval {interval}, timeout {timeout}, {dies}")
}

/// Formats the certificate for people.
pub(super) fn text(
    certificate: &Certificate,
    space: &Space,
    findings: &[(FoundTrace, Option<Finding>)],
) -> String {
    let bound = space.bound();
    let (scripts, wakes) = (count(bound.scripts, "script"), count(bound.wakes, "wake"));
    let traces = certificate.traces.as_deref().unwrap_or("more than 2^128");
    // Cut continuations are not covered.
    let living = match certificate.cut {
        0 => String::new(),
        _ => format!(" with at most {}", count(bound.living, "living run")),
    };
    let with = if living.is_empty() { String::new() } else { format!(",{living}") };
    let is_real = certificate.replays > 0;
    let mut lines = vec![headline(certificate, &scripts, &wakes, &with, findings.len() as u64)];
    if certificate.closed {
        lines.push(format!(
            "  closed      no trace of {} leads to a new state: this holds for traces of any length{living}",
            count(certificate.wakes_done as u64, "wake")
        ));
    }
    if is_real && certificate.replica_closed {
        lines.push(format!(
            "  replica     no trace of {} leads to a new state of the replica",
            count(certificate.wakes_done as u64, "wake")
        ));
    }
    if is_real {
        lines.push(
            "  not proved  the program may hold state that its trees and lists do not show, so it may act differently on a trace \
             that was not played"
                .to_owned(),
        );
    }
    let width = findings.iter().map(|(found, _)| found.signature.to_string().len()).max().unwrap_or(0);
    for (found, finding) in findings {
        let description = match finding {
            Some(finding) => {
                let cause = cause_name(&finding.cause);
                format!("{cause}, {}", finding.verdict.outcome)
            }
            None => "kept as found".to_owned(),
        };
        let (signature, wakes) = (found.signature.to_string(), count(found.wakes as u64, "wake"));
        lines.push(format!("  {signature:<width$}  {wakes:>8}  {description}"));
    }
    let done =
        certificate.wakes_done.max(if certificate.replica_closed { usize::from(bound.wakes) } else { 0 });
    let coverage = if is_real { "counted by its replica" } else { "all covered" };
    lines.push(format!("  traces      {traces} of at most {}, {coverage}", count(done as u64, "wake")));
    lines.push(format!(
        "  states      {}, with {} continuations; {} KiB of memory",
        certificate.states,
        certificate.transitions,
        certificate.memory_bytes >> 10
    ));
    if certificate.cut > 0 {
        lines.push(format!(
            "  bound       {} continuations have more than {} and were not extended",
            certificate.cut,
            count(bound.living, "living run")
        ));
    }
    if certificate.replays > 0 {
        lines.push(format!(
            "  replays     {} on the real program; {} of them differ from its replica",
            certificate.replays, certificate.different
        ));
    }
    lines.extend(conditions(certificate, bound.kinds));
    lines.join("\n") + "\n"
}

/// Formats the first line: the traces that were searched, and how many signatures were found.
fn headline(certificate: &Certificate, scripts: &str, wakes: &str, with: &str, found: u64) -> String {
    match (certificate.complete, found) {
        (true, _) if certificate.replays > 0 => format!(
            "{}: {} in {} that were played: each continuation of each state of its replica, with {scripts} and at most {wakes}{with}",
            certificate.target,
            if found == 0 { "no failure".to_owned() } else { count(found, "signature") },
            count(certificate.replays, "trace"),
        ),
        (true, 0) => {
            format!(
                "{}: no failure in any trace with {scripts} and at most {wakes}{with}",
                certificate.target
            )
        }
        (true, _) => format!(
            "{}: {} in the traces with {scripts} and at most {wakes}{with}, and no other",
            certificate.target,
            count(found, "signature")
        ),
        (false, _) => format!(
            "{}: {} in traces with {scripts} and {}; the search is not complete",
            certificate.target,
            count(found, "signature"),
            count(certificate.wakes_done as u64 + 1, "wake")
        ),
    }
}

/// Formats the conditions of the search: setups, alphabet, laws and hashes, one a line.
fn conditions(certificate: &Certificate, kinds: u8) -> Vec<String> {
    let mut lines =
        vec![format!("  setups      {}, of scripts of {}:", certificate.setups, count(kinds, "kind"))];
    lines.extend(certificate.kinds.iter().map(|kind| format!("              {kind}")));
    for (place, line) in ALPHABET.iter().enumerate() {
        lines.push(format!("  {:<10}  {line}", if place == 0 { "alphabet" } else { "" }));
    }
    for (place, laws) in certificate.laws.chunks(4).enumerate() {
        lines.push(format!("  {:<10}  {}", if place == 0 { "laws" } else { "" }, laws.join(", ")));
    }
    let odds = odds(certificate.states);
    lines.push(format!(
        "  hashes      of 128 bits: a probability of at most 2^-{odds} that two states were mistaken for one"
    ));
    lines
}

/// Returns the exponent of the probability that two of so many 128-bit hashes are equal: pairs over 2^128.
fn odds(states: usize) -> u32 {
    let bits = usize::BITS - states.leading_zeros();
    129_u32.saturating_sub(2 * bits)
}

#[cfg(test)]
mod tests {
    use treefall_model::release::Rules;

    use super::*;
    use treefall_search::explore::{Bound, KINDS, STEP};

    #[test]
    fn the_odds_count_pairs_of_states() {
        // A million states are 2^20, which have about half of 2^40 pairs.
        assert_eq!(odds(1_000_000), 89);
        assert_eq!(odds(1), 127);
    }

    fn certificate(cut: u64) -> Certificate {
        Certificate {
            target: "replica:mended".to_owned(),
            release: "mended".to_owned(),
            scripts: 1,
            kinds: Vec::new(),
            setups: 1,
            wakes: 12,
            living: 2,
            alphabet: ALPHABET,
            laws: Vec::new(),
            complete: true,
            closed: true,
            replica_closed: true,
            stopped: None,
            wakes_done: 9,
            traces: None,
            states: 1,
            transitions: 1,
            cut,
            replays: 0,
            different: 0,
            memory_bytes: 0,
            signatures: 0,
            kept_as_found: 0,
            transitions_per_second: 0,
            elapsed_ms: 0,
            certificate: None,
            checkpoint: None,
        }
    }

    #[test]
    fn a_certificate_with_cuts_states_its_living_runs() {
        let bound = Bound { scripts: 1, kinds: 1, wakes: 12, living: 2 };
        let space = Space::new(Rules::mended(), bound).expect("a space");
        let head = |cut| {
            let text = text(&certificate(cut), &space, &[]);
            text.lines().take(2).map(str::to_owned).collect::<Vec<_>>()
        };
        let (plain, with) = (head(0), head(3));
        assert!(
            plain[0].ends_with("at most 12 wakes") && plain[1].ends_with("traces of any length"),
            "{plain:?}"
        );
        assert_eq!(with[0], plain[0].clone() + ", with at most 2 living runs");
        assert_eq!(with[1], plain[1].clone() + " with at most 2 living runs");
    }

    /// A field that is not reset is not part of the replica's state, so nothing is claimed of unplayed traces.
    #[test]
    fn a_real_programs_certificate_claims_only_played_traces() {
        let bound = Bound { scripts: 1, kinds: 1, wakes: 12, living: 2 };
        let space = Space::new(Rules::mended(), bound).expect("a space");
        let real = Certificate { closed: false, replays: 500, ..certificate(0) };
        let text = text(&real, &space, &[]);
        for claim in ["any length", "covered", "no failure in any trace"] {
            assert!(!text.contains(claim), "{claim}: {text}");
        }
        for part in
            ["no failure in 500 traces that were played", "not proved", "leads to a new state of the replica"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn the_alphabet_matches_the_kinds_of_script() {
        assert!(ALPHABET[1].ends_with(&STEP.to_string()));
        assert_eq!(kind(&KINDS[0]), "interval 2s, timeout 1s, dies of SIGTERM at once");
    }
}
