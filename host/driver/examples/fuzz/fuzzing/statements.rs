//! Scripts against a small catalog: nothing panics, and what queries write does not depend on how records lie together.

use std::sync::Arc;

use calzone_driver::driver::{Driver, Record, Session};
use calzone_driver::{Plugins, qtt};
use calzone_types::{Field, SqlType};

use super::corpus::{mutate, statements};
use super::random::Random;
use super::sql_text::{Author, Names};
use super::{Input, Target, json_text};

/// What is there before.
const CATALOG: &str = "\
    CREATE TYPE PLACE AS STRUCT<X INT, Y VARCHAR>;
    CREATE STREAM S1 (K INT KEY, A INT, B VARCHAR, D DOUBLE, P PLACE) WITH (KAFKA_TOPIC='s1', PARTITIONS=1, FORMAT='JSON');
    CREATE STREAM S2 (K INT KEY, A INT, B VARCHAR, L ARRAY<INT>) WITH (KAFKA_TOPIC='s2', PARTITIONS=1, FORMAT='JSON');
    CREATE TABLE T1 (K INT PRIMARY KEY, A INT, B VARCHAR, D DOUBLE) WITH (KAFKA_TOPIC='t1', PARTITIONS=1, FORMAT='JSON');
    CREATE TABLE T2 (K INT PRIMARY KEY, A INT, B VARCHAR, M MAP<VARCHAR, INT>) WITH (KAFKA_TOPIC='t2', PARTITIONS=1, FORMAT='JSON');
    CREATE TABLE C1 AS SELECT K, COUNT(*) AS N, SUM(A) AS A FROM S1 GROUP BY K;
    CREATE TABLE W1 AS SELECT K, COUNT(*) AS N FROM S2 WINDOW TUMBLING (SIZE 2 SECONDS) GROUP BY K;
    ";
const TOPICS: [&str; 4] = ["s1", "s2", "t1", "t2"];
const SOURCES: &[&str] = &["S1", "S2", "T1", "T2", "C1", "W1", "O0", "O1"];

/// Statements, one a part; then records: the number of the topic, the key, and a value or nothing.
pub struct Scripts {
    plugins: Arc<Plugins>,
    corpus: Vec<&'static str>,
    value: SqlType,
}

impl Scripts {
    pub fn new() -> Scripts {
        use SqlType::*;
        let place = SqlType::structure([Field::new("X", Integer), Field::new("Y", Varchar)]);
        let (list, map) = (SqlType::array(Integer), SqlType::map(Varchar, Integer));
        let fields = [("A", Integer), ("B", Varchar), ("D", Double), ("P", place), ("L", list), ("M", map)];
        let value = SqlType::structure(fields.map(|(name, ty)| Field::new(name, ty)));
        Scripts { plugins: Arc::new(Plugins::none()), corpus: statements(), value }
    }

    fn run(&self, script: &[&str], records: &[(String, Record)], size: usize) -> Outcome {
        let mut driver = Driver::new(self.plugins.clone(), qtt::server_properties(), size);
        let mut session = Session::default();
        let mut outcome = Outcome::default();
        let before: Vec<_> = driver.parse(CATALOG, &session).expect("the catalog is SQL");
        before.iter().for_each(|parsed| drop(driver.execute(parsed, &mut session)));
        for text in script {
            match driver.parse(text, &session) {
                Err(error) => outcome.answers.push(error.message),
                Ok(parsed) => {
                    for parsed in parsed {
                        let answer = match &parsed.statement {
                            calzone_sql::ast::Statement::Query(query) => {
                                driver.select(query, &session, &parsed.text).map(|rows| format!("{:?}", rows.schema))
                            }
                            _ => driver.execute(&parsed, &mut session).map(|executed| format!("{executed:?}")),
                        };
                        outcome.accepted |= answer.is_ok();
                        outcome.answers.push(answer.unwrap_or_else(|error| error.message));
                    }
                }
            }
        }
        outcome.ran = qtt::run_queries(&mut driver, records).map_err(|error| error.message).err();
        if outcome.ran.is_none() {
            let names: Vec<String> = driver.topics.names().map(str::to_owned).collect();
            outcome.topics = names.into_iter().map(|name| (driver.topics.records(&name).to_vec(), name)).collect();
        }
        outcome
    }
}

#[derive(Default, PartialEq)]
struct Outcome {
    accepted: bool,
    answers: Vec<String>,
    ran: Option<String>,
    topics: Vec<(Vec<Record>, String)>,
}

