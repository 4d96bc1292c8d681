//! The limit of an aggregation by another column: a second topic between, with records as small as they can be.

use crate::hand_loop::{BATCH_WAIT_MS, CHANGELOG, Groups, Run};
use crate::work::WINDOW_MS;
use serde::Deserialize;
use std::borrow::Cow;
use std::time::Instant;

/// Ending of the name of the topic between.
const REGROUPED: &str = "_regrouped";
const ANY_PARTITION: i32 = -1;

#[derive(Deserialize)]
struct Sale<'a> {
    #[serde(borrow)]
    itemid: Cow<'a, str>,
    price: f64,
}

pub fn run(run: &Run<'_>) -> Result<u64, String> {
    let mut orders = run.consumer(run.topic)?;
    let mut regrouped = run.consumer(&format!("{}{REGROUPED}", run.out))?;
    let mut producer = run.producer(&[CHANGELOG, REGROUPED])?;
    let mut groups = Groups::default();
    let (mut read, mut grouped, mut committed) = (0, 0, Instant::now());
    while grouped < orders.total {
        let mut failure = Ok(());
        if read < orders.total {
            read += orders.batch(BATCH_WAIT_MS, |message| {
                let sale: Result<Sale<'_>, _> = sonic_rs::from_slice(message.value());
                let sent = sale.map_err(|e| e.to_string()).and_then(|sale| {
                    let mut value = [0; 16];
                    let time = message.timestamp();
                    value[..8].copy_from_slice(&(time - time.rem_euclid(WINDOW_MS)).to_le_bytes());
                    value[8..].copy_from_slice(&sale.price.to_le_bytes());
                    producer.send(2, ANY_PARTITION, sale.itemid.as_bytes(), &value)
                });
                if failure.is_ok() {
                    failure = sent;
                }
            })?;
        }
        producer.poll();
        let wait_ms = if read < orders.total { 0 } else { BATCH_WAIT_MS };
        grouped += regrouped.batch(wait_ms, |message| {
            let bytes = message.value();
            match (std::str::from_utf8(message.key()), bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
                (Ok(item), Some(window), Some(price)) => {
                    groups.add(item, i64::from_le_bytes(*window), message.partition(), f64::from_le_bytes(*price))
                }
                _ => failure = Err("a regrouped record is not what was sent".to_owned()),
            }
        })?;
        failure?;
        if committed.elapsed() >= run.interval {
            groups.emit(&mut producer)?;
            committed = Instant::now();
        }
    }
    groups.emit(&mut producer)?;
    producer.flush()?;
    Ok(read)
}
