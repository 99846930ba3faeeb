//! `treefall targets`: what can be tested here, and why not where not.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use treefall_model::release::{Group, Release};

use super::args::Targets;
use super::output::Output;
use super::{CliError, Status};
use crate::subject::program::{Program, find_installed};
use crate::subject::target::{self, Place, Target};
use crate::subject::build;

/// One target, for machines. The fields are stable.
#[derive(Serialize)]
struct TargetObject {
    target: String,
    release: String,
    defects: Vec<&'static str>,
    banner: Option<String>,
    allowed: bool,
    why_not: Option<String>,
}

pub(super) fn run(args: &Targets, output: &mut Output) -> Result<Status, CliError> {
    let mut table = table(["replica", "known defects", "compared with a real program"]);
    for group in Release::with_defects_of_their_own() {
        let checked: Vec<String> =
            group.releases().filter(|release| release.checked_against_real()).map(|r| r.to_string()).collect();
        let defects: Vec<&str> = group.defects.iter().map(|defect| defect.name()).collect();
        table.add_row([
            span(group),
            defects.join("\n"),
            if checked.is_empty() { "never".to_owned() } else { checked.join(", ") },
        ]);
        for release in group.releases() {
            output.object(&TargetObject {
                target: format!("replica:{release}"),
                release: release.to_string(),
                defects: defects.clone(),
                banner: None,
                allowed: true,
                why_not: None,
            });
        }
    }
    output.line(table);
    output.line("replica:mended has no known defect; replica:mended+DEFECT has one; replica:RELEASE-DEFECT lacks one\n");
    show_real(args, output)?;
    Ok(Status::Good)
}

fn show_real(args: &Targets, output: &mut Output) -> Result<(), CliError> {
    let installed = find_installed();
    let mut places: Vec<Place> =
        installed.iter().map(|path| Place { path: path.clone(), root: None }).collect();
    for name in &args.targets {
        for target in target::parse(name, &installed)? {
            if let Target::Engine(place) = target
                && !places.contains(&place)
            {
                places.push(place);
            }
        }
    }
    if places.is_empty() {
        output.line("no keepalived on this machine: `apt-get install keepalived` makes the real program a target");
    }
    for place in places {
        let (banner, release, why_not) = look(&place);
        match &why_not {
            None => output.line(format_args!("engine:{place}  {banner}: can be driven")),
            Some(why) => output.line(format_args!("engine:{place}  {banner}: cannot be driven: {why}")),
        }
        output.object(&TargetObject {
            target: format!("engine:{place}"),
            release,
            defects: Vec::new(),
            banner: Some(banner),
            allowed: why_not.is_none(),
            why_not,
        });
    }
    Ok(())
}

/// Banner, release, and why it cannot be driven.
fn look(place: &Place) -> (String, String, Option<String>) {
    match Program::open(&place.path, place.root.as_deref()) {
        Err(error) => ("not a keepalived".to_owned(), String::new(), Some(error.to_string())),
        Ok(program) => {
            let why_not = build(&Target::Engine(place.clone())).err().map(|error| error.to_string());
            (program.banner().to_owned(), program.release().to_string(), why_not)
        }
    }
}

/// `2.2.5 to 2.3.1`.
pub(super) fn span(group: Group) -> String {
    if group.first == group.last { group.first.to_string() } else { format!("{} to {}", group.first, group.last) }
}

/// An empty table with these columns, as wide as the terminal.
pub(super) fn table<const N: usize>(columns: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns);
    table
}
