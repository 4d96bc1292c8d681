//! Single records and what they hold.

use calzone_formats::json::{value_from_json, write_api_cell, write_api_value, write_value};
use calzone_formats::{Decoder, Format, FormatColumn, Part};
use calzone_types::{Decimal, Field, SqlType, Value, column_from_values};

use crate::{columns, decode, encode, row, spec, unwrapped};

fn text(value: &str) -> Value {
    Value::Varchar(value.into())
}

fn decimal(unscaled: i128, scale: u16) -> Value {
    Value::Decimal(Decimal::new(unscaled, scale))
}

/// A field of an object, and what a column `A` of that type gets from it; None: the record is faulty.
#[test]
fn json_values_are_coerced() {
    use SqlType::*;
    let structure = SqlType::structure([Field::new("X", Integer), Field::new("y", Varchar)]);
    let cases: Vec<(SqlType, &str, Option<Value>)> = vec![
        (Boolean, "true", Some(Value::Boolean(true))),
        (Boolean, r#""False""#, Some(Value::Boolean(false))),
        (Boolean, "1", None),
        (Boolean, r#""yes""#, None),
        (Integer, "-7", Some(Value::Integer(-7))),
        (Integer, "7.9", Some(Value::Integer(7))),
        (Integer, "1e2", Some(Value::Integer(100))),
        (Integer, "4294967297", Some(Value::Integer(1))),
        (Integer, r#""12""#, Some(Value::Integer(12))),
        (Integer, r#""12.5""#, None),
        (Integer, r#""""#, None),
        (Integer, "true", None),
        (Integer, "[]", None),
        (Bigint, "9223372036854775807", Some(Value::Bigint(i64::MAX))),
        (Bigint, r#""-9223372036854775808""#, Some(Value::Bigint(i64::MIN))),
        (Double, "1", Some(Value::Double(1.0))),
        (Double, "1.25e-3", Some(Value::Double(0.00125))),
        (Double, r#""2.5""#, Some(Value::Double(2.5))),
        (Double, "{}", None),
        (SqlType::decimal(4, 2), "10.1", Some(decimal(1010, 2))),
        (SqlType::decimal(4, 2), "\"10\"", Some(decimal(1000, 2))),
        (SqlType::decimal(4, 2), "1.1000", Some(decimal(110, 2))),
        (
            SqlType::decimal(38, 0),
            "12345678901234567890123456789012345678",
            Some(decimal(12345678901234567890123456789012345678, 0)),
        ),
        (SqlType::decimal(4, 2), "1.005", None),
        (SqlType::decimal(4, 2), "100", None),
        (SqlType::decimal(4, 2), "\"x\"", None),
        (SqlType::decimal(4, 2), "true", None),
        (Varchar, r#""t\u00e4xt\n""#, Some(text("täxt\n"))),
        (Varchar, "1.10", Some(text("1.10"))),
        (Varchar, "false", Some(text("false"))),
        (Varchar, r#"{ "b": 1, "a": [2] }"#, Some(text(r#"{"b":1,"a":[2]}"#))),
        (Varchar, "[1, 2]", Some(text("[1, 2]"))),
        (Bytes, r#""AQI=""#, Some(Value::Bytes(vec![1, 2]))),
        (Bytes, r#""??""#, None),
        (Bytes, "1", None),
        (Date, "10", Some(Value::Date(10))),
        (Date, r#""-10""#, Some(Value::Date(-10))),
        (Date, "2147483648", None),
        (Time, "86399999", Some(Value::Time(86_399_999))),
        (Time, "86400000", None),
        (Time, "-1", None),
        (Timestamp, "1706933106789", Some(Value::Timestamp(1_706_933_106_789))),
        (Timestamp, r#""17""#, Some(Value::Timestamp(17))),
        (Timestamp, r#""2024-02-03""#, None),
        (
            SqlType::array(Integer),
            r#"[1, "2", null]"#,
            Some(Value::Array(vec![Value::Integer(1), Value::Integer(2), Value::Null])),
        ),
        (SqlType::array(Integer), "[[]]", None),
        (SqlType::array(Integer), "{}", None),
        (
            SqlType::map(Varchar, Integer),
            r#"{"k": 1, "\u006c": null, "k": 3}"#,
            Some(Value::Map(vec![(text("k"), Value::Integer(3)), (text("l"), Value::Null)])),
        ),
        (SqlType::map(Varchar, Integer), "[]", None),
        (structure.clone(), r#"{"x": 1, "Y": "no", "z": {}}"#, Some(Value::Struct(vec![Value::Integer(1), Value::Null]))),
        (structure.clone(), r#"{"X": 1, "x": 2, "y": 3}"#, Some(Value::Struct(vec![Value::Integer(1), text("3")]))),
        (structure, "1", None),
    ];
    for (ty, json, expected) in cases {
        let record = format!("{{\"B\": [{{}}], \"A\":{json} }}");
        let columns = columns(std::slice::from_ref(&ty));
        let decoded = decode(&spec(Format::Json), Part::Value, &columns, &[Some(record.as_bytes())]);
        assert_eq!(decoded.errors.is_empty(), expected.is_some(), "{ty} {json} {:?}", decoded.errors);
        assert_eq!(row(&decoded, 0), [expected.clone().unwrap_or(Value::Null)], "{ty} {json}");
        // The same value alone.
        let decoded = decode(&unwrapped(Format::Json), Part::Value, &columns, &[Some(json.as_bytes())]);
        assert_eq!(row(&decoded, 0), [expected.unwrap_or(Value::Null)], "{ty} {json}");
        assert_eq!(decoded.present, None);
    }
}

/// Objects and what the INTEGER columns `A` and `b` get; None: faulty.
#[test]
fn json_fields_find_their_columns() {
    let columns = [FormatColumn::new("A", SqlType::Integer), FormatColumn::new("b", SqlType::Integer)];
    let int = |v: Option<i32>| v.map_or(Value::Null, Value::Integer);
    for (json, expected) in [
        ("{}", Some([None, None])),
        (" {\"A\":1,\"b\":2} \n", Some([Some(1), Some(2)])),
        (r#"{"a":1,"B":2}"#, Some([Some(1), None])),
        (r#"{"A":1,"a":2}"#, Some([Some(1), None])),
        (r#"{"a":2,"A":1}"#, Some([Some(1), None])),
        (r#"{"A":1,"A":2}"#, Some([Some(2), None])),
        (r#"{"A":1,"A":null}"#, Some([None, None])),
        (r#"{"\u0041":1}"#, Some([Some(1), None])),
        (r#"{"unknown":{"A":[1,{"b":"}"}]},"b":3}"#, Some([None, Some(3)])),
        (r#"{"A":1"#, None),
        (r#"{"A":1}}"#, None),
        (r#"{"A":1} {"A":2}"#, None),
        ("", None),
        ("  ", None),
        ("[1]", None),
        ("5", None),
        (r#""A""#, None),
    ] {
        let decoded = decode(&spec(Format::Json), Part::Value, &columns, &[Some(json.as_bytes())]);
        assert_eq!(decoded.errors.is_empty(), expected.is_some(), "{json} {:?}", decoded.errors);
        assert_eq!(row(&decoded, 0), expected.unwrap_or([None, None]).map(int), "{json}");
    }
}

#[test]
fn a_faulty_record_harms_no_other() {
    let columns = columns(&[SqlType::Integer, SqlType::Varchar]);
    let records: [Option<&[u8]>; 6] = [
        Some(br#"{"A":1,"B":"x"}"#),
        None,
        Some(br#"{"A":2,"B":"y"#),
        Some(b"null"),
        Some(b"{\"A\":3,\"B\":\"\xff\"}"),
        Some(br#"{"A":4,"B":"z"}"#),
    ];
    let decoded = decode(&spec(Format::Json), Part::Value, &columns, &records);
    assert_eq!(decoded.errors.iter().map(|error| error.row).collect::<Vec<_>>(), [2, 4]);
    let present = decoded.present.clone().unwrap();
    assert_eq!(present.iter().collect::<Vec<_>>(), [true, false, true, false, true, true]);
    assert_eq!(row(&decoded, 0), [Value::Integer(1), text("x")]);
    for absent in 1..5 {
        assert_eq!(row(&decoded, absent), [Value::Null, Value::Null]);
    }
    assert_eq!(row(&decoded, 5), [Value::Integer(4), text("z")]);
}

#[test]
fn unwanted_columns_may_hold_anything() {
    for (format, record) in [(Format::Json, r#"{"A":"x","b":2,"C":[]}"#), (Format::Delimited, "x,2,?")] {
        let columns = columns(&[SqlType::Integer, SqlType::Integer, SqlType::Bytes]);
        let mut decoder = Decoder::new(&spec(format), Part::Value, &columns, &[false, true, false]).unwrap();
        let decoded = decoder.decode_slices([Some(record.as_bytes())].into_iter());
        assert!(decoded.errors.is_empty(), "{:?}", decoded.errors);
        assert_eq!(row(&decoded, 0), [Value::Integer(2)]);
    }
}

/// Lines and what the columns get; None: faulty.
#[test]
fn delimited_lines_are_typed() {
    use SqlType::*;
    let types = [Integer, Varchar, SqlType::decimal(6, 2)];
    for (line, expected) in [
        ("1,x,2.5", Some(vec![Value::Integer(1), text("x"), decimal(250, 2)])),
        ("\"-1\",\"a,\"\"b\",", Some(vec![Value::Integer(-1), text("a,\"b"), Value::Null])),
        (",,", Some(vec![Value::Null; 3])),
        ("1,x", None),
        ("1,x,2,3", None),
        ("", None),
        ("x,x,1", None),
        ("1.5,x,1", None),
        ("1,x,2.555", None),
        ("1,\"x,1", None),
    ] {
        let decoded = decode(&spec(Format::Delimited), Part::Value, &columns(&types), &[Some(line.as_bytes())]);
        assert_eq!(decoded.errors.is_empty(), expected.is_some(), "{line} {:?}", decoded.errors);
        assert_eq!(row(&decoded, 0), expected.unwrap_or(vec![Value::Null; 3]), "{line}");
    }
    for (ty, line, expected) in [
        (Boolean, "TRUE", Some(Value::Boolean(true))),
        (Boolean, "yes", Some(Value::Boolean(false))),
        (Double, "1e3", Some(Value::Double(1000.0))),
        (Bytes, "AQI=", Some(Value::Bytes(vec![1, 2]))),
        (Date, "\"-10\"", Some(Value::Date(-10))),
        (Time, "10", Some(Value::Time(10))),
        (Time, "86400000", None),
        (Timestamp, "10", Some(Value::Timestamp(10))),
        (Timestamp, "2020-01-01", None),
        (Varchar, "", Some(Value::Null)),
        (Varchar, "\u{e4}", Some(text("ä"))),
    ] {
        let decoded = decode(&spec(Format::Delimited), Part::Key, &columns(std::slice::from_ref(&ty)), &[Some(line.as_bytes())]);
        assert_eq!(decoded.errors.is_empty(), expected.is_some(), "{line} {:?}", decoded.errors);
        assert_eq!(row(&decoded, 0), [expected.unwrap_or(Value::Null)], "{line}");
    }
}

#[test]
fn kafka_primitives_have_their_length() {
    use SqlType::*;
    for (ty, bytes, expected) in [
        (Integer, &[0, 0, 1, 2][..], Some(Value::Integer(258))),
        (Integer, &[1], None),
        (Bigint, &[255; 8], Some(Value::Bigint(-1))),
        (Bigint, &[0; 4], None),
        (Double, &1.5f64.to_be_bytes(), Some(Value::Double(1.5))),
        (Double, &[], None),
        (Varchar, b"", Some(text(""))),
        (Varchar, "ä".as_bytes(), Some(text("ä"))),
        (Varchar, &[b'a', 0xff], Some(text("a\u{fffd}"))),
        (Bytes, &[0, 255], Some(Value::Bytes(vec![0, 255]))),
    ] {
        let decoded = decode(&spec(Format::Kafka), Part::Key, &columns(std::slice::from_ref(&ty)), &[Some(bytes), None]);
        assert_eq!(decoded.errors.is_empty(), expected.is_some(), "{ty} {bytes:?}");
        assert_eq!(row(&decoded, 0), [expected.unwrap_or(Value::Null)]);
        assert_eq!(row(&decoded, 1), [Value::Null]);
    }
}

#[test]
fn parts_without_columns_are_ignored() {
    for format in [Format::None, Format::Kafka, Format::Json, Format::Delimited] {
        let decoded = decode(&spec(format), Part::Key, &[], &[Some(b"anything"), None]);
        assert!(decoded.columns.is_empty() && decoded.errors.is_empty());
        assert_eq!(encode(&spec(format), Part::Key, &[], &[vec![]]), [None]);
    }
}

/// Rows and the bytes that are written for them.
#[test]
fn rows_are_written() {
    use SqlType::*;
    let date = SqlType::structure([Field::new("x\"", Date), Field::new("M", SqlType::map(Varchar, Time))]);
    let nested = Value::Struct(vec![Value::Date(3), Value::Map(vec![(text("k"), Value::Time(4)), (text("l"), Value::Null)])]);
    type Case<'a> = (Format, bool, Part, Vec<SqlType>, Vec<Value>, Option<&'a str>);
    let cases: Vec<Case<'_>> = vec![
        (
            Format::Json,
            true,
            Part::Value,
            vec![Integer, Varchar],
            vec![Value::Null, text("a\"\u{1}/ä")],
            Some("{\"A\":null,\"B\":\"a\\\"\\u0001/ä\"}"),
        ),
        (
            Format::Json,
            true,
            Part::Value,
            vec![Double, Double],
            vec![Value::Double(1e10), Value::Double(f64::NAN)],
            Some(r#"{"A":1.0E10,"B":"NaN"}"#),
        ),
        (Format::Json, true, Part::Value, vec![SqlType::decimal(9, 7)], vec![decimal(-1, 7)], Some(r#"{"A":-0.0000001}"#)),
        (
            Format::Json,
            true,
            Part::Value,
            vec![Bytes, Timestamp],
            vec![Value::Bytes(b"a".into()), Value::Timestamp(-5)],
            Some(r#"{"A":"YQ==","B":-5}"#),
        ),
        (
            Format::Json,
            true,
            Part::Value,
            vec![date.clone()],
            vec![nested.clone()],
            Some(r#"{"A":{"x\"":3,"M":{"k":4,"l":null}}}"#),
        ),
        (Format::Json, false, Part::Value, vec![date], vec![nested], Some(r#"{"x\"":3,"M":{"k":4,"l":null}}"#)),
        (Format::Json, true, Part::Value, vec![Integer], vec![Value::Null], Some(r#"{"A":null}"#)),
        (Format::Json, false, Part::Value, vec![Integer], vec![Value::Null], None),
        (Format::Json, true, Part::Value, vec![], vec![], Some("{}")),
        (Format::Json, true, Part::Key, vec![Varchar], vec![text("k")], Some("\"k\"")),
        (Format::Json, true, Part::Key, vec![Varchar], vec![Value::Null], None),
        (
            Format::Json,
            true,
            Part::Key,
            vec![Integer, Integer],
            vec![Value::Integer(1), Value::Null],
            Some(r#"{"A":1,"B":null}"#),
        ),
        (Format::Json, true, Part::Key, vec![Integer, Integer], vec![Value::Null, Value::Null], None),
        (
            Format::Delimited,
            true,
            Part::Value,
            vec![Integer, Integer],
            vec![Value::Integer(-1), Value::Integer(-2)],
            Some("\"-1\",-2"),
        ),
        (
            Format::Delimited,
            true,
            Part::Value,
            vec![Varchar, Varchar],
            vec![text("a,b"), text("c\"d")],
            Some("\"a,b\",\"c\"\"d\""),
        ),
        (Format::Delimited, true, Part::Value, vec![Varchar, Varchar], vec![text(""), text("")], Some("\"\",")),
        (Format::Delimited, true, Part::Value, vec![Varchar, Varchar], vec![text("x "), text("!")], Some("\"x \",\"!\"")),
        (
            Format::Delimited,
            true,
            Part::Value,
            vec![SqlType::decimal(6, 2), Boolean, Double],
            vec![Value::Null, Value::Boolean(true), Value::Double(0.5)],
            Some(",true,0.5"),
        ),
        (Format::Delimited, true, Part::Key, vec![Integer, Integer], vec![Value::Null, Value::Null], None),
        (Format::Kafka, true, Part::Key, vec![Integer], vec![Value::Integer(0x61626364)], Some("abcd")),
        (Format::Kafka, true, Part::Key, vec![Varchar], vec![text("")], Some("")),
        (Format::Kafka, true, Part::Value, vec![Double], vec![Value::Null], None),
    ];
    for (format, wrap_single, part, types, values, expected) in cases {
        let spec = calzone_formats::FormatSpec { wrap_single, ..spec(format) };
        let written = encode(&spec, part, &columns(&types), std::slice::from_ref(&values)).remove(0);
        let written = written.map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(written.as_deref(), expected, "{format:?} {part:?} {values:?}");
    }
}

#[test]
fn answers_show_dates_and_times_as_texts() {
    use SqlType::*;
    for (ty, value, stored, shown) in [
        (Timestamp, Value::Timestamp(1_706_933_106_789), "1706933106789", "\"2024-02-03T04:05:06.789\""),
        (Date, Value::Date(19_756), "19756", "\"2024-02-03\""),
        (Time, Value::Time(14_706_000), "14706000", "\"04:05:06\""),
        (SqlType::decimal(5, 2), decimal(150, 2), "1.50", "1.50"),
        (SqlType::array(Date), Value::Array(vec![Value::Date(0), Value::Null]), "[0,null]", "[\"1970-01-01\",null]"),
        (Bytes, Value::Bytes(b"a".into()), "\"YQ==\"", "\"YQ==\""),
    ] {
        let mut out = Vec::new();
        write_value(&value, &ty, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), stored);
        let mut out = Vec::new();
        write_api_value(&value, &ty, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), shown);
        let mut out = Vec::new();
        write_api_cell(&column_from_values(&ty, [&value]), &ty, 0, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), shown);
        let json: serde_json::Value = serde_json::from_str(shown).unwrap();
        assert_eq!(value_from_json(&json, &ty), Ok(value.clone()));
        let json: serde_json::Value = serde_json::from_str(stored).unwrap();
        assert_eq!(value_from_json(&json, &ty), Ok(value));
    }
    assert!(value_from_json(&serde_json::json!({}), &Integer).is_err());
    let map = SqlType::map(Integer, Varchar);
    let mut out = Vec::new();
    write_api_value(&Value::Map(vec![(Value::Integer(1), text("x"))]), &map, &mut out);
    assert_eq!(out, br#"{"1":"x"}"#);
}

/// The remembered shape of records must not change what is found.
#[test]
fn records_of_different_shapes_are_read_alike() {
    let columns = columns(&[SqlType::Integer, SqlType::Integer, SqlType::Integer]);
    let records =
        [r#"{"A":1,"B":2,"C":3}"#, r#"{"C":3,"B":2,"A":1}"#, r#"{"x":0,"A":1,"b":2,"c":3}"#, r#"{"\u0041":1,"B":2,"":0,"C":3}"#];
    let mut decoder = Decoder::new(&spec(Format::Json), Part::Value, &columns, &[true; 3]).unwrap();
    for _ in 0..3 {
        let decoded = decoder.decode_slices(records.iter().map(|record| Some(record.as_bytes())));
        for (at, record) in records.iter().enumerate() {
            assert_eq!(row(&decoded, at), [1, 2, 3].map(Value::Integer), "{record}");
        }
    }
}
