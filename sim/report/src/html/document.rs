//! A page of HTML around its body.

use maud::{DOCTYPE, Markup, html};

use super::trees;

/// What every page says of its origin: a file without it is none of treefall's pages.
pub(crate) const MADE_BY: &str = "Made by treefall; the page needs no network.";

/// A text for people, with what it has between backquotes as code.
pub(super) fn with_code(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A whole document around a body.
pub fn document(title: &str, body: &Markup, stepped: bool) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (trees::embedded(include_str!("style.css"))) }
            }
            body {
                (body)
                footer { p { (MADE_BY) } }
                @if stepped { script { (trees::embedded(include_str!("script.js"))) } }
            }
        }
    }
    .into_string()
}
