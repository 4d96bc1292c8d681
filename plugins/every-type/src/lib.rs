//! Gives back values of every type, so that tests can send every type there and back; and a stage that repeats rows.

use std::collections::BTreeMap;

use calzone_guest::capability::Level;
use calzone_guest::function::{ArgumentType, Call, Evaluated};
use calzone_guest::{
    Date, Decimal, Function, Plan, Random, Row, Rows, Settings, SqlType, Stage, Time, Timestamp, Value, function, log, now,
    plugin,
};

/// Gives back any value, by way of `Value`.
#[function("same(T) -> T")]
fn same(v: Value) -> Value {
    v
}

#[function("same_boolean(boolean) -> boolean")]
fn same_boolean(v: bool) -> bool {
    v
}

#[function("same_integer(integer) -> integer")]
fn same_integer(v: i32) -> i32 {
    v
}

#[function("same_bigint(bigint) -> bigint")]
fn same_bigint(v: i64) -> i64 {
    v
}

#[function("same_double(double) -> double")]
fn same_double(v: f64) -> f64 {
    v
}

#[function("same_decimal(decimal(10, 2)) -> decimal(10, 2)")]
fn same_decimal(v: Decimal) -> Decimal {
    v
}

#[function("same_bytes(bytes) -> bytes")]
fn same_bytes(v: Vec<u8>) -> Vec<u8> {
    v
}

#[function("same_date(date) -> date")]
fn same_date(v: Date) -> Date {
    v
}

#[function("same_time(time) -> time")]
fn same_time(v: Time) -> Time {
    v
}

#[function("same_timestamp(timestamp) -> timestamp")]
fn same_timestamp(v: Timestamp) -> Timestamp {
    v
}

#[function("same_array(array<varchar>) -> array<varchar>")]
fn same_array(v: Vec<Option<String>>) -> Vec<Option<String>> {
    v
}

#[function("same_map(map<varchar, bigint>) -> map<varchar, bigint>")]
fn same_map(v: BTreeMap<String, Option<i64>>) -> BTreeMap<String, Option<i64>> {
    v
}

/// Gives back a column without looking at its values: what the boundary alone costs.
mod boundary {
    use super::*;

    pub const FUNCTION: Function = Function {
        signature: "boundary(bigint) -> bigint",
        doc: "Gives back a column without looking at its values.",
        bind: |_| {
            let call: Call = Box::new(|_, columns| Ok(Evaluated { columns: columns.to_vec(), errors: Vec::new() }));
            Ok(call)
        },
        return_type: None,
    };
}

/// What the setting `greeting` says.
#[function("setting(varchar) -> varchar")]
fn setting(key: &str, settings: &Settings) -> Option<String> {
    settings.get(key).map(str::to_owned)
}

/// A random number.
#[function("dice(bigint) -> bigint")]
fn dice(bound: i64, random: &mut Random) -> i64 {
    random.below(bound as usize) as i64
}

/// Writes a line to the log.
#[function("tell(varchar) -> boolean")]
fn tell(line: &str) -> bool {
    log(Level::Info, line);
    true
}

/// The time of day.
#[function("time_of_day() -> timestamp")]
fn time_of_day() -> Timestamp {
    Timestamp(now())
}

/// An array of what it is given.
#[function("pair(any, any) -> computed", return_type = type_of_pair)]
fn pair(a: Value, b: Value) -> Value {
    Value::Array(vec![a, b])
}

fn type_of_pair(arguments: &[ArgumentType]) -> Result<SqlType, String> {
    match arguments {
        [a, b] if a.ty == b.ty => a.ty.clone().map(|ty| SqlType::Array(Box::new(ty))).ok_or_else(|| "both are NULL".to_owned()),
        _ => Err("both arguments must have the same type".to_owned()),
    }
}

/// Gives each row as often as its column N says, numbered; fails where N is negative, traps where it is -13.
struct Repeat {
    later_ms: i64,
}

impl Stage for Repeat {
    const NAME: &'static str = "repeat";
    const DOC: &'static str = "Gives each row as often as its column N says, numbered.";

    fn open(settings: &Settings, plan: &mut Plan) -> Result<Repeat, String> {
        match plan.read("N")? {
            SqlType::Bigint => {}
            other => return Err(format!("column N must be a BIGINT, it is {other}")),
        }
        plan.read_timestamps();
        plan.read_headers();
        plan.set("COPY", SqlType::Bigint);
        plan.drop("N");
        Ok(Repeat { later_ms: settings.parse("later_ms", 0)? })
    }

    fn row(&mut self, row: &Row<'_>, rows: &mut Rows) -> Result<(), String> {
        let Value::Bigint(n) = row.value(0) else { return Ok(()) };
        assert!(n != -13, "thirteen is unlucky");
        if n < 0 {
            return Err(format!("cannot repeat {n} times"));
        }
        for copy in 0..n {
            let timestamp = row.timestamp().map_or(0, |t| t.0);
            let mut headers = row.headers();
            headers.push(("copy".to_owned(), Some(copy.to_string().into_bytes())));
            rows.push([Value::Bigint(copy)]).timestamp(Timestamp(timestamp + self.later_ms)).headers(headers);
        }
        Ok(())
    }
}

plugin!(
    functions: [
        same, same_boolean, same_integer, same_bigint, same_double, same_decimal, same_bytes, same_date, same_time,
        same_timestamp, same_array, same_map, boundary, setting, dice, tell, time_of_day, pair,
    ],
    stages: [Repeat],
);
