//! Values of every type there and back, overloads, errors of rows, settings.

use calzone_functions::{Argument, FunctionDefinition, Implementation, Scalar};
use calzone_sandbox::{Grants, Limits, SandboxError};
use calzone_types::{Decimal, Field, Origin, SqlType, Value, column_from_values, value_at};

use crate::{ALL, binding, call, function, load};

const BATCHES: [usize; 4] = [1, 7, 1_000, 4_096];

fn every_type() -> Vec<(SqlType, Vec<Value>)> {
    let text = |s: &str| Value::Varchar(s.to_owned());
    let address =
        SqlType::structure([Field::new("STREET", SqlType::Varchar), Field::new("numbers", SqlType::array(SqlType::Integer))]);
    vec![
        (SqlType::Boolean, vec![Value::Boolean(true), Value::Boolean(false)]),
        (SqlType::Integer, vec![Value::Integer(i32::MIN), Value::Integer(0), Value::Integer(i32::MAX)]),
        (SqlType::Bigint, vec![Value::Bigint(i64::MIN), Value::Bigint(-1), Value::Bigint(i64::MAX)]),
        (SqlType::Double, vec![Value::Double(f64::MIN), Value::Double(-0.5), Value::Double(f64::INFINITY)]),
        (SqlType::decimal(10, 2), vec![Value::Decimal(Decimal::new(9_999_999_999, 2)), Value::Decimal(Decimal::new(-1, 2))]),
        (SqlType::decimal(38, 0), vec![Value::Decimal(Decimal::new(10i128.pow(38) - 1, 0))]),
        (SqlType::Varchar, vec![text(""), text("plain"), text("größe 🍕")]),
        (SqlType::Bytes, vec![Value::Bytes(vec![]), Value::Bytes(vec![0, 255, 7])]),
        (SqlType::Date, vec![Value::Date(-1), Value::Date(20_000)]),
        (SqlType::Time, vec![Value::Time(0), Value::Time(86_399_999)]),
        (SqlType::Timestamp, vec![Value::Timestamp(-1), Value::Timestamp(1_700_000_000_000)]),
        (
            SqlType::array(SqlType::Varchar),
            vec![Value::Array(vec![]), Value::Array(vec![text("a"), Value::Null, text("")]), Value::Array(vec![Value::Null])],
        ),
        (
            SqlType::map(SqlType::Varchar, SqlType::Bigint),
            vec![Value::Map(vec![]), Value::Map(vec![(text("a"), Value::Bigint(1)), (text("b"), Value::Null)])],
        ),
        (
            SqlType::map(SqlType::Integer, SqlType::array(address.clone())),
            vec![Value::Map(vec![(
                Value::Integer(1),
                Value::Array(vec![
                    Value::Struct(vec![text("x"), Value::Array(vec![Value::Integer(1), Value::Null])]),
                    Value::Null,
                    Value::Struct(vec![Value::Null, Value::Null]),
                ]),
            )])],
        ),
        (address, vec![Value::Struct(vec![text("s"), Value::Array(vec![Value::Integer(4)])])]),
        (SqlType::structure([]), vec![Value::Struct(vec![])]),
        (
            SqlType::array(SqlType::array(SqlType::Boolean)),
            vec![Value::Array(vec![Value::Array(vec![Value::Boolean(true)]), Value::Null])],
        ),
    ]
}

#[test]
fn every_type_goes_there_and_back() {
    let component = load("every-type");
    for (ty, values) in every_type() {
        let rows: Vec<Value> = (0..50).map(|i| if i % 4 == 3 { Value::Null } else { values[i % values.len()].clone() }).collect();
        for batch in BATCHES {
            let mut same = function(&component, "same", std::slice::from_ref(&ty), ty.clone());
            let (back, errors) = call(&mut same, &[(ty.clone(), rows.clone())], batch);
            assert_eq!(errors, [], "{ty}");
            assert_eq!(back, rows, "{ty}");
        }
    }
}

