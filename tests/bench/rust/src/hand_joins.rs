//! The limit of joins: the other side in a hash map.

use crate::hand_loop::{BATCH_WAIT_MS, CHANGELOG, Clock, Run};
use crate::librdkafka::{Message, Producer};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::Write;

/// How far apart two records of a join may be.
const WITHIN_MS: i64 = 600_000;

type Map<V> = hashbrown::HashMap<Box<[u8]>, V, foldhash::fast::RandomState>;

#[derive(Deserialize)]
struct Order {
    orderid: i64,
    price: f64,
}

#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    level: u64,
}

#[derive(Deserialize)]
struct Payment<'a> {
    amount: f64,
    #[serde(borrow)]
    method: Cow<'a, str>,
}

/// Each order with the row of its user. The clock starts once the table is read.
pub fn with_table(run: &Run<'_>, clock: &mut Clock) -> Result<u64, String> {
    let mut users = run.consumer(run.other.ok_or("--with is missing")?)?;
    let mut table: Map<(Box<str>, u64)> = Map::default();
    let mut read = 0;
    while read < users.total {
        let mut failure = Ok(());
        read += users.batch(BATCH_WAIT_MS, |message| match sonic_rs::from_slice::<User<'_>>(message.value()) {
            Ok(user) => {
                table.insert(message.key().into(), (user.name.into(), user.level));
            }
            Err(error) => failure = Err(error.to_string()),
        })?;
        failure?;
    }
    *clock = Clock::start();
    let (mut orders, mut producer) = (run.consumer(run.topic)?, run.producer(&[])?);
    let (mut done, mut out) = (0, Vec::new());
    while done < orders.total {
        let mut failure = Ok(());
        done += orders.batch(BATCH_WAIT_MS, |message| {
            let sent = sonic_rs::from_slice::<Order>(message.value()).map_err(|e| e.to_string()).and_then(|order| {
                let Some((name, level)) = table.get(message.key()) else { return Ok(()) };
                out.clear();
                write!(
                    out,
                    r#"{{"ORDERID":{},"PRICE":{},"NAME":"{name}","LEVEL":{level}}}"#,
                    order.orderid,
                    ryu::Buffer::new().format_finite(order.price)
                )
                .map_err(|e| e.to_string())?;
                producer.send(0, message.partition(), message.key(), &out)
            });
            if failure.is_ok() {
                failure = sent;
            }
        })?;
        failure?;
        producer.poll();
    }
    producer.flush()?;
    Ok(done)
}

/// One side's rows that the other side may still meet.
struct Side<V> {
    rows: Map<(i64, V)>,
    /// Times and keys, in the order they came.
    arrivals: VecDeque<(i64, Box<[u8]>)>,
    newest: i64,
}

impl<V> Side<V> {
    fn new() -> Side<V> {
        Side { rows: Map::default(), arrivals: VecDeque::new(), newest: i64::MIN }
    }

    fn put(&mut self, message: &Message, value: V) {
        let (time, key): (_, Box<[u8]>) = (message.timestamp(), message.key().into());
        self.rows.insert(key.clone(), (time, value));
        self.arrivals.push_back((time, key));
        self.newest = self.newest.max(time);
        while let Some((oldest, _)) = self.arrivals.front()
            // Partitions are read at different speeds.
            && *oldest < self.newest - 2 * WITHIN_MS
            && let Some((_, key)) = self.arrivals.pop_front()
        {
            self.rows.remove(&key);
        }
    }

    fn find(&self, message: &Message) -> Option<&V> {
        let (time, value) = self.rows.get(message.key())?;
        ((time - message.timestamp()).abs() <= WITHIN_MS).then_some(value)
    }
}

/// Each order with its payment. Rows that wait for their match are kept in a topic too, as whoever wants to survive a
/// restart must.
pub fn with_stream(run: &Run<'_>) -> Result<u64, String> {
    let (mut orders, mut payments) = (run.consumer(run.topic)?, run.consumer(run.other.ok_or("--with is missing")?)?);
    let mut producer = run.producer(&[CHANGELOG])?;
    let (mut left, mut right): (Side<f64>, Side<(f64, Box<str>)>) = (Side::new(), Side::new());
    let (mut read, mut paid, mut out) = (0, 0, Vec::new());
    while read < orders.total || paid < payments.total {
        let mut failure = Ok(());
        if read < orders.total {
            read += orders.batch(BATCH_WAIT_MS, |message| {
                let sent = sonic_rs::from_slice::<Order>(message.value()).map_err(|e| e.to_string()).and_then(|order| {
                    producer.send(1, message.partition(), message.key(), &order.price.to_le_bytes())?;
                    if let Some((amount, method)) = right.find(&message) {
                        send(&mut producer, &message, order.price, *amount, method, &mut out)?;
                    }
                    left.put(&message, order.price);
                    Ok(())
                });
                if failure.is_ok() {
                    failure = sent;
                }
            })?;
        }
        if paid < payments.total {
            paid += payments.batch(BATCH_WAIT_MS, |message| {
                let sent = sonic_rs::from_slice::<Payment<'_>>(message.value()).map_err(|e| e.to_string()).and_then(|payment| {
                    producer.send(1, message.partition(), message.key(), message.value())?;
                    if let Some(price) = left.find(&message) {
                        send(&mut producer, &message, *price, payment.amount, &payment.method, &mut out)?;
                    }
                    right.put(&message, (payment.amount, payment.method.into()));
                    Ok(())
                });
                if failure.is_ok() {
                    failure = sent;
                }
            })?;
        }
        failure?;
        producer.poll();
    }
    producer.flush()?;
    Ok(read + paid)
}

fn send(
    producer: &mut Producer,
    message: &Message,
    price: f64,
    amount: f64,
    method: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    out.clear();
    let mut buffers = (ryu::Buffer::new(), ryu::Buffer::new());
    let (price, amount) = (buffers.0.format_finite(price), buffers.1.format_finite(amount));
    write!(out, r#"{{"PRICE":{price},"AMOUNT":{amount},"METHOD":"{method}"}}"#).map_err(|e| e.to_string())?;
    producer.send(0, message.partition(), message.key(), out)
}
