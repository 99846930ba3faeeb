//! Reads the code in a Markdown file: fenced blocks, and spans in the text.
//!
//! Invariant: a place is a line of the file, from 1.

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// The text after the opening fence.
    pub(crate) language: String,
    /// The line of the opening fence.
    pub(crate) place: usize,
    /// The text between the fences, without the indentation of the opening one.
    pub(crate) lines: Vec<String>,
}

/// The code of one file.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) blocks: Vec<Block>,
    /// Spans between single backticks, with their places. A span may cross lines.
    pub(crate) spans: Vec<(usize, String)>,
}

/// Reads a file.
///
/// # Errors
/// An unclosed fence or span, with its place.
pub(crate) fn code(text: &str) -> Result<Code, (usize, String)> {
    let mut code = Code::default();
    let mut lines = (1..).zip(text.lines());
    let mut open: Option<(usize, String)> = None;
    while let Some((place, line)) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let indentation = line.len() - line.trim_start().len();
            let mut block = Block { language: language.trim().to_owned(), place, lines: Vec::new() };
            loop {
                let Some((_, line)) = lines.next() else {
                    return Err((place, "a fence that nothing closes".to_owned()));
                };
                if line.trim() == "```" {
                    break;
                }
                block.lines.push(line.get(indentation..).unwrap_or_default().to_owned());
            }
            code.blocks.push(block);
            continue;
        }
        // A paragraph ends every span.
        if let Some((place, span)) = open.take_if(|_| line.trim().is_empty()) {
            return Err((place, format!("nothing closes the backtick before `{span}`")));
        }
        for (nth, part) in line.split('`').enumerate() {
            if nth > 0 {
                match open.take() {
                    Some(span) => code.spans.push(span),
                    None => open = Some((place, String::new())),
                }
            }
            if let Some((_, span)) = &mut open {
                span.push_str(if nth == 0 { part.trim_start() } else { part });
            }
        }
        if let Some((_, span)) = &mut open {
            span.push(' ');
        }
    }
    open.map_or(Ok(code), |(place, span)| {
        Err((place, format!("nothing closes the backtick before `{span}`")))
    })
}
