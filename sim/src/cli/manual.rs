//! Builds the manual page of treefall or of one command.
//!
//! Invariant: a page depends only on the definition of the command line and has no date, so builds are reproducible.

use clap::{Arg, ArgAction, Command};
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::args::help;
use super::{CliError, Status};

/// Name of the program.
const NAME: &str = "treefall";
/// Section of the manual for commands.
const SECTION: &str = "1";
/// Related pages of other programs.
const SEE_ALSO: [(&str, &str); 2] = [("keepalived", "8"), ("keepalived.conf", "5")];
/// Output of `clap_mangen` before possible values; some readers do not treat it as a paragraph.
const EMPTY_LINE: &str = ".br\n\n.br\n";

/// Environment variables.
const ENVIRONMENT: [(&str, &str); 4] = [
    (
        "TREEFALL_CACHE",
        "Folder in which `treefall roots` keeps roots; else $XDG_CACHE_HOME/treefall, else ~/.cache/treefall.",
    ),
    ("NO_COLOR", "If set to any value, the output has no colours. Without a terminal it has none either."),
    ("COLUMNS", "Width of the help if there is no terminal."),
    ("TMPDIR", "Folder for temporary files."),
];

/// Files that treefall reads and writes by default.
const FILES: [(&str, &str); 4] = [
    ("reports/", "Findings, in the working folder, unless --out names another folder."),
    ("~/.cache/treefall/", "Debian's keepalived of other suites, unpacked by roots fetch and tested too."),
    (
        "/usr/sbin/keepalived",
        "The default of engine and daemon without a path. /usr/local/sbin and /opt/keepalived/sbin are searched too.",
    ),
    (
        "/etc/keepalived/keepalived.conf",
        "Read only if --config names it. Its scripts are then those of the daemon.",
    ),
];

/// Width of an example: 80 columns less the indentation of seven.
const EXAMPLES_WIDTH: u16 = 72;

/// Further exit statuses, below the list.
const OTHER_STATUSES: &str = "A second Ctrl-C ends a command with 130, and a closed pipe on standard output ends it \
                              with 141.";

/// Page of one command.
pub(super) struct Page<'c>(&'c Command);

impl<'c> Page<'c> {
    /// Returns the page of a built command, which knows its parent commands.
    pub(super) fn of(command: &'c Command) -> Self {
        Self(command)
    }

    /// Returns the pages of a command and all its subcommands.
    pub(super) fn all(command: &'c Command) -> Vec<Self> {
        let below = command.get_subcommands().flat_map(Self::all);
        std::iter::once(Self(command)).chain(below).collect()
    }

    /// `treefall-corpus-import`.
    pub(super) fn name(&self) -> String {
        self.0.get_display_name().unwrap_or(NAME).to_owned()
    }

    /// `treefall-corpus-import.1`.
    pub(super) fn file(&self) -> String {
        format!("{}.{SECTION}", self.name())
    }

    /// Returns the names of the pages of the parent commands, treefall's first.
    fn above(&self) -> Vec<String> {
        let typed = self.0.get_bin_name().unwrap_or(NAME);
        typed.match_indices(' ').map(|(end, _)| typed[..end].replace(' ', "-")).collect()
    }

    /// Renders the page.
    pub(super) fn text(&self) -> Result<String, CliError> {
        let failed =
            |error| CliError::Harness(format!("the page of {} cannot be made: {error}", self.name()));
        let man = clap_mangen::Man::new(self.0.clone().override_usage(usage(self.0)))
            .title(self.name().to_uppercase())
            .section(SECTION)
            .date("\"\"")
            .source(format!("{NAME} {}", env!("CARGO_PKG_VERSION")))
            .manual(format!("{NAME} manual"));
        let mut bytes = Vec::new();
        man.render_title(&mut bytes).map_err(failed)?;
        // Words to type are not hyphenated, and the right margin is ragged.
        Roff::new().control("nh", []).control("ad", ["l"]).to_writer(&mut bytes).map_err(failed)?;
        man.render_name_section(&mut bytes).map_err(failed)?;
        man.render_synopsis_section(&mut bytes).map_err(failed)?;
        man.render_description_section(&mut bytes).map_err(failed)?;
        man.render_options_section(&mut bytes).map_err(failed)?;
        self.closing().to_writer(&mut bytes).map_err(failed)?;
        // Each rendered part repeats a preamble that one page needs once.
        let once = Roff::new().render();
        let text = String::from_utf8_lossy(&bytes).replace(&once, "").replace(EMPTY_LINE, ".sp\n");
        Ok(once + &text)
    }

