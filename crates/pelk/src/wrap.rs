//! Paragraphs of plain text in lines of a readable length.

/// Columns of a line.
const WIDTH: usize = 100;

/// The text in lines of at most 100 columns, each after `indent` spaces; a longer word gets its own line.
pub fn wrapped(text: &str, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(" ".repeat(indent) + word),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_full_and_not_longer_than_a_hundred_columns() {
        let text = wrapped(&"word ".repeat(50), 2);
        assert!(text.lines().all(|line| line.starts_with("  word") && line.len() <= 100));
        assert!(text.lines().next().is_some_and(|line| line.len() > 95));
        assert_eq!(wrapped(&"x".repeat(120), 1).len(), 121);
        assert_eq!(wrapped("", 4), "");
    }
}
