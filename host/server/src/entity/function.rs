//! Functions.

use calzone_engine::answer::{FunctionDescription, FunctionKind, FunctionSummary};
use serde_json::{Value, json};

fn kind_name(kind: FunctionKind) -> &'static str {
    match kind {
        FunctionKind::Scalar => "SCALAR",
        FunctionKind::Aggregate => "AGGREGATE",
        FunctionKind::Table => "TABLE",
    }
}

/// SHOW FUNCTIONS; functions of plugins name theirs.
pub fn names(functions: &[FunctionSummary]) -> Value {
    let all: Vec<Value> = functions
        .iter()
        .map(|f| {
            let mut function = json!({ "name": f.name, "type": kind_name(f.kind), "category": f.category });
            if let Some(plugin) = &f.plugin {
                function["plugin"] = plugin.as_str().into();
            }
            function
        })
        .collect();
    json!({ "functions": all })
}

/// DESCRIBE FUNCTION.
pub fn description(described: &FunctionDescription) -> Value {
    let overloads: Vec<Value> = described
        .overloads
        .iter()
        .map(|o| {
            let arguments: Vec<Value> = o
                .parameters
                .iter()
                .map(|(name, ty, doc, variadic)| json!({ "name": name, "type": ty, "description": doc, "isVariadic": variadic }))
                .collect();
            let types: Vec<&str> = o.parameters.iter().map(|(_, ty, _, _)| ty.as_str()).collect();
            json!({
                "arguments": arguments,
                "returnType": o.returns,
                "description": o.description,
                "argumentTypes": types,
            })
        })
        .collect();
    json!({
        "name": described.summary.name,
        "description": described.description,
        "author": described.author,
        "version": described.version,
        "path": described.path,
        "functions": overloads,
        "type": kind_name(described.summary.kind),
    })
}