impl Target for Scripts {
    fn name(&self) -> &'static str {
        "statements"
    }

    fn generate(&self, random: &mut Random) -> Input {
        let mut script = Vec::new();
        for number in 0..random.below(3) + 1 {
            let text = match random.below(6) {
                0 => with_our_names(random, &self.corpus),
                1 => {
                    let text = statement(random, number);
                    mutate(random, &text, &self.corpus)
                }
                _ => statement(random, number),
            };
            script.push(text);
        }
        let mut input = vec![script.join("\n").into_bytes()];
        for _ in 0..random.below(10) {
            let value = if random.once_in(6) { String::new() } else { json_text::value(random, &self.value, 0) };
            input.push(format!("{}{}{value}", random.below(TOPICS.len()), random.below(3)).into_bytes());
        }
        input
    }

    fn check(&self, input: &Input) -> Result<bool, String> {
        let text = String::from_utf8_lossy(&input[0]);
        let script: Vec<&str> = calzone_sql::split_statements(&text).collect();
        let record = |(i, bytes): (usize, &Vec<u8>)| {
            let (Some(topic), Some(key)) = (bytes.first(), bytes.get(1)) else { return None };
            let topic = TOPICS.get(usize::from(topic.wrapping_sub(b'0')))?;
            let value = bytes.get(2..).filter(|value| !value.is_empty()).map(<[u8]>::to_vec);
            Some((topic.to_string(), Record { key: Some(vec![*key]), value, timestamp: i as i64 * 700, headers: Vec::new() }))
        };
        let records: Vec<(String, Record)> = input[1..].iter().enumerate().filter_map(record).collect();
        let alone = self.run(&script, &records, 1);
        if alone.answers.iter().any(String::is_empty) {
            return Err("an error without a word".into());
        }
        let together = self.run(&script, &records, 64);
        if alone.answers != together.answers {
            return Err(format!("answers differ: {:?} {:?}", alone.answers, together.answers));
        }
        if alone.ran != together.ran {
            return Err(format!("only one batch size fails: {:?} {:?}", alone.ran, together.ran));
        }
        if let Some((a, b)) = alone.topics.iter().zip(&together.topics).find(|(a, b)| a != b) {
            return Err(format!("topics differ between batch sizes: {a:?}\n{b:?}"));
        }
        Ok(alone.accepted)
    }
}

/// A statement of the corpus about our sources.
fn with_our_names(random: &mut Random, corpus: &[&str]) -> String {
    let text = random.pick(corpus).to_owned();
    let words = ["pizza", "menu", "big", "a", "b", "orders", "sent", "seen", "clicks"];
    let mut out = String::new();
    for word in text.split_inclusive(' ') {
        match words.contains(&word.trim_end_matches([' ', ';', ',', ')'])) {
            true if random.once_in(2) => {
                out += random.pick(SOURCES);
                out += &word[word.trim_end_matches([' ', ';', ',', ')']).len()..];
            }
            _ => out += word,
        }
    }
    out
}

/// A statement that mostly makes sense.
fn statement(random: &mut Random, number: usize) -> String {
    match random.below(10) {
        0 => format!("INSERT INTO {} {};", random.pick(SOURCES), select(random)),
        1 => {
            let names = names(&[("", "S1")]);
            let source = random.pick(SOURCES);
            let mut author = Author::over(random, Vec::new());
            let values: Vec<String> = names.iter().take(3).map(|(_, ty)| author.of_type(ty, 3)).collect();
            format!("INSERT INTO {source} (K, A, B) VALUES ({});", values.join(", "))
        }
        2 => format!("{};", select(random)),
        3 => {
            let source = random.pick(SOURCES);
            let others = [
                format!("DROP STREAM IF EXISTS {source};"),
                format!("ALTER STREAM {source} ADD COLUMN Q INT;"),
                format!("DROP TABLE {source} DELETE TOPIC;"),
                format!("CREATE OR REPLACE STREAM {source} (K INT KEY, A BIGINT) WITH (KAFKA_TOPIC='s1', FORMAT='JSON');"),
                format!(
                    "CREATE STREAM O{number} (K INT KEY, A INT) WITH (KAFKA_TOPIC='o{number}', VALUE_FORMAT='DELIMITED', PARTITIONS=1);"
                ),
                "TERMINATE ALL;".to_owned(),
                format!(
                    "CREATE OR REPLACE TABLE C1 AS SELECT K, COUNT(*) AS N, SUM(A) AS A FROM S1 WHERE A > {} GROUP BY K;",
                    random.below(9)
                ),
            ];
            others[random.below(others.len())].clone()
        }
        _ => {
            let kind = random.pick(&["STREAM", "TABLE"]);
            let with = random.pick(&[
                "",
                "",
                "",
                " WITH (VALUE_FORMAT='DELIMITED')",
                " WITH (FORMAT='KAFKA')",
                " WITH (KEY_FORMAT='DELIMITED', PARTITIONS=1)",
            ]);
            format!("CREATE {kind} O{number}{with} AS {};", select(random))
        }
    }
}

