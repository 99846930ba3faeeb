//! Failures of a trace with network interfaces, told apart from those that need none.
//!
//! A replica has no interfaces, so that it may miss what it shows without them: the wakes of a trace are often "at the
//! next timer", and an interface brings timers of its own. Where the subject breaks the same law in the same trace with
//! its wakes at their instants and its interfaces removed, that trace is the failure's.

use std::collections::BTreeSet;

use treefall_model::event::{Event, Record};
use treefall_model::time::Instant;
use treefall_model::trace::retain_links;
use treefall_model::trace::{Advance, Trace, Wake};
use treefall_model::verdict::Violation;

use crate::cause::Ablation;
use treefall_subject::{Options, Ran, Subject, SubjectError};

/// Returns the trace without its interfaces; `None` when it has none. A wake at the end of an interface's delay, which
/// nothing ends then, comes at the instant at which the run with this history had it.
#[must_use]
pub fn without_interfaces(trace: &Trace, history: &[Record]) -> Option<Trace> {
    if trace.setup().links.is_empty() {
        return None;
    }
    let (mut setup, mut wakes) = trace.clone().into_parts();
    let (mut blocked_at, mut used) = (Instant::START, 0);
    let mut ends = BTreeSet::new();
    for record in history {
        match record.event {
            Event::Blocked { .. } => blocked_at = record.at,
            Event::LinkRead { link, up } => {
                let link = setup.links.get(usize::from(link.0))?;
                ends.insert(record.at + if up { link.up_delay } else { link.down_delay });
            }
            Event::Woke { wakes: upto, .. } => {
                let upto = usize::try_from(upto).unwrap_or(usize::MAX).min(wakes.len());
                // Wakes before the last did not make the blocking call return: their spans add up.
                let mut now = blocked_at;
                for (place, wake) in wakes.iter_mut().enumerate().take(upto).skip(used) {
                    let here = if place + 1 == upto { record.at } else { now };
                    match wake.advance {
                        Advance::NextTimer if ends.contains(&here) => {
                            wake.advance = Advance::By(here.saturating_since(now));
                        }
                        Advance::By(span) => now += span,
                        Advance::NextTimer => {}
                    }
                }
                used = used.max(upto);
            }
            _ => {}
        }
    }
    retain_links(&mut setup, &mut wakes, |_, _| false);
    // A message may have made the loop block once more at the end, which is when what is overdue is seen.
    wakes.extend([const { Wake::next_timer() }; WAKES_BEHIND]);
    Trace::new(setup, wakes).ok()
}

/// Wakes at the end of a trace without its interfaces.
const WAKES_BEHIND: usize = 3;

/// Plays a trace without its interfaces, if the replica misses a violation of it. The run of the shorter trace is that
/// of the failures that it shows.
///
/// # Errors
/// When the subject cannot run.
pub fn play_apart(
    subject: &mut dyn Subject,
    ablation: &Ablation,
    trace: &Trace,
    ran: &Ran,
) -> Result<Option<(Trace, Ran)>, SubjectError> {
    let missed = |broken: &Violation| !ablation.shows(trace, broken.signature);
    if trace.setup().links.is_empty() || !ran.counting().any(missed) {
        return Ok(None);
    }
    let history = subject.run_one(trace, Options::HISTORY)?.records;
    let Some(trace) = without_interfaces(trace, &history).filter(|trace| subject.takes(trace)) else {
        return Ok(None);
    };
    let ran = subject.run_one(&trace, Options::VERDICT)?;
    Ok(Some((trace, ran)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::id::LinkId;
    use treefall_model::time::Span;
    use treefall_model::trace::{Config, Link, Name, Setup};

    #[test]
    fn a_wake_at_the_end_of_a_delay_stays_at_its_instant_when_the_interface_goes() {
        let link = Link { down_delay: Span::from_secs(1), ..Link::new(Name::new("lo").expect("a name")) };
        let setup = Setup { configs: vec![Config::default()], links: vec![link], ..Setup::default() };
        let by = |millis| Advance::By(Span::from_millis(millis));
        let wakes = vec![
            Wake::next_timer().link(LinkId(0), false),
            Wake::new(by(250)),
            Wake::next_timer().term(),
            Wake::next_timer().link(LinkId(0), true),
        ];
        let trace = Trace::new(setup, wakes).expect("valid");
        let at = |millis, event| Record { at: Instant::START + Span::from_millis(millis), event };
        let woke = |wakes| Event::Woke { wakes, timer: true, signals: false };
        let blocked = Event::Blocked { deadline: treefall_model::Deadline::Never };
        let read = |up| Event::LinkRead { link: LinkId(0), up };
        let history = [
            at(0, blocked),
            at(500, woke(1)),
            at(500, read(false)),
            at(600, blocked),
            at(1_500, woke(3)),
            at(1_500, blocked),
            at(4_000, woke(4)),
            at(4_000, read(true)),
        ];
        let apart = without_interfaces(&trace, &history).expect("it has one");
        let advances: Vec<Advance> = apart.wakes().iter().map(|wake| wake.advance).collect();
        let (first, behind) = advances.split_at(4);
        assert_eq!(first, [Advance::NextTimer, by(250), by(650), Advance::NextTimer]);
        assert_eq!(behind, [Advance::NextTimer; WAKES_BEHIND]);
        assert!(apart.setup().links.is_empty() && apart.wakes().iter().all(|wake| wake.events.is_empty()));
        assert_eq!(without_interfaces(&apart, &history), None);
    }
}
