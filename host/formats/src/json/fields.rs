//! Which field of an object belongs to which column.

use std::collections::HashMap;

use super::scan::{Scanner, Span, SyntaxError};

/// How many leading fields of a record are remembered: beyond that, names are looked up again in every record.
const SHAPE_MAX: usize = 256;

/// Finds columns by field name: the exact name first, else the name in upper case.
///
/// Records of a topic mostly have the same fields in the same order, so the name at each position of the last record
/// is remembered with the answer; then passing a name and looking it up cost one comparison.
#[derive(Debug)]
pub(super) struct FieldLookup {
    by_name: HashMap<Box<str>, u32>,
    shape: Vec<Option<KnownField>>,
}

/// The name at one position of the last record.
#[derive(Debug)]
struct KnownField {
    name: QuotedName,
    target: Target,
}

/// `"name":`, as it stands in compact JSON. Names mostly fit sixteen bytes, which are compared at once.
#[derive(Debug)]
pub(super) struct QuotedName {
    text: Box<[u8]>,
    /// The first sixteen bytes, zeros after a shorter text.
    head: u128,
    /// Which bits of `head` belong to the text.
    mask: u128,
}

impl QuotedName {
    /// `raw`: the name as it stands in JSON, escapes and all.
    fn new(raw: &str) -> QuotedName {
        let text = format!("\"{raw}\":").into_bytes().into_boxed_slice();
        let mut head = [0; 16];
        let len = text.len().min(16);
        head[..len].copy_from_slice(&text[..len]);
        QuotedName { head: u128::from_le_bytes(head), mask: u128::MAX >> (8 * (16 - len)), text }
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    #[inline]
    pub(super) fn starts(&self, bytes: &[u8]) -> bool {
        match bytes.first_chunk() {
            Some(head) if self.text.len() <= 16 => u128::from_le_bytes(*head) & self.mask == self.head,
            _ => bytes.starts_with(&self.text),
        }
    }
}

/// The columns that a field fills; mostly none, or one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// The column of exactly that name.
    pub(super) exact: Option<u32>,
    /// Another column whose name is the field's in upper case; an exactly named field goes before.
    pub(super) folded: Option<u32>,
}

impl FieldLookup {
    /// Answers with positions in `names`.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> FieldLookup {
        FieldLookup { by_name: (0..).zip(names).map(|(at, name)| (name.into(), at)).collect(), shape: Vec::new() }
    }

    /// Passes the name of the next field, which is at `position` of its object, and says what it fills; None at the end of
    /// the object. `first` is as for [`Scanner::next_name`].
    #[inline]
    pub(super) fn next(
        &mut self,
        position: usize,
        scanner: &mut Scanner<'_>,
        first: &mut bool,
    ) -> Result<Option<Target>, SyntaxError> {
        if let Some(Some(known)) = self.shape.get(position)
            && scanner.pass_name(&known.name, first)
        {
            return Ok(Some(known.target));
        }
        let Some(name) = scanner.next_name(first)? else { return Ok(None) };
        Ok(Some(self.find_and_remember(position, &name, scanner.text())))
    }

    #[cold]
    fn find_and_remember(&mut self, position: usize, name: &Span, text: &str) -> Target {
        let target = self.resolve(&name.string(text));
        if position < SHAPE_MAX {
            if self.shape.len() <= position {
                self.shape.resize_with(position + 1, || None);
            }
            self.shape[position] = Some(KnownField { name: QuotedName::new(name.raw(text)), target });
        }
        target
    }

    fn resolve(&self, name: &str) -> Target {
        let exact = self.by_name.get(name).copied();
        let upper = name.to_uppercase();
        let folded = if upper == name { None } else { self.by_name.get(upper.as_str()).copied() };
        Target { exact, folded }
    }
}

/// Is the field's name, in upper case, the name of that column?
pub(super) fn folds_to(field: &str, column: &str) -> bool {
    if field.is_ascii() {
        return field.len() == column.len() && field.bytes().zip(column.bytes()).all(|(f, c)| f.to_ascii_uppercase() == c);
    }
    field.to_uppercase() == column
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_go_before_folded_ones() {
        let mut lookup = FieldLookup::new(["ID", "id", "Ä"].into_iter());
        let mut find = |position, name: &str| {
            let text = format!("{{\"{name}\" : 1}}");
            let mut scanner = Scanner::new(&text).unwrap();
            scanner.open();
            lookup.next(position, &mut scanner, &mut true).unwrap().unwrap()
        };
        for _ in 0..2 {
            assert_eq!(find(0, "ID"), Target { exact: Some(0), folded: None });
            assert_eq!(find(1, "id"), Target { exact: Some(1), folded: Some(0) });
            assert_eq!(find(2, "Id"), Target { exact: None, folded: Some(0) });
            assert_eq!(find(300, "\\u00e4"), Target { exact: None, folded: Some(2) });
            assert_eq!(find(5, "other"), Target::default());
            assert_eq!(find(0, "else"), Target::default());
        }
        assert!(folds_to("aB1", "AB1") && !folds_to("ab", "ab") && folds_to("ä", "Ä"));
    }
}
