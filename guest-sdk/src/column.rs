//! Columns as they cross the boundary: buffers in, buffers out.

use crate::bindings::types::Column;

/// Walks a flat table of columns, each followed by its children.
pub struct Cursor<'a> {
    columns: std::slice::Iter<'a, Column>,
}

impl<'a> Cursor<'a> {
    pub fn new(columns: &'a [Column]) -> Cursor<'a> {
        Cursor { columns: columns.iter() }
    }

    /// The next column, in preorder.
    pub fn next_column(&mut self) -> Result<View<'a>, String> {
        let column = self.columns.next().ok_or("the host sent fewer columns than the types have")?;
        Ok(View {
            length: column.length as usize,
            validity: column.validity.as_deref(),
            offsets: column.offsets.as_deref().unwrap_or_default(),
            data: column.data.as_deref().unwrap_or_default(),
        })
    }
}

/// The buffers of one column.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub length: usize,
    pub validity: Option<&'a [u8]>,
    pub offsets: &'a [u8],
    pub data: &'a [u8],
}

impl<'a> View<'a> {
    #[inline]
    pub fn is_valid(&self, row: usize) -> bool {
        self.validity.is_none_or(|bits| bit(bits, row))
    }

    #[inline]
    pub fn fixed<const N: usize>(&self, row: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.data[row * N..row * N + N]);
        bytes
    }

    /// Where the row's bytes or elements are.
    #[inline]
    pub fn range(&self, row: usize) -> std::ops::Range<usize> {
        let at = |i: usize| {
            let b = &self.offsets[i * 4..i * 4 + 4];
            u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize
        };
        at(row)..at(row + 1)
    }

    #[inline]
    pub fn bytes(&self, row: usize) -> &'a [u8] {
        &self.data[self.range(row)]
    }

    #[inline]
    pub fn text(&self, row: usize) -> &'a str {
        // SAFETY: the host's columns are Arrow's, whose text is checked UTF-8 cut at character boundaries.
        unsafe { std::str::from_utf8_unchecked(self.bytes(row)) }
    }
}

/// Bit `row` of a bitmap.
#[inline]
pub fn bit(bits: &[u8], row: usize) -> bool {
    bits[row / 8] >> (row % 8) & 1 == 1
}

/// A bitmap being written.
#[derive(Default)]
pub struct Bitmap {
    bytes: Vec<u8>,
    length: usize,
}

impl Bitmap {
    #[inline]
    pub fn push(&mut self, set: bool) {
        if self.length.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if set {
            self.bytes[self.length / 8] |= 1 << (self.length % 8);
        }
        self.length += 1;
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Which values are there: nothing is stored, or done, before the first null.
#[derive(Default)]
pub struct Validity {
    bitmap: Option<Bitmap>,
}

impl Validity {
    #[inline]
    pub fn push_valid(&mut self) {
        if let Some(bitmap) = &mut self.bitmap {
            bitmap.push(true);
        }
    }

    /// `rows` is how many values came before this null.
    pub fn push_null(&mut self, rows: usize) {
        let bitmap = self.bitmap.get_or_insert_with(|| {
            let mut bitmap = Bitmap::default();
            (0..rows).for_each(|_| bitmap.push(true));
            bitmap
        });
        bitmap.push(false);
    }

    pub fn into_bytes(self) -> Option<Vec<u8>> {
        self.bitmap.map(Bitmap::into_bytes)
    }
}

/// A column being written: values of fixed width, or of any length with offsets.
pub struct ColumnWriter {
    pub validity: Validity,
    /// Bytes of a value; 0 for a column with offsets.
    width: usize,
    offsets: Vec<u8>,
    pub data: Vec<u8>,
}

impl ColumnWriter {
    pub fn fixed(width: usize, rows: usize) -> ColumnWriter {
        ColumnWriter { validity: Validity::default(), width, offsets: Vec::new(), data: Vec::with_capacity(rows * width) }
    }

    /// With offsets, for text, bytes, and the elements of arrays and maps.
    pub fn variable(rows: usize) -> ColumnWriter {
        let mut offsets = Vec::with_capacity(rows * 4 + 4);
        offsets.extend_from_slice(&[0; 4]);
        ColumnWriter { validity: Validity::default(), width: 0, offsets, data: Vec::new() }
    }

    /// Values written so far.
    pub fn rows(&self) -> usize {
        if self.width == 0 { self.offsets.len() / 4 - 1 } else { self.data.len() / self.width }
    }

    #[inline]
    pub fn push_fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        self.data.extend_from_slice(&bytes);
        self.validity.push_valid();
    }

    #[inline]
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        self.end(self.data.len());
    }

    /// Ends a value of a column with offsets.
    #[inline]
    pub fn end(&mut self, offset: usize) {
        self.offsets.extend_from_slice(&(offset as u32).to_le_bytes());
        self.validity.push_valid();
    }

    pub fn push_null(&mut self) {
        self.validity.push_null(self.rows());
        if self.width == 0 {
            let last = self.offsets.len() - 4;
            self.offsets.extend_from_within(last..);
        } else {
            self.data.resize(self.data.len() + self.width, 0);
        }
    }

    /// The column; `with_data` is false for ARRAY and MAP, whose children hold the values.
    pub fn finish(self, with_data: bool) -> Column {
        Column {
            length: self.rows() as u32,
            validity: self.validity.into_bytes(),
            offsets: (self.width == 0).then_some(self.offsets),
            data: with_data.then_some(self.data),
        }
    }
}
