//! A line that is too long for a terminal, as several.
//!
//! Always: no word is broken, so that a line is longer than it should be only where one word is.

/// The words behind `head`, in lines of at most so many columns. A further line begins with `below`; one that a further
/// line follows ends with `goes_on`.
pub fn lines<'w>(
    head: &str,
    words: impl IntoIterator<Item = &'w str>,
    below: &str,
    goes_on: &str,
    columns: usize,
) -> Vec<String> {
    let (mut done, mut now, mut empty) = (Vec::new(), head.to_owned(), true);
    for word in words {
        let length = length(&now) + usize::from(!empty) + length(word) + length(goes_on);
        if !empty && length > columns {
            now.push_str(goes_on);
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

/// The space around what is in a column of a table.
const AROUND: usize = 2;

/// How wide a table's column of these cells is at least, so that no word of them is broken.
pub fn column<'c>(cells: impl IntoIterator<Item = &'c str>) -> usize {
    cells.into_iter().flat_map(str::split_whitespace).map(length).max().unwrap_or(0) + AROUND
}

/// How many columns of a terminal a text takes.
pub fn length(text: &str) -> usize {
    text.chars().count()
}

/// What a line begins with: nothing but spaces.
pub fn indentation(text: &str) -> &str {
    &text[..text.len() - text.trim_start().len()]
}

/// The words of a command as a shell parts them, with their quotes; an option and what follows it are one where both have
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
