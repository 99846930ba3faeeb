//! A page of the manual, of treefall or of one of its commands.
//!
//! Always: a page depends on the command line's definition alone, and bears no date: what is built twice is the same.

use clap::{Arg, ArgAction, Command};
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::args::help;
use super::{CliError, Status};

/// What treefall is called.
const NAME: &str = "treefall";
/// The manual's section of commands.
const SECTION: &str = "1";
/// What other manuals tell of what this is about.
const SEE_ALSO: [(&str, &str); 2] = [("keepalived", "8"), ("keepalived.conf", "5")];
/// What `clap_mangen` puts before possible values, which is no paragraph to every reader of pages.
const EMPTY_LINE: &str = ".br\n\n.br\n";

/// What the environment says to treefall.
const ENVIRONMENT: [(&str, &str); 4] = [
    (
        "TREEFALL_CACHE",
        "Where `treefall roots` keeps roots; else $XDG_CACHE_HOME/treefall, else ~/.cache/treefall.",
    ),
    (
        "NO_COLOR",
        "If it is set to anything, nothing is coloured. Without a terminal nothing is coloured either.",
    ),
    ("COLUMNS", "How wide the help is, where there is no terminal."),
    ("TMPDIR", "Where what lasts for one command is put."),
];

/// What treefall reads and writes by itself.
const FILES: [(&str, &str); 4] = [
    ("reports/", "Where findings are written, in the working folder, unless --out names another."),
    (
        "~/.cache/treefall/",
        "Debian's keepalived of other suites, as roots fetch unpacks them: what is there is tested, too.",
    ),
    (
        "/usr/sbin/keepalived",
        "What engine and daemon mean without a path. /usr/local/sbin and /opt/keepalived/sbin are looked into, too.",
    ),
    (
        "/etc/keepalived/keepalived.conf",
        "Is not read by itself: --config names it, or another, whose scripts are then the daemon's.",
    ),
];

/// How wide an example is: a page on a terminal of 80 columns, moved in by seven.
const EXAMPLES_WIDTH: u16 = 72;

/// What a page says of its statuses besides the list.
const OTHER_STATUSES: &str = "A command that is stopped twice by Ctrl-C ends with 130, and one whose reader has gone \
                              with 141.";

/// The page of one command.
pub(super) struct Page<'c>(&'c Command);

impl<'c> Page<'c> {
    /// The command is built: it knows what stands before it.
    pub(super) fn of(command: &'c Command) -> Self {
        Self(command)
    }

    /// Those of a command and of all below it.
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

    /// The pages of the commands that this one stands below, treefall's first.
    fn above(&self) -> Vec<String> {
        let typed = self.0.get_bin_name().unwrap_or(NAME);
        typed.match_indices(' ').map(|(end, _)| typed[..end].replace(' ', "-")).collect()
    }

    /// The page itself.
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
        // What is typed is not hyphenated, nor stretched to the right margin.
        Roff::new().control("nh", []).control("ad", ["l"]).to_writer(&mut bytes).map_err(failed)?;
        man.render_name_section(&mut bytes).map_err(failed)?;
        man.render_synopsis_section(&mut bytes).map_err(failed)?;
        man.render_description_section(&mut bytes).map_err(failed)?;
        man.render_options_section(&mut bytes).map_err(failed)?;
        self.closing().to_writer(&mut bytes).map_err(failed)?;
        // Each part begins with what one page needs once.
        let once = Roff::new().render();
        let text = String::from_utf8_lossy(&bytes).replace(&once, "").replace(EMPTY_LINE, ".sp\n");
        Ok(once + &text)
    }

    /// What is told behind the options.
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
        let told = |(name, says): (&str, &str)| (tag(name), says.to_owned());
        list(&mut roff, "ENVIRONMENT", ENVIRONMENT.map(told));
        list(&mut roff, "FILES", FILES.map(told));
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

/// A tag of a list.
fn tag(text: impl Into<String>) -> Vec<Inline> {
    vec![bold(text)]
}

/// `treefall-hunt(1)`.
fn reference(page: &str, section: &str) -> Vec<Inline> {
    vec![bold(page), roman(format!("({section})"))]
}

/// A section that is a list.
fn list(roff: &mut Roff, heading: &str, items: impl IntoIterator<Item = (Vec<Inline>, String)>) {
    roff.control("SH", [heading]);
    for (tag, says) in items {
        roff.control("TP", []).text(tag).text([roman(says)]);
    }
}

/// The examples that a command's help ends with, and what it says before them.
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

/// What a command's help says of its own statuses, beside the list of all.
fn own_statuses(command: &Command) -> Vec<String> {
    let end = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let own = end.split("\n\n").filter_map(|part| part.strip_prefix("Exit status: "));
    own.map(|says| format!("Of {}: {says}", command.get_name())).collect()
}

/// How a command is typed, with the values that its options take: as its own help says it, but whole.
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
