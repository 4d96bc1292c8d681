//! The bench's own program. Each command ends with one line of JSON, or fails with a sentence.
//!
//! ```text
//! load  --log PLACE --topic T --partitions P --kind K INPUT      loads orders, or what they are joined with
//! check --log PLACE --topic T --work W INPUT                     compares an output with what it must be
//! await --log PLACE --topic T --work W INPUT --seconds S         waits for an output of known length
//! loop  --brokers B --topic T --out T --partitions P --work W [--with T] [--exactly-once 1] [--commit-ms MS]
//! create --log PLACE --topic T --partitions P                    makes an empty topic
//! push  --server HOST:PORT [--brokers B] --rate N --seconds S    from a record to its row in a push query's answer
//! pull  --server HOST:PORT --table T --keys N [--rate N] --connections C --seconds S   pull queries by key
//! PLACE: kafka:HOST:PORT or embedded:FOLDER; INPUT: --count N --base MS [--users N];
//! W: filter, all, aggregate, regroup, stream-table, stream-stream; K: orders, numbered, payments, users, wide<columns>
//! ```

mod arguments;
mod hand_joins;
mod hand_loop;
mod hand_regroup;
mod latency;
mod librdkafka;
mod orders;
mod topics;
mod work;

use arguments::Arguments;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use work::{Input, Work};

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let arguments = Arguments::parse()?;
    let started = Instant::now();
    let seconds = || started.elapsed().as_secs_f64();
    let command = arguments.command.as_str();
    match command {
        "loop" => return hand_loop::run(&arguments),
        "push" => return latency::push(&arguments),
        "pull" => return latency::pull(&arguments),
        _ => {}
    }
    let opened = topics::open(arguments.text("log")?)?;
    let (log, topic) = (&*opened.log, arguments.text("topic")?);
    let work = || Work::parse(arguments.text("work")?);
    let users = arguments.optional("users").and_then(|v| v.parse().ok());
    let input = || -> Result<Input, String> { Ok(Input::new(arguments.number("count")?, arguments.number("base")?, users)) };
    match command {
        "create" => {
            topics::create(log, topic, arguments.number("partitions")? as i32)?;
            Ok("{}".to_owned())
        }
        "load" => {
            topics::create(log, topic, arguments.number("partitions")? as i32)?;
            let bytes = topics::load(log, topic, topics::Kind::parse(arguments.text("kind")?)?, input()?)?;
            Ok(format!(r#"{{"seconds":{:.3},"value_bytes":{bytes}}}"#, seconds()))
        }
        "check" => {
            let (rows, records) = topics::check(log, topic, work()?, input()?)?;
            Ok(format!(r#"{{"rows":{rows},"records":{records}}}"#))
        }
        "await" => {
            let wanted = work::expected(work()?, input()?).rows;
            println!("ready");
            let time_max = Duration::from_secs(arguments.number("seconds")? as u64);
            let found = topics::await_rows(log, topic, wanted, time_max)?;
            Ok(format!(r#"{{"records":{found}}}"#))
        }
        other => Err(format!("{other} is not a command")),
    }
}
