//! `calzone plugin bench`: what a row costs in each function and stage of a component.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::ArrayRef;
use calzone_functions::definition::AggregateImplementation;
use calzone_functions::{
    Aggregate, AggregateAction, AggregateStep, Argument, Binding, FunctionDefinition, Implementation, Registry, Scalar,
};
use calzone_sandbox::signature::parse_type;
use calzone_sandbox::{Component, Grants, StageBatch};
use calzone_types::{Column, Namespace, Origin, Schema, SqlType, Value, column_from_values};

use super::{build, inspect, sample};
use crate::cli::Table;

/// Time spent on each function; the best call counts, as others on the machine only make calls slower.
const MEASURE_MS: u64 = 400;
/// Groups that the rows of an aggregate function are spread over.
const GROUPS: usize = 100;
/// A plugin's function has another name here than a built-in one.
const OWN_NAME: &str = "PLUGIN_FUNCTION";
const ALL: Grants =
    Grants { random: true, clock: true, log: true, key_value: false, http: Vec::new(), insert: false, query: false };

pub struct Options {
    /// Rows of a batch.
    pub rows: usize,
    /// Columns for stages.
    pub source: Option<String>,
    pub only: Option<String>,
    pub against_builtins: bool,
}

/// Measures the component in a file, or the one of the crate in this folder.
pub fn bench(file: Option<PathBuf>, options: &Options) -> Result<(), String> {
    let file = match file {
        Some(file) => file,
        None => build::built_file(Path::new("."))?,
    };
    let component = inspect::load(&file)?;
    let mut table = Table::new(["Function", "ns per row", "ns per empty call", "built-in: ns per row", "ratio"]);
    let mut left_out = Vec::new();
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.to_lowercase().contains(&only.to_lowercase()));
    for described in component.description.functions.iter().filter(|f| wanted(&f.name)) {
        let definition = component.function_definition("bench", &described.name).map_err(|e| e.to_string())?;
        for signature in definition.signatures() {
            let label = || format!("{}{signature}", described.name);
            match sample::argument_types(signature) {
                None => left_out.push(format!("{}: it takes a lambda", label())),
                Some(types) => match function(&component, &described.name, &definition, &types, options) {
                    Ok(figures) => table.row(figures.cells(label())),
                    Err(why) => left_out.push(format!("{}: {why}", label())),
                },
            }
        }
    }
    for described in component.description.stages.iter().filter(|s| wanted(&s.name)) {
        match stage(&component, &described.name, options) {
            Ok(figures) => table.row(figures.cells(format!("stage {}", described.name))),
            Err(why) => left_out.push(format!("stage {}: {why}", described.name)),
        }
    }
    println!("{}: batches of {} rows, the best call of {MEASURE_MS} ms each", file.display(), options.rows);
    print!("{}", table.text());
    left_out.iter().for_each(|why| println!("not measured: {why}"));
    Ok(())
}

/// Nanoseconds.
struct Figures {
    per_row: f64,
    empty_call: f64,
    built_in_per_row: Option<f64>,
}

impl Figures {
    fn cells(&self, label: String) -> [String; 5] {
        let (built_in, ratio) = match self.built_in_per_row {
            Some(nanos) => (format!("{nanos:.1}"), format!("{:.2}", self.per_row / nanos)),
            None => Default::default(),
        };
        [label, format!("{:.1}", self.per_row), format!("{:.0}", self.empty_call), built_in, ratio]
    }
}

/// Something that is called over and over; gives the nanoseconds of its calls, which it measures itself.
type Call<'a> = Box<dyn FnMut() -> Result<f64, String> + 'a>;

/// The best of many calls of each, in turns: what slows the machine down for a while slows all of them.
fn best_of<const N: usize>(mut calls: [Call<'_>; N]) -> Result<[f64; N], String> {
    let mut best = [f64::INFINITY; N];
    let until = Instant::now() + Duration::from_millis(MEASURE_MS);
    while Instant::now() < until {
        for (best, call) in best.iter_mut().zip(&mut calls) {
            *best = best.min(call()?);
        }
    }
    Ok(best)
}

fn timed<R>(work: impl FnOnce() -> R) -> (f64, R) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_nanos() as f64, result)
}

/// Measures three calls, the third of which there need not be.
fn figures(batch: Call<'_>, empty: Call<'_>, built_in: Option<Call<'_>>, rows: usize) -> Result<Figures, String> {
    let rows = rows as f64;
    Ok(match built_in {
        Some(built_in) => {
            let [batch, empty, built_in] = best_of([batch, empty, built_in])?;
            Figures { per_row: batch / rows, empty_call: empty, built_in_per_row: Some(built_in / rows) }
        }
        None => {
            let [batch, empty] = best_of([batch, empty])?;
            Figures { per_row: batch / rows, empty_call: empty, built_in_per_row: None }
        }
    })
}

fn columns(types: &[SqlType], rows: usize) -> Vec<ArrayRef> {
    let column = |ty| column_from_values(ty, &(0..rows).map(|row| sample::value(ty, row)).collect::<Vec<Value>>());
    types.iter().map(column).collect()
}

