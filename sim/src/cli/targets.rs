//! `treefall targets`: lists what can be tested here, and why other programs cannot.

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::release::{Elsewhere, Group, Release};

use super::args::Targets;
use super::lines::JsonLine;
use super::output::Output;
use super::table::Table;
use super::{CliError, Status, Summary, workers};
use treefall_report::{self as report, json::UpstreamObject};
use treefall_subject::build;
use treefall_subject::program::{INSTALL, Imports, Likeness, find_installed};
use treefall_subject::roots::find_programs;
use treefall_subject::target::{self, Place, Target};

/// A target. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct TargetObject {
    target: String,
    release: Option<String>,
    defects: Vec<&'static str>,
    /// Upstream's issues, pull requests and commits of each of `defects`.
    upstream: Vec<UpstreamObject>,
    /// Known crashes of the release outside the trees, which treefall does not show.
    crashes_elsewhere: Vec<ElsewhereObject>,
    banner: Option<String>,
    allowed: bool,
    /// Reason why it cannot be driven; null: it can.
    why_not: Option<String>,
    imports: Option<ImportsObject>,
}

/// A known crash outside the trees.
#[derive(Serialize, JsonSchema)]
struct ElsewhereObject {
    /// Part of keepalived that it needs.
    reach: &'static str,
    /// Configuration that it needs.
    used_with: &'static str,
    headline: &'static str,
    /// Evidence for it.
    rests_on: &'static str,
}

impl ElsewhereObject {
    fn all(release: Release) -> Vec<Self> {
        let object = |row: &Elsewhere| Self {
            reach: row.reach.name(),
            used_with: row.used_with,
            headline: row.headline,
            rests_on: row.rests_on,
        };
        release.crashes_elsewhere().map(object).collect()
    }
}

