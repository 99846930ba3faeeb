//! The page of a folder of reports.
//!
//! Invariant: causes that are not known come first, then causes that kill the process, then the rest in the order given.

use maud::{Markup, html};
use treefall_model::verdict::Outcome;

use super::document::{document, with_code};
use crate::json::Card;

/// Most reports that one page lists.
pub(super) const CARDS_MAX: usize = 2_000;

/// Returns the page of these reports: grouped by cause, each card with the link to its page.
#[must_use]
pub fn index(cards: &[(String, Card)]) -> String {
    let groups = by_cause(&cards[..cards.len().min(CARDS_MAX)]);
    let body = html! {
        header {
            h1 { "Findings" }
            p class="quiet" {
                (cards.len()) @if cards.len() == 1 { " finding" } @else { " findings" }
                @if groups.len() > 1 { " of " (groups.len()) " causes" }
                @if cards.len() > CARDS_MAX { ", of which " (CARDS_MAX) " are listed" }
            }
            @if cards.len() > 1 {
                p { label { "Show findings with " input id="filter" type="search" placeholder="2468, crashed, replica:2.3.1 .."; } }
            }
        }
        main {
            @if cards.is_empty() { section { p { "No report is in this folder." } } }
            @for group in &groups {
                section class="group" {
                    h2 class=(group.class()) { (with_code(&group.first().cause)) }
                    p class="quiet" { "releases: " (group.first().affected) }
                    div class="cards" { @for (link, card) in &group.cards { (render_card(link, card)) } }
                }
            }
        }
    };
    document("treefall: findings", &body, cards.len() > 1)
}

fn render_card(link: &str, card: &Card) -> Markup {
    html! {
        section class="card" {
            h3 { a href=(link) { (with_code(&card.claim)) } }
            dl class="facts" {
                dt { "target" } dd { (card.target) }
                dt { "signature" } dd { code { (card.signature) } }
                dt { "outcome" } dd class=(if kills(card) { "bad" } else { "" }) { (card.outcome) }
            }
        }
    }
}

/// Findings of one cause.
struct Group<'c> {
    /// At least one; those that kill the process first.
    cards: Vec<&'c (String, Card)>,
}

impl Group<'_> {
    fn first(&self) -> &Card {
        &self.cards[0].1
    }

    /// Red for what a person should look at first.
    fn class(&self) -> &'static str {
        if self.first().defect.is_none() || kills(self.first()) { "bad" } else { "" }
    }
}

/// Whether the process died or hung.
fn kills(card: &Card) -> bool {
    card.outcome != Outcome::Survived.to_string()
}

/// Groups reports by cause, the gravest cause first. Findings of an unknown cause are grouped by their signature.
fn by_cause(cards: &[(String, Card)]) -> Vec<Group<'_>> {
    let key = |card: &Card| match &card.defect {
        Some(_) => card.cause.clone(),
        None => format!("{} {}", card.cause, card.signature),
    };
    let mut groups: Vec<(String, Group<'_>)> = Vec::new();
    for card in cards {
        let key = key(&card.1);
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.cards.push(card),
            None => groups.push((key, Group { cards: vec![card] })),
        }
    }
    for (_, group) in &mut groups {
        group.cards.sort_by_key(|(_, card)| !kills(card));
    }
    let mut groups: Vec<Group<'_>> = groups.into_iter().map(|(_, group)| group).collect();
    groups.sort_by_key(|group| (group.first().defect.is_some(), !kills(group.first())));
    groups
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
            cause: defect.map_or_else(|| text("NOT KNOWN"), text),
            defect: defect.map(text),
            outcome: text(outcome),
            affected: text("2.3.1"),
        };
        (text("page.html"), card)
    }

    #[test]
    fn causes_are_groups_with_the_gravest_first() {
        let page = index(&[
            card("a first", Some("A"), "survived"),
            card("breaks `no-<b>`", Some("B"), "crashed by SIGSEGV"),
            card("a third", None, "survived"),
            card("a last", Some("A"), "survived"),
        ]);
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not in {page}"));
        let order = ["a third", "breaks <code>no-&lt;b&gt;</code>", "a first", "a last"].map(place);
        assert!(order.is_sorted(), "{order:?}");
        assert_eq!(page.matches("class=\"group\"").count(), 3, "A and B, and the one that is not known");
    }
}
