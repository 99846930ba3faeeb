//! Suggests the name that was probably meant by an unknown one.
//!
//! Invariant: every reader of names uses this module, so that typing errors get the same suggestions on the command
//! line, in scenario files and in a keepalived.conf.

use std::fmt::Display;

/// Length from which names, in bytes, are not compared, because the comparison takes the product of the lengths.
const LENGTH_MAX: usize = 100;
/// Least similarity, by Jaro and Winkler, of a near name.
const LIKENESS_MIN: f64 = 0.75;
/// Length up to which names, in bytes, are too short for a similarity after a typing error.
const TOO_SHORT: usize = 2;

/// Returns the most similar of `known`, if one is near; of several, the last. Case is ignored.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > LENGTH_MAX {
        return None;
    }
    let name = name.to_lowercase();
    let scored = known.into_iter().map(|known| {
        let other = known.to_lowercase();
        // One letter added, missing, replaced, or swapped with the next: for a short name the similarity is small
        // nevertheless.
        let slip = name.len() > TOO_SHORT && strsim::osa_distance(&name, &other) <= 1;
        (slip, strsim::jaro_winkler(&name, &other), known)
    });
    let near = scored.filter(|(slip, likeness, _)| *slip || *likeness > LIKENESS_MIN);
    near.max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))).map(|(_, _, known)| known)
}

/// Returns `; did you mean ..?` to append to a message, or nothing without a suggestion.
pub fn offer(meant: Option<impl Display>) -> String {
    meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_like_nothing_gets_no_offer() {
        assert_eq!(nearest("zzz", ["interval", "timeout"]), None);
        assert_eq!(nearest("", ["interval", "timeout"]), None);
        assert_eq!(nearest(&"interval".repeat(100), ["interval"]), None);
    }

    #[test]
    fn a_slip_is_near_also_in_a_short_name() {
        for (slip, meant) in [("HPU", "HUP"), ("hup", "HUP"), ("TRM", "TERM"), ("TEMR", "TERM")] {
            assert_eq!(nearest(slip, ["HUP", "TERM"]), Some(meant));
        }
        assert_eq!(nearest("INT", ["HUP", "TERM"]), None);
        assert_eq!(nearest("on_term", ["interval", "on-term"]), Some("on-term"));
    }

    #[test]
    fn of_names_as_near_the_last_is_offered() {
        assert_eq!(nearest("2.2.9", ["2.2.7", "2.2.8", "2.3.1"]), Some("2.2.8"));
    }
}
