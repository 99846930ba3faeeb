//! The page of a folder of reports.
//!
//! Always: of a target what is not known comes first, then what kills the process, then the rest in the order given.

use maud::html;
use treefall_model::verdict::Outcome;

use super::document::{document, with_code};
use crate::json::Card;

/// Most reports that one page lists.
pub(super) const CARDS_MAX: usize = 2_000;

/// The page of these reports: each card with the link to its page.
#[must_use]
pub fn index(cards: &[(String, Card)]) -> String {
    let listed = &cards[..cards.len().min(CARDS_MAX)];
    let body = html! {
        header {
            h1 { "Findings" }
            p class="quiet" {
                (cards.len()) @if cards.len() == 1 { " finding" } @else { " findings" }
                @if cards.len() > CARDS_MAX { ", of which " (CARDS_MAX) " are listed" }
            }
        }
        main {
            @if cards.is_empty() { section { p { "No report is in this folder." } } }
            @for of_target in listed.chunk_by(|a, b| a.1.target == b.1.target) {
                h2 { (of_target[0].1.target) }
                div class="cards" {
                    @for (link, card) in gravest_first(of_target) {
                        section {
                            h3 { a href=(link) { (with_code(&card.claim)) } }
                            dl class="facts" {
                                dt { "signature" } dd { code { (card.signature) } }
                                dt { "cause" } dd class=(if card.defect.is_some() { "" } else { "bad" }) { (card.cause) }
                                dt { "outcome" } dd { (card.outcome) }
                                dt { "releases" } dd { (card.affected) }
                            }
                        }
                    }
                }
            }
        }
    };
    document("treefall: findings", &body, false)
}

/// What a person is to look at first.
fn gravest_first(cards: &[(String, Card)]) -> Vec<&(String, Card)> {
    let mut cards: Vec<_> = cards.iter().collect();
    let survived = Outcome::Survived.to_string();
    cards.sort_by_key(|(_, card)| (card.defect.is_some(), card.outcome == survived));
    cards
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(claim: &str, defect: Option<&str>, outcome: &str) -> (String, Card) {
        let text = |text: &str| text.to_owned();
        let card = Card {
            target: text("replica:2.3.1"),
            claim: text(claim),
            signature: text("no-dangling-node/cleanup/unused"),
            law: text("no-dangling-node"),
            cause: text("a cause"),
            defect: defect.map(text),
            outcome: text(outcome),
            affected: text("2.3.1"),
        };
        (text("page.html"), card)
    }

    #[test]
    fn the_gravest_find_of_a_target_comes_first_and_names_are_code() {
        let page = index(&[
            card("a first", Some("A"), "survived"),
            card("breaks `no-<b>`", Some("B"), "crashed by SIGSEGV"),
            card("a third", None, "survived"),
            card("a last", Some("A"), "survived"),
        ]);
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not in {page}"));
        let order = ["a third", "breaks <code>no-&lt;b&gt;</code>", "a first", "a last"].map(place);
        assert!(order.is_sorted(), "{order:?}");
    }
}
