//! The name that was meant where one was written that there is none of.
//!
//! Always: whatever reads names asks here, so that a slip of the pen is answered alike everywhere: on the command line, in
//! scenario files, in a keepalived.conf.

use std::fmt::Display;

/// The comparison takes the product of the lengths: nothing as long as this, in bytes, is a slip of the pen.
const LENGTH_MAX: usize = 100;
/// What is less like a name, by Jaro and Winkler, is not near it.
const LIKENESS_MIN: f64 = 0.75;
/// Of names as short as this, in bytes, one slip leaves nothing to go by.
const TOO_SHORT: usize = 2;

/// That of `known` which is most like `name`, if one is near it; of several as near, the last. Small and capital letters
/// are alike.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > LENGTH_MAX {
        return None;
    }
    let name = name.to_lowercase();
    let scored = known.into_iter().map(|known| {
        let other = known.to_lowercase();
        // One letter too many, too few, another one, or two that changed places: of a short name the likeness that follows
        // is small all the same.
        let slip = name.len() > TOO_SHORT && strsim::osa_distance(&name, &other) <= 1;
        (slip, strsim::jaro_winkler(&name, &other), known)
    });
    let near = scored.filter(|(slip, likeness, _)| *slip || *likeness > LIKENESS_MIN);
    near.max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))).map(|(_, _, known)| known)
}

/// `; did you mean ..?`, for the end of a message of one line; nothing where nothing is near.
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
