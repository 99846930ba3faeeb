//! The release and the law that a scenario is about, if its expectations leave that open.
//!
//! Written as `about = "2.3.4"`, or `about = { release = "2.3.4", law = "no-child-forgotten" }`.

use toml::de::DeValue;
use treefall_model::law::Law;
use treefall_model::release::Release;

use super::diagnostic::Problem;
use super::expect::{NoRange, release};
use super::fields::{Fields, Notes, Value, table, text};
use super::page::quoted;
use super::schema::Kind;

/// What the title and the story describe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct About {
    /// The release on which the failure happens.
    pub release: Release,
    /// The law that breaks there; `None`: the last law that breaks, if any.
    pub law: Option<Law>,
}

/// Reads the `about` of a file; `None` if it is missing or wrong.
pub(super) fn read_about(top: &Fields<'_>, notes: &mut Notes) -> Option<About> {
    let value = top.get("about")?;
    if let DeValue::String(_) = value.get_ref() {
        return Some(About { release: read_release(value, notes)?, law: None });
    }
    let DeValue::Table(_) = value.get_ref() else {
        // The type error says that it is no text; a table is the rarer form.
        let what = "a release in quotes, or { release = \"2.3.4\", law = \"no-child-forgotten\" }";
        text(value, "about", what, notes)?;
        return None;
    };
    let fields = table(value, "about", Kind::About, notes)?;
    if fields.get("release").is_none() {
        fields.missing("release", "\"2.3.4\"", notes);
    }
    let law = match fields.get("law") {
        Some(value) => Some(read_law(value, notes)?),
        None => None,
    };
    Some(About { release: read_release(fields.get("release")?, notes)?, law })
}

fn read_release(value: &Value<'_>, notes: &mut Notes) -> Option<Release> {
    let (name, span) = text(value, "release", "a release in quotes", notes)?;
    let wrong =
        |no: NoRange| Problem::new(span, no.why, "expected one release, such as \"2.3.4\"").meant(no.meant);
    release(name).map_err(|no| notes.push(wrong(no))).ok()
}

fn read_law(value: &Value<'_>, notes: &mut Notes) -> Option<Law> {
    let (name, span) = text(value, "law", "a law's name in quotes", notes)?;
    let law = Law::named(name);
    if law.is_none() {
        let title = format!("there is no law {name:?}");
        let problem = Problem::new(span, title, "expected a law's name in quotes");
        notes.push(problem.nearest(name, Law::ALL.into_iter().map(Law::name)));
    }
    law
}

/// Returns the value as TOML, without the default law.
pub(super) fn about_value(about: About) -> String {
    let release = quoted(&about.release.to_string());
    match about.law {
        Some(law) => format!("{{ release = {release}, law = {} }}", quoted(law.name())),
        None => release,
    }
}
