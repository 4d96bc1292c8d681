//! STEPS_SUM: SUM as functions of plugins are, which take the steps of a batch at a time.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_functions::{Aggregate, AggregateDefinition, AggregateImplementation, AggregateOverload, Registry};
use calzone_types::{SqlType, Value};

struct StepsSum(Arc<dyn Aggregate>);

impl Aggregate for StepsSum {
    fn state_type(&self) -> SqlType {
        self.0.state_type()
    }

    fn result_type(&self) -> SqlType {
        self.0.result_type()
    }

    fn initial(&self) -> Value {
        self.0.initial()
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        self.0.accumulate(state, arguments, row)
    }

    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        self.0.retract(state, arguments, row)
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn merge(&self, older: Value, newer: Value) -> Result<Value, String> {
        self.0.merge(older, newer)
    }

    fn result(&self, state: &Value) -> Value {
        self.0.result(state)
    }

    fn prefers_batches(&self) -> bool {
        true
    }
}

pub fn definition() -> AggregateDefinition {
    let overload = |overload: &AggregateOverload| AggregateOverload {
        implementation: AggregateImplementation::BuiltIn(|binding, init| {
            let sum = Registry::built_in();
            let types: Vec<_> = binding.arguments.iter().cloned().map(calzone_functions::ArgumentType::Sql).collect();
            let resolved =
                sum.resolve_aggregate("SUM", &types, &vec![None; types.len()], &Default::default()).map_err(|e| e.to_string())?;
            match resolved.implementation {
                AggregateImplementation::BuiltIn(make) => Ok(Arc::new(StepsSum(make(binding, init)?))),
                AggregateImplementation::Plugin { .. } => Err("SUM is built in".into()),
            }
        }),
        ..overload.clone()
    };
    let sum = Registry::built_in().aggregate("SUM").expect("there is a SUM").clone();
    AggregateDefinition { name: "STEPS_SUM".into(), overloads: sum.overloads.iter().map(overload).collect(), ..(*sum).clone() }
}