/// Imported functions of a real program: counts by how treefall handles them, and the names of those that end a run
/// or are unknown.
#[derive(Serialize, JsonSchema)]
struct ImportsObject {
    /// Count.
    virtuals: usize,
    /// Count.
    let_through: usize,
    forbidden: Vec<String>,
    unknown: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct TargetsSummary {
    replicas: usize,
    real: usize,
    real_allowed: usize,
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 2] =
    [JsonLine::of::<TargetObject>("a target"), JsonLine::of::<Summary<TargetsSummary>>("summary")];

pub(super) fn run(args: &Targets, output: &mut Output) -> Result<Status, CliError> {
    let mut table = Table::new(["replica", "known defects", "compared with a real program"]);
    let mut summary = TargetsSummary { replicas: 0, real: 0, real_allowed: 0 };
    for group in Release::with_defects_of_their_own() {
        let checked: Vec<String> = group
            .releases()
            .filter(|release| release.checked_against_real())
            .map(|r| r.to_string())
            .collect();
        let defects: Vec<&str> = group.defects.iter().map(|defect| defect.name()).collect();
        table.add_row([
            span(group),
            group.defects.iter().map(report::reported).collect::<Vec<_>>().join("\n"),
            if checked.is_empty() { "never".to_owned() } else { checked.join(", ") },
        ]);
        for release in group.releases() {
            summary.replicas += 1;
            output.object(&TargetObject {
                target: format!("replica:{release}"),
                release: Some(release.to_string()),
                defects: defects.clone(),
                upstream: UpstreamObject::all(group.defects.iter()),
                crashes_elsewhere: ElsewhereObject::all(release),
                banner: None,
                allowed: true,
                why_not: None,
                imports: None,
            });
        }
    }
    output.line(table);
    output.line("replica:mended has no known defect; replica:mended+DEFECT has one; replica:RELEASE-DEFECT lacks one\n");
    output.line("known crashes outside the trees, which no replica has:");
    for row in Elsewhere::ALL {
        let releases = match row.mended_in {
            None => format!("from {} on", row.from),
            Some(mended) => format!("{} until {mended}", row.from),
        };
        output.line(format_args!(
            "  {releases}, if you use {}: {} ({})",
            row.used_with, row.headline, row.rests_on
        ));
    }
    output.line("");
    show_real(args, &mut summary, output)?;
    output.conclude(&summary);
    if workers::interrupted() {
        output.error("stopped before all programs were inspected");
        return Ok(Status::Failure);
    }
    Ok(Status::Good)
}

fn show_real(args: &Targets, summary: &mut TargetsSummary, output: &mut Output) -> Result<(), CliError> {
    let installed = find_installed();
    let with_release =
        |place: Place| Place { as_release: place.as_release.or(args.driven.as_release), ..place };
    let mut places: Vec<Place> = find_programs().into_iter().map(with_release).collect();
    for name in &args.targets {
        for target in target::parse(name, &installed)? {
            let target = target.driven_as(args.driven.as_release);
            if let Some(place) = target.place()
                && !places.contains(place)
            {
                places.push(place.clone());
            }
        }
    }
    if places.is_empty() {
        output.line(format_args!("no keepalived on this machine, so no real program is a target; {INSTALL}"));
    }
    let each = places.iter().flat_map(|place| [Target::Engine(place.clone()), Target::Daemon(place.clone())]);
    for target in each {
        if workers::interrupted() {
            break;
        }
        workers::warn_of(&target, output);
        let Inspection { banner, release, likeness, why_not, imports } = inspect(&target);
        let driven_as = match (likeness, &release) {
            (Some(Likeness::Nearest | Likeness::Told), Some(release)) => format!(" as {release}"),
            _ => String::new(),
        };
        summary.real += 1;
        summary.real_allowed += usize::from(why_not.is_none());
        match (&banner, &why_not) {
            (Some(banner), None) => output.line(format_args!("{target}  {banner}: can be driven{driven_as}")),
            (_, Some(why)) => output.line(format_args!("{target}  cannot be driven: {why}")),
            (None, None) => {}
        }
        if let Some(ImportsObject { virtuals, let_through, forbidden, unknown }) = &imports {
            let (forbidden, unlisted) = (forbidden.len(), unknown.len());
            output.line(format_args!(
                "    it imports {} functions: {virtuals} virtual, {let_through} let through, {forbidden} forbidden, {}",
                virtuals + let_through + forbidden + unlisted,
                if unlisted == 0 { "none unknown".to_owned() } else { format!("unknown: {}", unknown.join(", ")) },
            ));
        }
        output.object(&TargetObject {
            target: target.to_string(),
            release,
            defects: Vec::new(),
            upstream: Vec::new(),
            crashes_elsewhere: Vec::new(),
            banner,
            allowed: why_not.is_none(),
            why_not,
            imports,
        });
    }
    Ok(())
}

/// Inspection of a program file: its version, and why it cannot be driven.
struct Inspection {
    banner: Option<String>,
    release: Option<String>,
    likeness: Option<Likeness>,
    why_not: Option<String>,
    imports: Option<ImportsObject>,
}

fn inspect(target: &Target) -> Inspection {
    let nothing = Inspection { banner: None, release: None, likeness: None, why_not: None, imports: None };
    let Some(place) = target.place() else { return nothing };
    match place.open() {
        Err(error) => Inspection { why_not: Some(error.to_string()), ..nothing },
        Ok(program) => Inspection {
            banner: Some(program.banner().to_owned()),
            release: Some(program.release().to_string()),
            likeness: Some(program.likeness()),
            why_not: build(target).err().map(|error| error.to_string()),
            imports: Some(imports(program.imports(target.kind()))),
        },
    }
}

fn imports(imports: Imports<'_>) -> ImportsObject {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    ImportsObject {
        virtuals: imports.virtuals.len(),
        let_through: imports.let_through.len(),
        forbidden: owned(imports.forbidden),
        unknown: owned(imports.unknown),
    }
}

/// Formats a range of releases: `2.2.5 to 2.3.1`.
pub(super) fn span(group: Group) -> String {
    if group.first == group.last {
        group.first.to_string()
    } else {
        format!("{} to {}", group.first, group.last)
    }
}
