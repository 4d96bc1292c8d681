//! Bytes that nobody meant to send: each is an error of its own row at most.

use calzone_formats::{Decoder, Format, FormatSpec, Part};
use calzone_types::{Field, SqlType};
use proptest::prelude::*;

use crate::{columns, spec};

fn all_types() -> Vec<SqlType> {
    use SqlType::*;
    let structure = SqlType::structure([Field::new("A", Varchar), Field::new("B", SqlType::array(Integer))]);
    let plain = vec![Boolean, Integer, Bigint, Double, SqlType::decimal(10, 3), Varchar, Bytes, Date, Time, Timestamp];
    plain.into_iter().chain([SqlType::array(Varchar), SqlType::map(Varchar, Double), structure]).collect()
}

fn survives(spec: &FormatSpec, types: &[SqlType], records: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let columns = columns(types);
    let mut decoder =
        Decoder::new(spec, Part::Value, &columns, &vec![true; columns.len()]).expect("the format suits the columns");
    let decoded = decoder.decode_slices(records.iter().map(|record| Some(record.as_slice())));
    prop_assert!(decoded.columns.iter().all(|column| column.len() == records.len()));
    prop_assert!(decoded.errors.windows(2).all(|pair| pair[0].row < pair[1].row));
    for error in &decoded.errors {
        prop_assert!(decoded.columns.iter().all(|column| column.is_null(error.row as usize)));
    }
    Ok(())
}

/// Pieces of JSON and CSV in any order.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let piece = proptest::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"A\":",
        "\"b\":",
        ",",
        ":",
        "\"",
        "\\",
        "\\u00",
        "\\ud83d",
        "null",
        "true",
        "1",
        "-",
        "1.5",
        "1e9",
        "1e-999999999999",
        "\"M\"",
        "\"2\"",
        " ",
        "\n",
        "ä",
        "\u{0}",
        "9999999999999999999999999999999999999999999",
    ]);
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes())
}

fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let assigned = fragments().prop_map(|fragment| [b"{\"A\":", fragment.as_slice(), b"}"].concat());
    proptest::collection::vec(prop_oneof![any::<Vec<u8>>(), fragments(), assigned], 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn json(records in records()) {
        survives(&spec(Format::Json), &all_types(), &records)?;
        for ty in all_types() {
            survives(&FormatSpec { wrap_single: false, ..spec(Format::Json) }, std::slice::from_ref(&ty), &records)?;
            survives(&spec(Format::Json), &[ty], &records)?;
        }
    }

    #[test]
    fn delimited(records in records()) {
        for ty in all_types().into_iter().filter(|ty| !ty.is_nested()) {
            survives(&spec(Format::Delimited), std::slice::from_ref(&ty), &records)?;
            survives(&spec(Format::Delimited), &[ty.clone(), ty], &records)?;
        }
    }

    #[test]
    fn kafka(records in records()) {
        for ty in [SqlType::Integer, SqlType::Bigint, SqlType::Double, SqlType::Varchar, SqlType::Bytes] {
            survives(&spec(Format::Kafka), &[ty], &records)?;
        }
    }
}

#[test]
fn deep_nesting_is_an_error() {
    for record in
        ["[".repeat(1_000_000), "{\"A\":".repeat(1_000_000), format!("{{\"A\":{}1{}}}", "[".repeat(999), "]".repeat(999))]
    {
        let mut decoder = Decoder::new(&spec(Format::Json), Part::Value, &columns(&[SqlType::Varchar]), &[true]).unwrap();
        let decoded = decoder.decode_slices([Some(record.as_bytes())].into_iter());
        assert_eq!(decoded.errors.len(), usize::from(record.len() > 3000));
    }
}
