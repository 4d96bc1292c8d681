//! Stages: pizza, and one that repeats rows.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_sandbox::{Component, Grants, SandboxError, StageAnswer, StageBatch, StageInstance, StageSource};
use calzone_types::{Column, Header, Origin, Schema, SqlType, Value, column_from_values, value_at};

use crate::{ALL, guest, load, sandbox};

fn orders() -> Schema {
    Schema::new([
        Column::key("ID", SqlType::Integer),
        Column::value("N", SqlType::Bigint),
        Column::value("SAUCE", SqlType::Varchar),
    ])
}

fn batch(columns: Vec<ArrayRef>, first_offset: i64, rows: usize) -> StageBatch {
    let headers: Vec<Arc<[Header]>> = (0..rows).map(|i| Arc::from([(Arc::from("row"), Some(vec![i as u8]))])).collect();
    StageBatch {
        columns,
        timestamps: (0..rows as i64).map(|i| 1_000 * (first_offset + i)).collect(),
        headers: Some(headers),
        origin: Origin { topic: "pizza".into(), partition: 3, offsets: (first_offset..first_offset + rows as i64).collect() },
    }
}

fn open(component: &Component, stage: &str) -> StageInstance {
    component.instantiate_stage(stage, &[], &orders(), &ALL).unwrap()
}

fn texts(answer: &StageAnswer) -> Vec<String> {
    let column = &answer.outputs[0].columns[0];
    (0..column.len()).map(|r| value_at(column, r).as_str().unwrap().to_owned()).collect()
}

/// `rows` rows of a stage that reads nothing, in batches of `size`.
fn draw(stage: &mut StageInstance, rows: usize, size: usize) -> Vec<String> {
    let mut drawn = Vec::new();
    for start in (0..rows).step_by(size) {
        let len = size.min(rows - start);
        let answer = stage.process(&batch(Vec::new(), start as i64, len), &mut None);
        assert_eq!(answer.outputs[0].source_rows, (0..len as u32).collect::<Vec<_>>());
        assert_eq!(answer.errors, []);
        drawn.extend(texts(&answer));
    }
    drawn
}

#[test]
fn a_stage_plans_its_columns() {
    let component = load("sauce");
    assert_eq!(component.description.stages[0].name, "sauce");
    assert_eq!(component.imports, ["calzone:plugin/random@1.0.0", "calzone:plugin/fault@1.0.0"]);
    let plan = component.open_stage("sauce", &[], &orders(), &ALL).unwrap();
    assert!(plan.reads.is_empty());
    // SAUCE is there already: it is replaced where it stands.
    let sources: Vec<_> = plan.outputs[0].columns.iter().map(|c| c.source.clone()).collect();
    assert_eq!(sources, [StageSource::PassThrough(0), StageSource::PassThrough(1), StageSource::Guest(0, SqlType::Varchar)]);
    assert_eq!(plan.outputs[0].output_schema(&orders()), orders());
    let cheese = load("cheese").open_stage("cheese", &[], &orders(), &ALL).unwrap();
    assert_eq!(
        cheese.outputs[0].output_schema(&orders()).to_string(),
        "`ID` INTEGER KEY, `N` BIGINT, `SAUCE` STRING, `CHEESE` STRING"
    );
}

#[test]
fn a_replay_draws_the_same_however_batches_are_cut() {
    for name in ["sauce", "cheese", "meats", "veggies"] {
        let component = load(name);
        let first = draw(&mut open(&component, name), 500, 500);
        assert!(first.iter().collect::<std::collections::HashSet<_>>().len() > 3, "{first:?}");
        for size in [1, 7, 64] {
            assert_eq!(draw(&mut open(&component, name), 500, size), first, "{name} in batches of {size}");
        }
    }
}

