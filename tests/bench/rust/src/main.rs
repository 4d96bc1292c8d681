//! The bench's own program. Each command ends with one line of JSON, or fails with a sentence.
//!
//! ```text
//! load  --log PLACE --topic T --partitions P --count N --base MS      loads orders
//! check --log PLACE --topic T --work W --count N --base MS            compares an output with what it must be
//! await --log PLACE --topic T --work W --count N --base MS --seconds S   waits for an output of known length
//! loop  --brokers B --topic T --out T --partitions P --work W [--exactly-once 1] [--commit-ms MS]
//! create --log PLACE --topic T --partitions P                         makes an empty topic
//! PLACE: kafka:HOST:PORT or embedded:FOLDER; W: filter, all, aggregate, regroup
//! ```

mod arguments;
mod hand_loop;
mod librdkafka;
mod orders;
mod topics;
mod work;

use arguments::Arguments;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use work::Work;

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
    if command == "loop" {
        return hand_loop::run(&arguments);
    }
    let opened = topics::open(arguments.text("log")?)?;
    let (log, topic) = (&*opened.log, arguments.text("topic")?);
    match command {
        "create" => {
            topics::create(log, topic, arguments.number("partitions")? as i32)?;
            Ok("{}".to_owned())
        }
        "load" => {
            let count = arguments.number("count")?;
            topics::create(log, topic, arguments.number("partitions")? as i32)?;
            let bytes = topics::load(log, topic, count, arguments.number("base")?)?;
            Ok(format!(r#"{{"seconds":{:.3},"value_bytes":{bytes}}}"#, seconds()))
        }
        "check" => {
            let work = Work::parse(arguments.text("work")?)?;
            let (rows, records) = topics::check(log, topic, work, arguments.number("count")?, arguments.number("base")?)?;
            Ok(format!(r#"{{"rows":{rows},"records":{records}}}"#))
        }
        "await" => {
            let work = Work::parse(arguments.text("work")?)?;
            let wanted = work::expected(work, arguments.number("count")?, arguments.number("base")?).rows;
            println!("ready");
            let time_max = Duration::from_secs(arguments.number("seconds")? as u64);
            let found = topics::await_rows(log, topic, wanted, time_max)?;
            Ok(format!(r#"{{"records":{found}}}"#))
        }
        other => Err(format!("{other} is not a command")),
    }
}