/// Columns of sources under their aliases.
fn names(sources: &[(&str, &str)]) -> Names {
    let mut all = Vec::new();
    for (alias, source) in sources {
        let mut add =
            |name: &str, ty: SqlType| all.push((if alias.is_empty() { name.to_owned() } else { format!("{alias}.{name}") }, ty));
        add("K", SqlType::Integer);
        add("A", SqlType::Integer);
        match *source {
            "C1" | "W1" => add("N", SqlType::Bigint),
            "S1" | "T1" => {
                add("B", SqlType::Varchar);
                add("D", SqlType::Double);
            }
            "S2" => {
                add("B", SqlType::Varchar);
                add("L", SqlType::array(SqlType::Integer));
            }
            _ => add("B", SqlType::Varchar),
        }
        add("ROWTIME", SqlType::Bigint);
    }
    all
}

fn select(random: &mut Random) -> String {
    let first = random.pick(SOURCES);
    let joined = random.once_in(3);
    let mut sources = vec![(if joined { "X" } else { "" }, first)];
    let mut from = format!("{first}{}", if joined { " X" } else { "" });
    if joined {
        let aliases: &[&str] = if random.once_in(4) { &["Y", "Z"] } else { &["Y"] };
        for alias in aliases {
            let other = random.pick(SOURCES);
            let kind = random.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL OUTER JOIN"]);
            let within = match (first.starts_with('S') && other.starts_with('S'), random.below(8)) {
                (true, 0) | (false, 1) => " WITHIN (1 SECOND, 3 SECONDS) GRACE PERIOD 1 SECOND",
                (true, 2..) => " WITHIN 2 SECONDS",
                _ => "",
            };
            let on =
                random.pick(&["X.K = #.K", "X.K = #.K", "X.A = #.K", "X.A = #.A", "X.K = #.K + 1", "X.B = #.B", "X.A->X = #.K"]);
            from += &format!(" {kind} {other} {alias}{within} ON {}", on.replace('#', alias));
            sources.push((alias, other));
        }
    }
    let names = names(&sources);
    let key = names[0].0.clone();
    let mut author = Author::over(random, names);
    let condition = author.of_type(&SqlType::Boolean, 3);
    let (one, two) = (author.expression(), author.expression());
    let (total, other) = (author.aggregate(), author.aggregate());
    let grouping = author.of_type(&SqlType::Integer, 3);
    let filter = if random.once_in(3) { format!(" WHERE {condition}") } else { String::new() };
    let emit = random.pick(&["", "", " EMIT CHANGES", " EMIT CHANGES", " EMIT FINAL", " EMIT CHANGES LIMIT 2"]);
    match random.below(6) {
        0 | 1 => {
            let window = random.pick(&[
                "",
                "",
                "",
                " WINDOW TUMBLING (SIZE 1 SECOND)",
                " WINDOW TUMBLING (SIZE 2 SECONDS, GRACE PERIOD 1 SECOND)",
                " WINDOW HOPPING (SIZE 3 SECONDS, ADVANCE BY 1 SECOND)",
                " WINDOW SESSION (1 SECOND)",
                " WINDOW SESSION (2 SECONDS, GRACE PERIOD 0 SECONDS)",
            ]);
            let having = if random.once_in(4) { " HAVING COUNT(*) > 1" } else { "" };
            let bounds = if random.once_in(4) { ", WINDOWSTART AS WS, WINDOWEND AS WE" } else { "" };
            let (item, by) = match random.below(3) {
                0 => (format!("{grouping} AS G"), grouping),
                1 => (format!("{key}, AS_VALUE({key}) AS KV"), key),
                _ => (key.clone(), key),
            };
            format!("SELECT {item}, {total} AS R1, {other} AS R2{bounds} FROM {from}{window}{filter} GROUP BY {by}{having}{emit}")
        }
        2 => format!("SELECT {grouping} AS G, {one} AS R FROM {from}{filter} PARTITION BY {grouping}{emit}"),
        3 => format!("SELECT * FROM {from}{filter}{emit}"),
        4 => format!("SELECT {key}, {one} AS R1, {two} AS R2 FROM {from}{filter}{emit}"),
        _ => format!("SELECT {key}, EXPLODE({one}) AS R FROM {from}{filter}{emit}"),
    }
}
