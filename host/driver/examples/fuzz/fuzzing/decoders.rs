//! The decoders of JSON and DELIMITED: nothing panics, rows have nothing to do with their neighbours, and what is written
//! reads the same.

use calzone_formats::{Decoder, Encoder, Format, FormatColumn, FormatSpec, Part};
use calzone_sql::ast::{TypeKind, TypeName};
use calzone_types::{Field, SqlType, value_at};

use super::random::Random;
use super::{Input, Target, json_text};

/// Records of random columns: the columns as a STRUCT, the settings, then record after record.
pub struct Records(Format);

pub fn json() -> Records {
    Records(Format::Json)
}

pub fn delimited() -> Records {
    Records(Format::Delimited)
}

impl Target for Records {
    fn name(&self) -> &'static str {
        if self.0 == Format::Json { "json" } else { "delimited" }
    }

    fn generate(&self, random: &mut Random) -> Input {
        let nested = self.0 == Format::Json;
        let names = ["A", "B", "a", "Ä", "K1", "x y", "0"];
        let count = if random.once_in(4) { 1 } else { random.below(6) + 1 };
        let fields: Vec<Field> =
            (0..count).map(|i| Field::new(names[i], random_type(random, if nested { 0 } else { 9 }))).collect();
        let columns = SqlType::structure(fields.clone());
        let delimiter = if nested { b',' } else { [b',', b'|', b'\t', b' ', b';'][random.below(5)] };
        let settings =
            vec![random.pick(&["value", "key"]).as_bytes()[0], random.pick(&["wrap", "bare"]).as_bytes()[0], delimiter];
        let mut input = vec![columns.to_string().into_bytes(), settings];
        for _ in 0..random.below(7) + 1 {
            let mut record = if nested {
                let ty = if count == 1 && random.once_in(2) { fields[0].ty.clone() } else { columns.clone() };
                json_text::value(random, &ty, 0).into_bytes()
            } else {
                let texts: Vec<String> = fields.iter().map(|field| json_text::field(random, &field.ty)).collect();
                texts.join(&char::from(delimiter).to_string()).into_bytes()
            };
            if random.once_in(3) {
                mutate(random, &mut record);
            }
            input.push(record);
        }
        input
    }

    fn check(&self, input: &Input) -> Result<bool, String> {
        let [columns, settings, records @ ..] = input.as_slice() else { return Ok(false) };
        let Some(columns) = read_columns(columns) else { return Ok(false) };
        let &[part, wrap, delimiter] = settings.as_slice() else { return Ok(false) };
        let part = if part == b'v' { Part::Value } else { Part::Key };
        let spec = FormatSpec { delimiter, wrap_single: wrap == b'w', ..FormatSpec::new(self.0) };
        let wanted = vec![true; columns.len()];
        let decoder = || Decoder::new(&spec, part, &columns, &wanted);
        let Ok(mut together) = decoder() else { return Ok(false) };
        let all = together.decode_slices(records.iter().map(|record| Some(record.as_slice())));
        let mut good = false;
        for (row, record) in records.iter().enumerate() {
            let mut alone = decoder().map_err(|error| format!("refused the second time: {error}"))?;
            let one = alone.decode_slices(std::iter::once(Some(record.as_slice())));
            let error = all.errors.iter().find(|error| error.row as usize == row).map(|error| &error.message);
            if one.errors.first().map(|error| &error.message) != error {
                return Err(format!("a record fails differently among others: {:?} and {error:?}", one.errors));
            }
            let cells = |columns: &[arrow_array::ArrayRef], row: usize| {
                columns.iter().map(|column| format!("{:?}", value_at(column.as_ref(), row))).collect::<Vec<String>>()
            };
            let (expected, found) = (cells(&one.columns, 0), cells(&all.columns, row));
            if expected != found {
                return Err(format!("a record reads differently among others: {expected:?} and {found:?}"));
            }
            let absent_alone = one.present.as_ref().is_some_and(|present| !present.value(0));
            if absent_alone != all.present.as_ref().is_some_and(|present| !present.value(row)) {
                return Err("a record is there or not, depending on others".into());
            }
            if error.is_some() {
                continue;
            }
            good = true;
            let encoder = Encoder::new(&spec, part, &columns).map_err(|error| format!("cannot be written: {error}"))?;
            let mut bytes = Vec::new();
            match encoder.bind(&one.columns).write(0, &mut bytes) {
                Ok(true) => {}
                Ok(false) | Err(_) => continue,
            }
            let again = alone.decode_slices(std::iter::once(Some(bytes.as_slice())));
            let read = cells(&again.columns, 0);
            // DELIMITED has one text for null and for no text, and a record of one empty field is no record.
            let same = |a: &String, b: &String| a == b || (self.0 == Format::Delimited && is_empty(a) && is_empty(b));
            if !again.errors.is_empty() || !read.iter().zip(&expected).all(|(a, b)| same(a, b)) {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                return Err(format!("written and read differently: {expected:?} as {text:?}, {read:?} {:?}", again.errors));
            }
        }
        Ok(good)
    }
}

