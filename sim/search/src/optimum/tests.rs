use treefall_model::release::Defect;

use super::*;

const SMALL: [Level; 5] = [
    level(1, 1, 5, 1, 2),
    level(1, 2, 2, 2, 1),
    level(2, 1, 3, 1, 1),
    level(2, 2, 1, 0, 1),
    level(3, 1, 1, 1, 0),
];

#[test]
fn what_is_left_out_would_have_shown_nothing_smaller() {
    let mut left_out = 0;
    for defect in Defect::ALL.into_iter().filter(|defect| defect.is_one_of_the_eight()) {
        let rules = Rules::mended().with(defect);
        let all = Optima::search_all(rules, &SMALL, &BTreeSet::new(), false);
        let some = Optima::search(rules, &SMALL, &BTreeSet::new());
        let sizes = |optima: &Optima| -> Vec<_> {
            optima
                .smallest
                .iter()
                .map(|(it, (structure, policies, _))| (*it, *structure, *policies))
                .collect()
        };
        assert_eq!(sizes(&some), sizes(&all), "{defect}");
        left_out += all.runs - some.runs;
    }
    assert!(left_out > 10_000, "only {left_out} runs were left out");
}

#[test]
fn a_search_ends_when_what_is_wanted_has_shown() {
    let rules = Rules::mended().with(Defect::ReloadFreesQueuedTimeout);
    let whole = Optima::search(rules, &SMALL, &BTreeSet::new());
    let (signature, (structure, ..)) = whole.smallest.first_key_value().expect("it shows");
    let ended = Optima::search(rules, &SMALL, &BTreeSet::from([*signature]));
    assert_eq!(ended.of(*signature).map(|(structure, _)| structure), Some(*structure));
    assert!(ended.runs() < whole.runs() / 10, "{} of {}", ended.runs(), whole.runs());
}

#[test]
fn structures_come_in_their_order_and_each_trace_once() {
    for level in LEVELS_QUICK {
        let setup = &level.setups(HeapPolicy::default())[0];
        let mut optima = Optima::search(Rules::mended(), &[], &BTreeSet::new());
        let start = optima.end(setup, &[]);
        let mut known = BTreeSet::new();
        for (exits, signals) in level.events() {
            for wake in level.wakes_with(&[], &start, exits, signals) {
                assert_eq!((wake.exits.len(), wake.external_events() - exits), (exits, signals));
                assert!(known.insert(wake.clone()), "{wake:?} twice");
            }
        }
        assert!(known.len() > 3, "{level:?} has {}", known.len());
    }
    let order = |level: &Level| (level.wakes, level.scripts);
    assert!(LEVELS.windows(2).all(|two| order(&two[0]) < order(&two[1])));
    assert!(LEVELS_QUICK.windows(2).all(|two| order(&two[0]) < order(&two[1])));
}