    /// Renders the sections after the options.
    fn closing(&self) -> Roff {
        let mut roff = Roff::new();
        if self.0.has_subcommands() {
            let below = self.0.get_subcommands().map(|below| {
                let about = below.get_about().map(ToString::to_string).unwrap_or_default();
                (reference(&Page(below).name(), SECTION), about)
            });
            list(&mut roff, "COMMANDS", below);
        }
        examples(&mut roff, self.0);
        let statuses =
            Status::ALL.map(|(status, says)| (tag((status as u8).to_string()), format!("{says}.")));
        list(&mut roff, "EXIT STATUS", statuses);
        for says in own_statuses(self.0).iter().map(String::as_str).chain([OTHER_STATUSES]) {
            roff.control("PP", []).text([roman(says)]);
        }
        let item = |(name, says): (&str, &str)| (tag(name), says.to_owned());
        list(&mut roff, "ENVIRONMENT", ENVIRONMENT.map(item));
        list(&mut roff, "FILES", FILES.map(item));
        let above = self.above();
        let above = above.iter().map(|name| reference(name, SECTION));
        let others = SEE_ALSO.map(|(name, section)| reference(name, section));
        let mut pages: Vec<Inline> = Vec::new();
        for page in above.chain(others) {
            if !pages.is_empty() {
                pages.push(roman(", "));
            }
            pages.extend(page);
        }
        roff.control("SH", ["SEE ALSO"]).text(pages);
        roff
    }
}

/// Returns the tag of a list item.
fn tag(text: impl Into<String>) -> Vec<Inline> {
    vec![bold(text)]
}

/// `treefall-hunt(1)`.
fn reference(page: &str, section: &str) -> Vec<Inline> {
    vec![bold(page), roman(format!("({section})"))]
}

/// Adds a section that is a list.
fn list(roff: &mut Roff, heading: &str, items: impl IntoIterator<Item = (Vec<Inline>, String)>) {
    roff.control("SH", [heading]);
    for (tag, says) in items {
        roff.control("TP", []).text(tag).text([roman(says)]);
    }
}

/// Adds the examples of the command's help, and the notes before them.
fn examples(roff: &mut Roff, command: &Command) {
    let end = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut parts = end.split("\n\n").peekable();
    let notes: Vec<&str> =
        std::iter::from_fn(|| parts.next_if(|part| !part.starts_with("Example"))).collect();
    if !notes.is_empty() {
        roff.control("SH", ["NOTES"]).text([roman(notes.join("\n"))]);
    }
    let Some((_, lines)) = parts.next().and_then(|part| part.split_once('\n')) else { return };
    let lines = help::fitted_end(&format!("Examples:\n{lines}"), EXAMPLES_WIDTH);
    roff.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in lines.lines().skip(1) {
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    roff.control("fi", []);
}

/// Returns the exit statuses of the command's own help.
fn own_statuses(command: &Command) -> Vec<String> {
    let end = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let own = end.split("\n\n").filter_map(|part| part.strip_prefix("Exit status: "));
    own.map(|says| format!("Of {}: {says}", command.get_name())).collect()
}

/// Returns the usage line, with the values of all options, which clap's own usage leaves out.
fn usage(command: &Command) -> String {
    let shown = |argument: &&Arg| {
        !argument.is_hide_set()
            && !matches!(
                argument.get_action(),
                ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
            )
    };
    let arguments: Vec<&Arg> = command.get_arguments().filter(shown).collect();
    let mut words = vec![command.get_bin_name().unwrap_or(NAME).to_owned()];
    for (positional, required) in [(false, true), (false, false), (true, true), (true, false)] {
        let of_these = arguments
            .iter()
            .filter(|it| it.is_positional() == positional && it.is_required_set() == required);
        words.extend(of_these.map(|argument| {
            let again =
                if matches!(argument.get_action(), ArgAction::Append) && !positional { "..." } else { "" };
            match required || positional {
                true => format!("{argument}{again}"),
                false => format!("[{argument}]{again}"),
            }
        }));
    }
    if command.has_subcommands() {
        let word = if command.is_subcommand_required_set() { "<COMMAND>" } else { "[COMMAND]" };
        words.push(word.to_owned());
    }
    words.join(" ")
}
