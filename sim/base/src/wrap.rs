//! Wraps lines that are too long for a terminal.
//!
//! Invariant: no word is broken, so that only a line of a single word can be too long.

/// Wraps the words after `head` into lines of at most so many columns. Further lines begin with `below`; a line that
/// another one follows ends with `continued`.
pub fn lines<'w>(
    head: &str,
    words: impl IntoIterator<Item = &'w str>,
    below: &str,
    continued: &str,
    columns: usize,
) -> Vec<String> {
    let (mut done, mut now, mut empty) = (Vec::new(), head.to_owned(), true);
    for word in words {
        let length = length(&now) + usize::from(!empty) + length(word) + length(continued);
        if !empty && length > columns {
            now.push_str(continued);
            done.push(std::mem::replace(&mut now, below.to_owned()));
            empty = true;
        }
        if !empty {
            now.push(' ');
        }
        now.push_str(word);
        empty = false;
    }
    done.push(now);
    done
}

/// The space around the content of a table's column.
const AROUND: usize = 2;

/// Returns the least width of a table's column that breaks no word of these cells.
pub fn column<'c>(cells: impl IntoIterator<Item = &'c str>) -> usize {
    cells.into_iter().flat_map(str::split_whitespace).map(length).max().unwrap_or(0) + AROUND
}

/// Returns the number of terminal columns of a text.
pub fn length(text: &str) -> usize {
    text.chars().count()
}

/// Returns the spaces at the beginning of a line.
pub fn indentation(text: &str) -> &str {
    &text[..text.len() - text.trim_start().len()]
}

/// Splits a command into words like a shell, keeping quotes; an option and its value form one word if both fit in a
/// line.
/// room in a line.
pub fn typed(command: &str, room: usize) -> Vec<&str> {
    let mut words: Vec<(usize, usize)> = Vec::new();
    let (mut quoted, mut begin) = (false, None);
    for (place, letter) in command.char_indices().chain([(command.len(), ' ')]) {
        quoted ^= letter == '\'';
        match (letter == ' ' && !quoted, begin) {
            (false, None) => begin = Some(place),
            (true, Some(from)) => {
                let is_option = |(from, to): &(usize, usize)| {
                    let word = &command[*from..*to];
                    word.starts_with('-') && word.len() > 1 && !word.contains(' ')
                };
                let fits = |last: &(usize, usize)| length(&command[last.0..place]) <= room;
                let of_one =
                    |last: &&mut (usize, usize)| is_option(last) && !is_option(&(from, place)) && fits(last);
                match words.last_mut().filter(of_one) {
                    Some(option) => option.1 = place,
                    None => words.push((from, place)),
                }
                begin = None;
            }
            _ => {}
        }
    }
    words.into_iter().map(|(from, to)| &command[from..to]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_parted_where_it_can_go_on_in_a_further_line() {
        let command = "treefall soak --script 'count=8 runs=5ms' --json -q  file.toml - -o x";
        let parts =
            ["treefall", "soak", "--script 'count=8 runs=5ms'", "--json", "-q  file.toml", "-", "-o x"];
        assert_eq!(typed(command, 40), parts);
        assert_eq!(typed(command, 20)[2..4], ["--script", "'count=8 runs=5ms'"]);
    }

    #[test]
    fn no_line_is_longer_than_it_should_be_but_for_a_word_that_is() {
        let told = lines("a  ", ["bb", "cc", "dddddddddd", "e"], "   ", " +", 9);
        assert_eq!(told, ["a  bb +", "   cc +", "   dddddddddd +", "   e"]);
    }
}