#[test]
fn native_rust_types_go_there_and_back() {
    let component = load("every-type");
    for (ty, values) in every_type() {
        let name = match &ty {
            SqlType::Decimal { precision: 10, .. } => "same_decimal".to_owned(),
            SqlType::Array(element) if **element == SqlType::Varchar => "same_array".to_owned(),
            SqlType::Map(key, value) if **key == SqlType::Varchar && **value == SqlType::Bigint => "same_map".to_owned(),
            SqlType::Boolean | SqlType::Integer | SqlType::Bigint | SqlType::Double | SqlType::Bytes => {
                format!("same_{}", ty.base_name())
            }
            SqlType::Date | SqlType::Time | SqlType::Timestamp => format!("same_{}", ty.base_name()),
            _ => continue,
        };
        let rows: Vec<Value> = (0..20).map(|i| if i % 4 == 3 { Value::Null } else { values[i % values.len()].clone() }).collect();
        let mut same = function(&component, &name, std::slice::from_ref(&ty), ty.clone());
        assert_eq!(call(&mut same, &[(ty.clone(), rows.clone())], 7), (rows, vec![]), "{name}");
    }
}

#[test]
fn masks_texts_at_any_batch_size() {
    let component = load("mask");
    let rows: Vec<Value> =
        (0..1_024).map(|i| if i % 10 == 9 { Value::Null } else { Value::Varchar(format!("Pizza-{i} für Ada")) }).collect();
    let wanted: Vec<Value> = rows
        .iter()
        .map(|v| {
            let masked = |c: char| match c {
                'A' | 'P' => 'X',
                '0'..='9' => 'n',
                c if c.is_alphabetic() => 'x',
                c => c,
            };
            v.as_str().map_or(Value::Null, |s| Value::Varchar(s.chars().map(masked).collect()))
        })
        .collect();
    let mut mask = function(&component, "mask", &[SqlType::Varchar], SqlType::Varchar);
    for batch in BATCHES {
        assert_eq!(call(&mut mask, &[(SqlType::Varchar, rows.clone())], batch), (wanted.clone(), vec![]));
    }
    assert!(mask.guest_nanos() > 0);
}

#[test]
fn an_error_belongs_to_its_row() {
    let component = load("mask");
    let mut mask = function(&component, "MASK", &[SqlType::Varchar, SqlType::Integer], SqlType::Varchar);
    let texts = vec![Value::Varchar("1234-5678".to_owned()); 3];
    let keep = vec![Value::Integer(4), Value::Integer(-1), Value::Integer(0)];
    for batch in BATCHES {
        let (values, errors) = call(&mut mask, &[(SqlType::Varchar, texts.clone()), (SqlType::Integer, keep.clone())], batch);
        assert_eq!(values, [Value::from("nnnn-5678"), Value::Null, Value::from("nnnn-nnnn")]);
        assert_eq!(errors, [(1, "`keep` must not be negative, it is -1".to_owned())]);
    }
}

#[test]
fn variadic_parameters() {
    let component = load("mask");
    for count in 0..4 {
        let mut all = function(&component, "mask_all", &vec![SqlType::Varchar; count + 1], SqlType::Varchar);
        let columns: Vec<_> =
            (0..=count).map(|i| (SqlType::Varchar, vec![if i == 0 { "/".into() } else { Value::from("a1") }])).collect();
        assert_eq!(call(&mut all, &columns, 1).0, [Value::Varchar(vec!["xn"; count].join("/"))]);
    }
}

