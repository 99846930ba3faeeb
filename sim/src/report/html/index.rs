//! The page of a folder of reports.

use maud::html;

use super::{Card, document};

/// Most reports that one page lists.
pub(super) const CARDS_MAX: usize = 2_000;

/// The page of these reports: each card with the link to its page.
#[must_use]
pub fn index(cards: &[(String, Card)]) -> String {
    let listed = &cards[..cards.len().min(CARDS_MAX)];
    let body = html! {
        header {
            h1 { "Finds" }
            p class="quiet" {
                (cards.len()) @if cards.len() == 1 { " find" } @else { " finds" }
                @if cards.len() > CARDS_MAX { ", of which " (CARDS_MAX) " are listed" }
            }
        }
        main {
            @if cards.is_empty() { section { p { "No report is in this folder." } } }
            @for of_target in listed.chunk_by(|a, b| a.1.target == b.1.target) {
                h2 { (of_target[0].1.target) }
                div class="cards" {
                    @for (link, card) in of_target {
                        section {
                            h3 { a href=(link) { (card.claim) } }
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
    document("treefall: finds", &body, false)
}
