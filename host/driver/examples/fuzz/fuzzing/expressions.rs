//! Expressions through planner and operators: nothing panics, and a row alone is what it is among others.

use std::collections::BTreeMap;
use std::sync::Arc;

use calzone_driver::Plugins;
use calzone_driver::driver::{Driver, Executed, Record, Session};
use calzone_driver::qtt;
use calzone_types::{Field, SqlType};

use super::random::Random;
use super::sql_text::{Author, Names};
use super::{Input, Target, json_text};

/// A condition and expressions, then records of the columns.
pub struct Expressions {
    columns: SqlType,
    names: Names,
    source: String,
    plugins: Arc<Plugins>,
}

/// How many records go together the second time.
const BATCH_SIZE: usize = 64;

/// Columns of every type.
pub fn columns() -> Vec<Field> {
    use SqlType::*;
    let inner = SqlType::structure([Field::new("X", Integer), Field::new("Y", SqlType::array(Varchar))]);
    [
        ("B", Boolean),
        ("I", Integer),
        ("J", Integer),
        ("L", Bigint),
        ("D", Double),
        ("N", SqlType::decimal(10, 2)),
        ("W", SqlType::decimal(38, 10)),
        ("V", Varchar),
        ("U", Varchar),
        ("Z", Bytes),
        ("DT", Date),
        ("TM", Time),
        ("TS", Timestamp),
        ("AI", SqlType::array(Integer)),
        ("AV", SqlType::array(Varchar)),
        ("AD", SqlType::array(Double)),
        ("AA", SqlType::array(SqlType::array(Bigint))),
        ("M", SqlType::map(Varchar, Integer)),
        ("MV", SqlType::map(Varchar, Varchar)),
        ("S", inner.clone()),
        ("AS1", SqlType::array(inner)),
    ]
    .map(|(name, ty)| Field::new(name, ty))
    .into()
}

impl Expressions {
    pub fn new() -> Expressions {
        let fields = columns();
        let mut names: Names = fields.iter().map(|field| (format!("`{}`", field.name), field.ty.clone())).collect();
        names.push(("S->X".into(), SqlType::Integer));
        names.push(("AI[1]".into(), SqlType::Integer));
        names.push(("MV['a']".into(), SqlType::Varchar));
        names.push(("ROWTIME".into(), SqlType::Bigint));
        let elements: Vec<String> = fields.iter().map(|field| format!("`{}` {}", field.name, field.ty)).collect();
        let source =
            format!("CREATE STREAM T (K INT KEY, {}) WITH (KAFKA_TOPIC='t', PARTITIONS=1, FORMAT='JSON');", elements.join(", "));
        Expressions { columns: SqlType::structure(fields), names, source, plugins: Arc::new(Plugins::none()) }
    }

    /// What a query makes of records, and what it says of them.
    fn run(&self, query: &str, records: &[(String, Record)], size: usize) -> Result<(Vec<Record>, Vec<String>), Refusal> {
        let mut driver = Driver::new(self.plugins.clone(), BTreeMap::new(), size);
        let mut session = Session::default();
        let text = format!("{}\n{query}", self.source);
        let script = driver.parse(&text, &session).map_err(|error| Refusal::Planned(error.message))?;
        for parsed in script {
            match driver.execute(&parsed, &mut session) {
                Ok(Executed::Done | Executed::Query(_) | Executed::Insert(_)) => {}
                Err(error) => return Err(Refusal::Planned(error.message)),
            }
        }
        qtt::run_queries(&mut driver, records).map_err(|error| Refusal::Ran(error.message))?;
        // What is said of one record is in order; the log is not sorted by record.
        let mut skipped: Vec<_> = driver.skipped.iter().collect();
        skipped.sort_by_key(|error| error.offset);
        let errors = skipped.into_iter().map(|error| format!("{} {:?} {}", error.offset, error.class, error.message)).collect();
        Ok((driver.topics.records("O").to_vec(), errors))
    }
}

enum Refusal {
    Planned(String),
    Ran(String),
}

impl Target for Expressions {
    fn name(&self) -> &'static str {
        "expressions"
    }

    fn generate(&self, random: &mut Random) -> Input {
        let mut author = Author::over(random, self.names.clone());
        let condition = author.of_type(&SqlType::Boolean, 2);
        let first = author.expression();
        let second = author.expression();
        let where_clause = if random.once_in(3) { format!(" WHERE {condition}") } else { String::new() };
        let query = match random.below(4) {
            0 => format!("CREATE STREAM O AS SELECT K, {first} AS R1, {second} AS R2 FROM T{where_clause};"),
            1 if random.once_in(4) => format!("CREATE STREAM O AS SELECT K, EXPLODE({first}) AS R FROM T{where_clause};"),
            _ => format!("CREATE STREAM O AS SELECT K, {first} AS R FROM T{where_clause};"),
        };
        let mut input = vec![query.into_bytes()];
        for _ in 0..random.below(6) + 1 {
            input.push(json_text::value(random, &self.columns, 0).into_bytes());
        }
        input
    }

    fn check(&self, input: &Input) -> Result<bool, String> {
        let query = String::from_utf8_lossy(&input[0]);
        let record = |(i, value): (usize, &Vec<u8>)| {
            let key = Some(i.to_string().into_bytes());
            ("t".to_owned(), Record { key, value: Some(value.clone()), timestamp: i as i64 * 1000, headers: Vec::new() })
        };
        let records: Vec<(String, Record)> = input[1..].iter().enumerate().map(record).collect();
        let together = match self.run(&query, &records, BATCH_SIZE) {
            Ok(together) => together,
            Err(Refusal::Planned(message)) if message.is_empty() => return Err("an error without a word".into()),
            Err(Refusal::Planned(_)) => return Ok(false),
            Err(Refusal::Ran(message)) => return Err(format!("records stopped the query: {message}")),
        };
        match self.run(&query, &records, 1) {
            Ok(alone) if alone.0 != together.0 => {
                let differs = alone.0.iter().zip(&together.0).find(|(a, b)| a != b);
                let text = |record: &Record| String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
                Err(format!("rows differ between batch sizes: {:?}", differs.map(|(a, b)| (text(a), text(b)))))
            }
            Ok(alone) if alone.1 != together.1 => {
                Err(format!("errors differ between batch sizes: {:?} {:?}", alone.1, together.1))
            }
            Ok(_) => Ok(true),
            Err(Refusal::Planned(message) | Refusal::Ran(message)) => Err(format!("fails alone only: {message}")),
        }
    }
}