fn is_empty(cell: &str) -> bool {
    matches!(cell, "Null" | "Varchar(\"\")" | "Bytes([])")
}

fn random_type(random: &mut Random, depth: usize) -> SqlType {
    let simple = [
        SqlType::Boolean,
        SqlType::Integer,
        SqlType::Bigint,
        SqlType::Double,
        SqlType::decimal(10, 2),
        SqlType::decimal(38, 0),
        SqlType::decimal(5, 5),
        SqlType::Varchar,
        SqlType::Varchar,
        SqlType::Bytes,
        SqlType::Date,
        SqlType::Time,
        SqlType::Timestamp,
    ];
    match random.below(if depth > 2 { 4 } else { 7 }) {
        4 => SqlType::array(random_type(random, depth + 1)),
        5 => SqlType::map(SqlType::Varchar, random_type(random, depth + 1)),
        6 => {
            let names = ["F", "g", "H I"];
            SqlType::structure((0..random.below(3) + 1).map(|i| Field::new(names[i], random_type(random, depth + 1))))
        }
        _ => simple[random.below(simple.len())].clone(),
    }
}

/// The columns that a STRUCT's text names.
fn read_columns(text: &[u8]) -> Option<Vec<FormatColumn>> {
    let parsed = calzone_sql::parse_type(std::str::from_utf8(text).ok()?).ok()?;
    let SqlType::Struct(fields) = type_of(&parsed)? else { return None };
    Some(fields.iter().map(|field| FormatColumn::new(field.name.clone(), field.ty.clone())).collect())
}

fn type_of(name: &TypeName) -> Option<SqlType> {
    Some(match &name.kind {
        TypeKind::Simple(ty) => ty.clone(),
        TypeKind::Custom(_) => return None,
        TypeKind::Array(element) => SqlType::array(type_of(element)?),
        TypeKind::Map(key, value) => SqlType::map(type_of(key)?, type_of(value)?),
        TypeKind::Struct(fields) => {
            let fields: Option<Vec<Field>> =
                fields.iter().map(|(name, ty)| Some(Field::new(name.node.as_str(), type_of(ty)?))).collect();
            SqlType::structure(fields?)
        }
    })
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    const PIECES: &[&str] = &[
        "{", "}", "[", "]", "\"", "\\", "\\u", "\\ud83d", ",", ":", "null", "1e", "-", "\0", "\r\n", "\n", "|", "\u{feff}", "ä",
    ];
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(6)).min(bytes.len());
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..end, random.next().to_le_bytes().into_iter().take(end - at))),
            3 => bytes.extend_from_within(at..end),
            _ => drop(bytes.splice(at..at, random.pick(PIECES).bytes())),
        }
    }
}
