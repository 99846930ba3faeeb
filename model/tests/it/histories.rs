//! The five histories of 2.2.7 that were computed by hand, judged by their events alone.

use treefall_model::event::SubjectKind;
use treefall_model::observe::{Observer, Options, Watch};
use treefall_model::verdict::Outcome;

#[test]
fn hand_made_histories_that_lose_a_child_are_refused() {
    for hand in crate::hand::histories() {
        let options = Options { judge: true, ..Options::default() };
        let mut watch = Watch::new(hand.trace.setup(), SubjectKind::Replica, options);
        hand.records.iter().for_each(|record| watch.record(record));
        let verdict = watch.finish(Outcome::Survived).verdict;
        let signatures: Vec<_> = verdict.signatures().map(|signature| signature.to_string()).collect();
        let expected = match hand.name {
            "timer first" | "two scripts" => vec!["no-child-forgotten/reload/child-timeout"],
            _ => vec![],
        };
        assert_eq!(signatures, expected, "{}", hand.name);
    }
}

#[test]
fn a_signals_target_is_what_kill_makes_of_its_number() {
    use treefall_model::event::Target;
    use treefall_model::id::Pid;
    let pid = Pid::new(77).expect("positive");
    let targets = [
        (77, Some(Target::Process(pid))),
        (-77, Some(Target::Group(pid))),
        (0, Some(Target::OwnGroup)),
        (-1, Some(Target::Everyone)),
        (i32::MIN, None),
    ];
    for (called_with, target) in targets {
        assert_eq!(Target::of_kill(called_with), target, "kill({called_with}, ..)");
    }
}
