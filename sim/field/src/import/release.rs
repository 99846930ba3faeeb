//! Finds the release that a text names, which need not be a log.

use treefall_model::release::Release;

use super::line::TextLine;
use super::lines::lines;
use super::messages::{Message, read};

/// Returns the release that a text names, in keepalived's own messages or as the version of a package.
#[must_use]
pub fn named_release(text: &str) -> Option<Release> {
    let own = |line: &TextLine| match read(line.writer, &line.text) {
        Message::Version(_, release) => release,
        _ => None,
    };
    let told = lines(text).0.iter().filter_map(own).next_back();
    told.or_else(|| text.lines().filter_map(packaged).next_back())
}

/// `keepalived-2.2.8-3.el9.x86_64`, `keepalived 1:2.2.7-1+b2`, `Keepalived v2.3.1 (..)`.
fn packaged(line: &str) -> Option<Release> {
    let lower = line.to_ascii_lowercase();
    let mut found = lower.match_indices("keepalived").filter_map(|(at, name)| {
        let rest =
            lower[at + name.len()..].trim_start_matches(['-', '_', ' ', '/', ':', '=', '"', 'v', '\t']);
        // A Debian epoch.
        let rest = rest.strip_prefix("1:").or_else(|| rest.strip_prefix("2:")).unwrap_or(rest);
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        Release::parse(rest[..end].trim_end_matches('.'))
    });
    found.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_names_its_release() {
        for (line, release) in [
            ("keepalived-2.2.8-3.el9.x86_64", "2.2.8"),
            ("ii  keepalived 1:2.2.7-1+b2 amd64", "2.2.7"),
            ("Keepalived v2.3.1 (05/24,2024)", "2.3.1"),
        ] {
            assert_eq!(named_release(line), Release::parse(release), "{line}");
        }
        assert_eq!(named_release("keepalived[74]: segfault at 8"), None);
    }
}
