//! How long decoding and encoding take, for a stream of orders of about 220 bytes: `cargo bench -p calzone-formats`.
//! Numbers to look at, not asserted.

use std::hint::black_box;
use std::time::{Duration, Instant};

use calzone_formats::{Decoder, Encoder, Format, FormatColumn, FormatSpec, Part};
use calzone_types::{Field, RecordBatch, RecordRef, SqlType};

const BATCH_ROWS: usize = 4096;
const BATCHES: usize = 100;

fn orders() -> Vec<FormatColumn> {
    use SqlType::{Bigint, Double, Integer, Varchar};
    let address = ["street", "city", "state", "zip"].map(|name| Field::new(name.to_uppercase(), Varchar));
    [
        ("ORDERID", Bigint),
        ("USERID", Varchar),
        ("ITEMID", Varchar),
        ("PRICE", Double),
        ("QUANTITY", Integer),
        ("REGION", Varchar),
        ("ORDERTIME", Bigint),
        ("ADDRESS", SqlType::structure(address)),
    ]
    .map(|(name, ty)| FormatColumn::new(name, ty))
    .to_vec()
}

/// Numbers that look random and are the same in each run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn batch(record: impl Fn(usize, &mut u64) -> String) -> RecordBatch {
    let mut state = 42;
    let mut batch = RecordBatch::default();
    for row in 0..BATCH_ROWS {
        let value = record(row, &mut state);
        batch.push(RecordRef { offset: 0, timestamp: 0, partition: 0, key: None, value: Some(value.as_bytes()), headers: &[] });
    }
    batch
}

fn json_order(row: usize, state: &mut u64) -> String {
    format!(
        r#"{{"orderid":{row},"userid":"User_{}","itemid":"Item_{}","price":{}.{:02},"quantity":{},"region":"Region_{}","ordertime":{},"address":{{"street":"{} Market Street","city":"City_{}","state":"State_{}","zip":"{:05}"}}}}"#,
        next(state) % 1000,
        next(state) % 500,
        next(state) % 100,
        next(state) % 100,
        1 + next(state) % 20,
        next(state) % 10,
        1_706_933_106_789 + row,
        1 + next(state) % 9999,
        next(state) % 100,
        next(state) % 50,
        next(state) % 100_000,
    )
}

fn delimited_order(row: usize, state: &mut u64) -> String {
    format!(
        "{row},User_{},Item_{},{}.{:02},{}",
        next(state) % 1000,
        next(state) % 500,
        next(state) % 100,
        next(state) % 100,
        next(state) % 20
    )
}

/// Was this measurement asked for? Words on the command line choose by name; none chooses all.
fn chosen(what: &str) -> bool {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    words.is_empty() || words.iter().any(|word| what.contains(word))
}

fn report(what: &str, bytes: usize, best: Duration) {
    let rows = BATCH_ROWS as f64;
    println!(
        "{what:44} {:6.3} s per million of {:5.1} bytes, {:5.0} MB/s",
        best.as_secs_f64() / rows * 1e6,
        bytes as f64 / rows,
        bytes as f64 / best.as_secs_f64() / 1e6
    );
}

/// The fastest of many runs, as other programs only ever make it slower.
fn fastest(mut run: impl FnMut()) -> Duration {
    // A single measurement is there to be profiled, so it takes longer.
    let batches = if std::env::args().len() > 2 { 10 * BATCHES } else { BATCHES };
    (0..batches)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn decode(what: &str, spec: &FormatSpec, columns: &[FormatColumn], wanted: &[&str], records: &RecordBatch) {
    if !chosen(what) {
        return;
    }
    let wanted: Vec<_> = columns.iter().map(|column| wanted.contains(&&*column.name)).collect();
    let mut decoder = Decoder::new(spec, Part::Value, columns, &wanted).expect("the format suits the columns");
    assert!(decoder.decode(records).errors.is_empty());
    let best = fastest(|| drop(black_box(decoder.decode(records))));
    report(what, records.byte_len(), best);
}

fn encode(what: &str, spec: &FormatSpec, columns: &[FormatColumn], records: &RecordBatch) {
    if !chosen(what) {
        return;
    }
    let mut decoder = Decoder::new(spec, Part::Value, columns, &vec![true; columns.len()]).expect("the format suits the columns");
    let arrays = decoder.decode(records).columns;
    let encoder = Encoder::new(spec, Part::Value, columns).expect("the format suits the columns");
    let mut out = Vec::new();
    let mut run = || {
        out.clear();
        let bound = encoder.bind(&arrays);
        for row in 0..BATCH_ROWS {
            bound.write(row, &mut out).expect("the arrays have the declared types");
        }
        black_box(&out);
    };
    let best = fastest(&mut run);
    report(what, out.len(), best);
}

fn main() {
    let (columns, json) = (orders(), FormatSpec::new(Format::Json));
    let records = batch(json_order);
    decode("JSON, no columns read", &json, &columns, &[], &records);
    decode("JSON, 4 of 8 columns read", &json, &columns, &["USERID", "PRICE", "QUANTITY", "REGION"], &records);
    decode(
        "JSON, 7 of 8 columns read",
        &json,
        &columns,
        &["ORDERID", "USERID", "ITEMID", "PRICE", "QUANTITY", "REGION", "ORDERTIME"],
        &records,
    );
    decode("JSON, the nested column read", &json, &columns, &["ADDRESS"], &records);
    encode("JSON, 7 plain columns written", &json, &columns[..7], &records);
    encode("JSON, all columns written", &json, &columns, &records);
    let (columns, delimited) = (&columns[..5], FormatSpec::new(Format::Delimited));
    let records = batch(delimited_order);
    decode("DELIMITED, 2 of 5 columns read", &delimited, columns, &["USERID", "PRICE"], &records);
    encode("DELIMITED, 5 columns written", &delimited, columns, &records);
}
