//! Text for terminals: whatever the course prints fits into 60 columns.

/// The columns of the narrowest terminal.
pub const COLUMNS: usize = 60;

/// `text` in lines of at most [`COLUMNS`], each with this indent. A word that is longer gets a line of its own; a blank
/// line of the text is kept.
pub fn wrap(text: &str, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n") {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let mut line = " ".repeat(indent);
        for word in paragraph.split_whitespace() {
            let is_empty = line.len() == indent;
            if !is_empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
                lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            } else if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn a_line_ends_before_column_61() {
        let word = "x".repeat(57);
        assert_eq!(wrap(&format!("{word} y"), 2), format!("  {word}\n  y\n"));
        assert_eq!(wrap(&format!("{} y", &word[1..]), 2), format!("  {} y\n", &word[1..]));
        assert_eq!(wrap("a  b\nc\n\nd", 2), "  a b c\n\n  d\n");
        assert_eq!(wrap(&format!("a {}", "z".repeat(70)), 0), format!("a\n{}\n", "z".repeat(70)));
    }
}
