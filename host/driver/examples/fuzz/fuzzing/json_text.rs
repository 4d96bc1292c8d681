//! JSON that suits a type, nearly suits it, or does not.

use calzone_types::SqlType;

use super::random::Random;

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "7",
    "42",
    "-3",
    "2147483647",
    "-2147483648",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "0.5",
    "-1.25",
    "1e3",
    "1E-3",
    "1.0",
    "1e400",
    "1e-400",
    "123456789.987654321",
    "99999999.99",
    "-99999999.99",
    "100000000.00",
    "12345678901234567890123456789012345678",
    "1e999999999",
    "3.0000000000000004",
    "1e15",
    "-1e18",
    "1e19",
    "86399999",
    "86400000",
    "253402300800000",
    "-62135596800001",
    "2932896",
    "-719163",
    "0.005",
    "-0.0",
];
const TEXTS: &[&str] = &[
    "\"\"",
    "\"a\"",
    "\"abc\"",
    "\"ä\"",
    "\"\u{1F355}\"",
    "\"\\ud83c\\udf55\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"\\n\\\"\\\\\"",
    "\"1\"",
    "\"-2.50\"",
    "\"true\"",
    "\"null\"",
    "\"NaN\"",
    "\" 7 \"",
    "\"1e2\"",
    "\"2020-01-02\"",
    "\"12:34:56.789\"",
    "\"2020-01-02T03:04:05.006\"",
    "\"2020-02-30\"",
    "\"AQID\"",
    "\"AQ==\"",
    "\"=\"",
    "\"{\\\"a\\\":[1,2]}\"",
    "\"[1,\\\"x\\\"]\"",
    "\"https://user@host:80/p/q?a=b&c=%20#f\"",
    "\"a,b,,c\"",
    "\"Straße İı\"",
    "\"UTC\"",
    "\"yyyy-MM-dd\"",
    "\"(a+)+$\"",
    "\"$.a[0]\"",
];
const BLANKS: &[&str] = &["", "", "", "", " ", "\n", "\t "];

/// A value of the type, mostly.
pub fn value(random: &mut Random, ty: &SqlType, depth: usize) -> String {
    if random.once_in(12) {
        return "null".into();
    }
    if random.once_in(25) {
        return anything(random, depth);
    }
    match ty {
        SqlType::Boolean => random.pick(&["true", "false"]).into(),
        SqlType::Integer | SqlType::Bigint | SqlType::Date | SqlType::Time | SqlType::Timestamp => match random.below(3) {
            0 => (random.next() as i64 >> random.below(64)).to_string(),
            1 => random.below(100).to_string(),
            _ => random.pick(NUMBERS).into(),
        },
        SqlType::Double => match random.below(3) {
            0 => format!("{:?}", f64::from_bits(random.next())).replace("inf", "0").replace("NaN", "0").replace("-0e", "0e"),
            _ => random.pick(NUMBERS).into(),
        },
        SqlType::Decimal { .. } => match random.below(3) {
            0 => format!("{}.{:02}", random.below(1_000_000), random.below(100)),
            _ => random.pick(NUMBERS).into(),
        },
        SqlType::Varchar => random.pick(TEXTS).into(),
        SqlType::Bytes => {
            random.pick(&["\"\"", "\"AQID\"", "\"AAECAwQFBgc=\"", "\"AAAAAQ==\"", "\"not base64\"", "\"/+8=\""]).into()
        }
        SqlType::Array(element) => {
            let items: Vec<String> = (0..random.below(4)).map(|_| value(random, element, depth + 1)).collect();
            list(random, '[', items, ']')
        }
        SqlType::Map(key, of) => {
            let entries = (0..random.below(4)).map(|_| {
                let key = match **key {
                    SqlType::Varchar => random.pick(TEXTS).to_owned(),
                    _ => format!("\"{}\"", value(random, key, depth + 1).replace('"', "")),
                };
                format!("{key}:{}", value(random, of, depth + 1))
            });
            let entries: Vec<String> = entries.collect();
            list(random, '{', entries, '}')
        }
        SqlType::Struct(fields) => {
            let mut entries = Vec::new();
            for field in fields.iter() {
                if random.once_in(8) {
                    continue;
                }
                let name = match random.below(6) {
                    0 => field.name.to_lowercase(),
                    1 => format!(
                        "\\u{:04x}{}",
                        field.name.chars().next().map_or(65, |c| c as u32 & 0xffff),
                        field.name.get(1..).unwrap_or_default()
                    ),
                    _ => field.name.to_string(),
                };
                entries.push(format!("\"{name}\":{}", value(random, &field.ty, depth + 1)));
            }
            if random.once_in(8) {
                entries.push(format!("\"extra\":{}", anything(random, depth)));
            }
            if entries.len() > 1 && random.once_in(4) {
                let (a, b) = (random.below(entries.len()), random.below(entries.len()));
                entries.swap(a, b);
                if random.once_in(3) {
                    entries.push(entries[a].clone());
                }
            }
            list(random, '{', entries, '}')
        }
    }
}

fn list(random: &mut Random, open: char, items: Vec<String>, close: char) -> String {
    let (before, after) = (random.pick(BLANKS), random.pick(BLANKS));
    format!("{open}{before}{}{after}{close}", items.join(&format!("{after},{before}")))
}

/// JSON of no type in particular.
fn anything(random: &mut Random, depth: usize) -> String {
    match random.below(if depth > 4 { 4 } else { 7 }) {
        0 => random.pick(NUMBERS).into(),
        1 => random.pick(TEXTS).into(),
        2 => random.pick(&["true", "false", "null", "NaN", "-Infinity", "{}", "[]"]).into(),
        3 => {
            let deep = random.below(200);
            "[".repeat(deep) + &"]".repeat(deep)
        }
        4 => format!("[{}]", anything(random, depth + 1)),
        5 => format!("{{\"a\":{},\"A\":{}}}", anything(random, depth + 1), anything(random, depth + 1)),
        _ => format!("[{},{}]", anything(random, depth + 1), anything(random, depth + 1)),
    }
}

/// A text for a field of a delimited record.
pub fn field(random: &mut Random, ty: &SqlType) -> String {
    let text = value(random, ty, 3);
    let plain = text.trim_matches('"').to_owned();
    match random.below(8) {
        0 => format!("\"{}\"", plain.replace('"', "\"\"")),
        1 => format!(" {plain} "),
        2 => text,
        3 => String::new(),
        _ => plain,
    }
}