fn function(
    component: &Component,
    name: &str,
    definition: &FunctionDefinition,
    types: &[SqlType],
    options: &Options,
) -> Result<Figures, String> {
    let mut own = Registry::built_in();
    own.add(definition.clone().renamed(OWN_NAME));
    let (arguments, rows) = (sample::as_arguments(types), options.rows);
    let literals: Vec<Option<Value>> = types.iter().map(|ty| Some(sample::value(ty, 1))).collect();
    let settings = Default::default();
    let mut built_ins = Registry::built_in();
    if !options.against_builtins {
        built_ins.remove(name);
    }
    if let FunctionDefinition::Aggregate(_) = definition {
        let resolved = own.resolve_aggregate(OWN_NAME, &arguments, &literals, &settings).map_err(|e| e.0)?;
        let instance = component.instantiate_aggregate(name, &resolved.binding, &resolved.init, &ALL);
        let instance = instance.map_err(|e| e.to_string())?;
        let columns = columns(&resolved.binding.arguments, rows);
        let twin = options.against_builtins.then(|| built_ins.resolve_aggregate(name, &arguments, &literals, &settings).ok());
        let twin = twin.flatten().and_then(|twin| match twin.implementation {
            AggregateImplementation::BuiltIn(make) => make(&twin.binding, &twin.init).ok(),
            AggregateImplementation::Plugin { .. } => None,
        });
        let empty = || {
            let (nanos, result) = timed(|| instance.empty_call());
            result.map(|()| nanos)
        };
        return figures(
            aggregate_call(&instance, &columns, rows),
            Box::new(empty),
            twin.as_ref().map(|twin| aggregate_call(&**twin, &columns, rows)),
            rows,
        );
    }
    let is_table = matches!(definition, FunctionDefinition::Table(_));
    let resolve = |registry: &Registry, name: &str| {
        let none = vec![None; arguments.len()];
        if is_table {
            registry.resolve_table(name, &arguments, &none, &literals, &settings)
        } else {
            registry.resolve_scalar(name, &arguments, &none, &literals, &settings)
        }
    };
    let binding = resolve(&own, OWN_NAME).map_err(|e| e.0)?.binding;
    let instantiate = |binding: &Binding| component.instantiate_scalar(name, binding, &ALL).map_err(|e| e.to_string());
    let (mut instance, mut idle) = (instantiate(&binding)?, instantiate(&binding)?);
    let columns = columns(types, rows);
    let twin = options.against_builtins.then(|| resolve(&built_ins, name).ok()).flatten();
    let mut twin = twin.and_then(|twin| match twin.implementation {
        Implementation::BuiltIn(make) => make(&twin.binding).ok(),
        Implementation::Plugin { .. } => None,
    });
    let empty = || {
        let (nanos, result) = timed(|| idle.empty_call(&columns));
        result.map(|()| nanos)
    };
    let built_in = twin.as_mut().map(|twin| scalar_call(&mut **twin, &columns, rows));
    figures(scalar_call(&mut instance, &columns, rows), Box::new(empty), built_in, rows)
}

fn scalar_call<'a>(function: &'a mut dyn Scalar, columns: &'a [ArrayRef], rows: usize) -> Call<'a> {
    Box::new(move || {
        let mut arguments: Vec<Argument<'_>> = columns.iter().cloned().map(Argument::Column).collect();
        let (nanos, evaluated) = timed(|| function.call(&mut arguments, rows));
        match evaluated.errors.first() {
            None => Ok(nanos),
            Some(error) => Err(format!("it fails on the measured values: {}", error.message)),
        }
    })
}

/// Each row is taken into one of the groups, whose result is wanted then, as a query does that emits every change.
fn aggregate_call<'a>(aggregate: &'a dyn Aggregate, columns: &'a [ArrayRef], rows: usize) -> Call<'a> {
    let step = |row: usize| AggregateStep {
        group: (row % GROUPS) as u32,
        row: row as u32,
        action: AggregateAction::Accumulate,
        result: true,
    };
    let steps: Vec<AggregateStep> = (0..rows).map(step).collect();
    Box::new(move || {
        let mut states = vec![aggregate.initial(); GROUPS.min(rows)];
        let (nanos, result) = timed(|| aggregate.update(&mut states, &steps, columns));
        result.map(|_| nanos).map_err(|(_, message)| format!("it fails on the measured values: {message}"))
    })
}

fn stage(component: &Component, name: &str, options: &Options) -> Result<Figures, String> {
    let source = options.source.as_ref().ok_or("say what it reads, for instance --source \"id INT, name VARCHAR\"")?;
    let SqlType::Struct(fields) = parse_type(&format!("STRUCT<{source}>")).map_err(|e| format!("--source: {e}"))? else {
        return Err("--source holds no columns".to_owned());
    };
    let schema = Schema::new(fields.iter().map(|field| Column {
        name: field.name.clone(),
        ty: field.ty.clone(),
        namespace: Namespace::Value,
    }));
    let instantiate = || component.instantiate_stage(name, &[], &schema, &ALL).map_err(|e| e.to_string());
    let (mut instance, mut idle) = (instantiate()?, instantiate()?);
    let batch_of = |rows: usize| {
        let types: Vec<SqlType> = instance.plan().reads.iter().map(|&i| fields[i].ty.clone()).collect();
        StageBatch {
            columns: columns(&types, rows),
            timestamps: vec![0; rows].into(),
            headers: None,
            origin: Origin { topic: Arc::from("bench"), partition: 0, offsets: (0..rows as i64).collect() },
        }
    };
    let batch = batch_of(options.rows);
    let run = || {
        let (nanos, answer) = timed(|| instance.process(&batch, &mut None));
        match answer.errors.first() {
            None => Ok(nanos),
            Some(error) => Err(format!("it fails on the measured values: {}", error.message)),
        }
    };
    let empty = || {
        let (nanos, result) = timed(|| idle.empty_call(&batch));
        result.map(|()| nanos)
    };
    figures(Box::new(run), Box::new(empty), None, options.rows)
}