#[test]
fn another_revision_under_the_same_name() {
    let first = load("sauce");
    let second = sandbox().load("sauce", &guest("sauce2")).unwrap();
    assert_ne!(first.sha256, second.sha256);
    assert_eq!(second.description.version, "2.0.0");
    assert_eq!(first.open_stage("sauce", &[], &orders(), &ALL), second.open_stage("sauce", &[], &orders(), &ALL));
    let (old, new) = (draw(&mut open(&first, "sauce"), 200, 64), draw(&mut open(&second, "sauce"), 200, 64));
    assert!(!old.contains(&"pesto".to_owned()) && new.contains(&"pesto".to_owned()));
    // The same records draw the same numbers from either.
    let position = |list: &[&str], s: &String| list.iter().position(|x| x == s).unwrap();
    for (o, n) in old.iter().zip(&new) {
        let o = position(&["regular", "light", "extra", "none", "alfredo"], o);
        assert_eq!(o, position(&["regular", "light", "extra", "alfredo", "pesto"], n));
    }
}

#[test]
fn rows_are_repeated_dropped_and_failed() {
    let component = load("every-type");
    let config = [("later_ms".to_owned(), "5".to_owned())];
    let counts = [2, 0, -1, 1, -13, 3, -13, 0, 1];
    let column = column_from_values(&SqlType::Bigint, &counts.map(Value::Bigint));
    for size in [1, 2, 5, 9] {
        let mut stage = component.instantiate_stage("repeat", &config, &orders(), &ALL).unwrap();
        assert_eq!(stage.plan().reads, [1]);
        assert_eq!(
            stage.plan().outputs[0].output_schema(&orders()).to_string(),
            "`ID` INTEGER KEY, `SAUCE` STRING, `COPY` BIGINT"
        );
        let (mut rows, mut failed) = (Vec::new(), Vec::new());
        for start in (0..counts.len()).step_by(size) {
            let len = size.min(counts.len() - start);
            let mut answer = stage.process(&batch(vec![column.slice(start, len)], start as i64, len), &mut None);
            let out = answer.outputs.remove(0);
            let (timestamps, headers) = (out.timestamps.clone(), out.headers.clone());
            for (i, row) in out.source_rows.iter().enumerate() {
                let last = headers.as_ref().unwrap()[i].last().cloned().unwrap();
                assert_eq!(headers.as_ref().unwrap()[i].len(), 2);
                let copy = value_at(&out.columns[0], i).as_i64().unwrap();
                assert_eq!(last, (Arc::from("copy"), Some(copy.to_string().into_bytes())));
                rows.push((start + *row as usize, copy, timestamps.as_ref().unwrap()[i]));
            }
            failed.extend(answer.errors.into_iter().map(|e| (start + e.row as usize, e.message)));
        }
        let wanted: Vec<(usize, i64, i64)> =
            counts.iter().enumerate().flat_map(|(row, n)| (0..*n).map(move |copy| (row, copy, 1_000 * row as i64 + 5))).collect();
        assert_eq!(rows, wanted, "batches of {size}");
        let rows_failed: Vec<usize> = failed.iter().map(|f| f.0).collect();
        assert_eq!(rows_failed, [2, 4, 6]);
        assert_eq!(failed[0].1, "cannot repeat -1 times");
        assert!(failed[1].1.contains("thirteen is unlucky"), "{}", failed[1].1);
    }
}

#[test]
fn what_a_stage_refuses() {
    let component = load("every-type");
    let schema = Schema::new([Column::value("N", SqlType::Varchar)]);
    let refused = component.open_stage("repeat", &[], &schema, &ALL).unwrap_err();
    assert_eq!(
        refused,
        SandboxError::Unusable("plugin every-type, stage repeat: column N must be a BIGINT, it is STRING".to_owned())
    );
    let refused = component.open_stage("repeat", &[], &Schema::new([Column::value("M", SqlType::Bigint)]), &ALL).unwrap_err();
    assert!(refused.to_string().contains("the source has no column `N`; it has M"));
    let config = [("LATER_MS".to_owned(), "soon".to_owned())];
    assert!(component.open_stage("repeat", &config, &orders(), &ALL).unwrap_err().to_string().contains("`soon` is not a"));
    assert!(component.open_stage("sauce", &[], &orders(), &ALL).unwrap_err().to_string().contains("it has repeat"));
    let refused = load("sauce").open_stage("sauce", &[], &orders(), &Grants::default()).unwrap_err();
    assert!(matches!(refused, SandboxError::NotGranted { import, .. } if import == "calzone:plugin/random@1.0.0"));
}
