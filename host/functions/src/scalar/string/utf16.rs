//! Positions within text as SQL counts them: in UTF-16 code units, like Java. For ASCII these are bytes.

/// Number of UTF-16 code units of the text.
pub fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char::len_utf16).sum() }
}

/// Byte position of code unit `unit`. Past the end it is the end; inside a surrogate pair it is behind the pair.
pub fn byte_position(text: &str, unit: usize) -> usize {
    if text.is_ascii() {
        return unit.min(text.len());
    }
    let mut seen = 0;
    for (position, c) in text.char_indices() {
        if seen >= unit {
            return position;
        }
        seen += c.len_utf16();
    }
    text.len()
}

/// Code units before byte position `byte`, which must be at a character boundary.
pub fn unit_position(text: &str, byte: usize) -> usize {
    text.get(..byte).map_or_else(|| length(text), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_outside_the_basic_plane_count_twice() {
        assert_eq!(length("a😀é"), 4);
        let positions: Vec<usize> = (0..6).map(|unit| byte_position("a😀é", unit)).collect();
        assert_eq!(positions, [0, 1, 5, 5, 7, 7]);
        assert_eq!(unit_position("a😀é", 5), 3);
    }
}
