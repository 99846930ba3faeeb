//! Varies the rules of a release by one defect or behaviour at a time.

use treefall_model::release::{Behaviour, Defect, Release, Rules};

/// Fields of a behaviour, each set to the oldest or the newest release's value, whichever differs.
macro_rules! columns {
    ($($field:ident)*) => {
        fn behaviours(right: Behaviour) -> Vec<(String, Behaviour)> {
            let (oldest, newest) = (Behaviour::of(Release::OLDEST), Behaviour::of(Release::NEWEST));
            let mut flipped = Vec::new();
            $(
                let other = if right.$field == oldest.$field { newest.$field } else { oldest.$field };
                if other != right.$field {
                    flipped.push((stringify!($field).to_owned(), Behaviour { $field: other, ..right }));
                }
            )*
            flipped
        }
    };
}

columns! {
    equal_keys leftmost last_in_erase cached_calls first_armed expiry destruction current_entry before_move late_wake
    timer_value lost_misc carried_by never_finished first_result short_timeouts cleanup_call killall_flag layout
}

/// Returns `right` with one defect or one behaviour flipped, for each of them, with its name.
#[must_use]
pub fn flips(right: Rules) -> Vec<(String, Rules)> {
    let defects = Defect::ALL.into_iter().map(|defect| {
        let flipped = if right.has(defect) { right.without(defect) } else { right.with(defect) };
        (defect.name().to_owned(), flipped)
    });
    let behaviours = behaviours(right.behaviour).into_iter();
    defects.chain(behaviours.map(|(name, behaviour)| (name, Rules { behaviour, ..right }))).collect()
}
