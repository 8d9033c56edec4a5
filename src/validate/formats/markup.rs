//! Text made safe inside XML and HTML.

/// The text with markup characters escaped and characters that XML 1.0 cannot hold replaced.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\r' | '\t' => safe.push(' '),
            character if character < ' ' || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                safe.push('\u{fffd}')
            }
            character => safe.push(character),
        }
    }
    safe
}
