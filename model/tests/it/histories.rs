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