#[test]
fn settings_and_computed_types() {
    let component = load("every-type");
    let mut with_settings = binding(&[SqlType::Varchar], SqlType::Varchar);
    with_settings.properties.insert("greeting".to_owned(), "ahoy".to_owned());
    let mut setting = component.instantiate_scalar("setting", &with_settings, &ALL).unwrap();
    let rows = vec![Value::from("greeting"), Value::from("other")];
    assert_eq!(call(&mut setting, &[(SqlType::Varchar, rows)], 2).0, [Value::from("ahoy"), Value::Null]);

    let bigint = (Some(SqlType::Bigint), None);
    assert_eq!(component.return_type("pair", 0, &[bigint.clone(), bigint.clone()]), Ok(SqlType::array(SqlType::Bigint)));
    let refused = component.return_type("pair", 0, &[bigint, (None, Some("x".to_owned()))]);
    assert!(matches!(refused, Err(SandboxError::Unusable(text)) if text.contains("same type")));
    let mut pair = function(&component, "pair", &[SqlType::Bigint, SqlType::Bigint], SqlType::array(SqlType::Bigint));
    let column = |v| (SqlType::Bigint, vec![Value::Bigint(v)]);
    assert_eq!(call(&mut pair, &[column(1), column(2)], 1).0, [Value::Array(vec![Value::Bigint(1), Value::Bigint(2)])]);
}

#[test]
fn describes_itself() {
    let component = load("mask");
    assert_eq!(component.description.functions.len(), 2);
    assert_eq!(component.description.version, "0.1.0");
    assert_eq!(component.imports, ["calzone:plugin/fault@1.0.0"]);
    let FunctionDefinition::Scalar(definition) = component.function_definition("hide", "mask").unwrap() else {
        panic!("a scalar")
    };
    assert_eq!((definition.name.as_str(), definition.overloads.len()), ("MASK", 2));
    assert_eq!(definition.description, "Replaces letters by `x` or `X` and digits by `n`.");
    let Implementation::Plugin { plugin, function } = &definition.overloads[0].implementation else { panic!("not a plugin") };
    assert_eq!((&**plugin, &**function), ("hide", "mask"));
    assert!(
        component.function_definition("hide", "unmask").err().is_some_and(|e| e.to_string().contains("it has mask, mask_all"))
    );
    let wrong = component.instantiate_scalar("mask", &binding(&[SqlType::Bigint], SqlType::Varchar), &ALL);
    assert!(wrong.err().is_some_and(|e| e.to_string().contains("has no signature (BIGINT) -> STRING")));
}

#[test]
fn what_is_imported_must_be_granted() {
    let component = load("every-type");
    let refused = component.instantiate_scalar("dice", &binding(&[SqlType::Bigint], SqlType::Bigint), &Grants::default());
    let Err(error @ SandboxError::NotGranted { .. }) = refused else { panic!("not refused") };
    assert_eq!(
        error.to_string(),
        "the component imports `calzone:plugin/random@1.0.0`, which is not granted: add RANDOM to GRANT"
    );
}

#[test]
fn capabilities_work_when_granted() {
    let component = load("every-type");
    let mut clock = function(&component, "time_of_day", &[], SqlType::Timestamp);
    let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let evaluated = clock.call(&mut [], 3);
    assert_eq!(evaluated.errors, []);
    let Value::Timestamp(now) = value_at(&evaluated.column, 2) else { panic!("no timestamp") };
    assert!((before..before + 60_000).contains(&now));
    // Lines above the limit are dropped; the rows are not harmed.
    let quiet = component.with_limits(Limits { log_lines: 2, ..Limits::default() });
    let mut tell = function(&quiet, "tell", &[SqlType::Varchar], SqlType::Boolean);
    let lines = vec![Value::from("a line"); 10];
    assert_eq!(call(&mut tell, &[(SqlType::Varchar, lines)], 10), (vec![Value::Boolean(true); 10], vec![]));
    // Functions draw by record, too.
    let mut dice = function(&component, "dice", &[SqlType::Bigint], SqlType::Bigint);
    let bounds = column_from_values(&SqlType::Bigint, &vec![Value::Bigint(1_000_000); 20]);
    let mut draw = |first: i64, len: usize| {
        dice.seed_rows(&Origin { topic: "t".into(), partition: 0, offsets: (first..first + len as i64).collect() });
        let column = dice.call(&mut [Argument::Column(bounds.slice(0, len))], len).column;
        (0..len).map(|r| value_at(&column, r).as_i64().unwrap()).collect::<Vec<_>>()
    };
    let all = draw(100, 20);
    assert_eq!(draw(105, 7), all[5..12]);
    assert_ne!(all[0], all[1]);
}
