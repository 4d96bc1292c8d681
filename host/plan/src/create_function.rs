//! `CREATE FUNCTION f USING PLUGIN 'p'`.

use calzone_functions::{FunctionDefinition, FunctionKind, ParameterType, Signature};
use calzone_sql::ast;
use calzone_types::SqlType;

use crate::context::PlanContext;
use crate::error::{PlanError, Result};
use crate::types::resolve_type;

/// A function to register, of the kind that the plugin offers; None if IF NOT EXISTS was given and it does.
pub fn create_function(ctx: &PlanContext, statement: &ast::CreateFunction) -> Result<Option<FunctionDefinition>> {
    let name = &statement.name;
    if let Some(existing) = ctx.catalog.functions.function(&name.node) {
        match (existing.plugin().is_some(), statement.or_replace, statement.if_not_exists) {
            (false, ..) => {
                return Err(PlanError::at(name.span, format!("{} is a built-in function. Choose another name.", name.node)));
            }
            (true, true, _) => {}
            (true, false, true) => return Ok(None),
            (true, false, false) => {
                return Err(PlanError::at(
                    name.span,
                    format!("There is a function {} already. Use CREATE OR REPLACE FUNCTION.", name.node),
                ));
            }
        }
    }
    let plugin = &statement.plugin.node;
    let offered = match &statement.function {
        Some(inside) => ctx.plugins.function(plugin, Some(&inside.node)),
        // The plugin's function of the same name, or else its only one.
        None => ctx.plugins.function(plugin, Some(&name.node)).or_else(|_| ctx.plugins.function(plugin, None)),
    };
    let offered = offered.map_err(|reason| PlanError::at(statement.plugin.span, reason))?;
    check_declared(ctx, statement, &offered)?;
    Ok(Some(offered.renamed(&name.node.to_uppercase())))
}

/// Types that the statement declares must be those of an overload.
fn check_declared(ctx: &PlanContext, statement: &ast::CreateFunction, offered: &FunctionDefinition) -> Result<()> {
    let Some((parameters, returns)) = &statement.declared else { return Ok(()) };
    let types = parameters.iter().map(|(_, ty)| resolve_type(ctx.catalog, ty)).collect::<Result<Vec<SqlType>>>()?;
    let returns = resolve_type(ctx.catalog, returns)?;
    // A table function is declared with the type of its rows, and offers ARRAYs of them.
    let returns = if offered.kind() == FunctionKind::Table { SqlType::array(returns) } else { returns };
    if offered.signatures().iter().any(|signature| fits(signature, &types, &returns)) {
        return Ok(());
    }
    let signatures: Vec<String> = offered.signatures().iter().map(|s| format!("  {}{s}", statement.name.node)).collect();
    let message = format!("The plugin's function has other types than declared. It has\n{}", signatures.join("\n"));
    Err(PlanError::at(statement.name.span, message))
}

fn fits(signature: &Signature, types: &[SqlType], returns: &SqlType) -> bool {
    let parameter = |i: usize| match signature.variadic {
        Some(v) if signature.parameters.len() <= types.len() || i >= v => signature.parameters.get(i.min(v)),
        _ => signature.parameters.get(i),
    };
    let same_count = signature.variadic.is_some() || signature.parameters.len() == types.len();
    let accepts = |ty: &SqlType, wanted: &ParameterType| match wanted {
        ParameterType::Sql(wanted) => wanted == ty,
        ParameterType::AnyDecimal => matches!(ty, SqlType::Decimal { .. }),
        ParameterType::AnyStruct => matches!(ty, SqlType::Struct(_)),
        ParameterType::Array(_) => matches!(ty, SqlType::Array(_)),
        ParameterType::Map(..) => matches!(ty, SqlType::Map(..)),
        ParameterType::Any | ParameterType::Generic(_) => true,
        ParameterType::Lambda { .. } | ParameterType::IntervalUnit => false,
    };
    let returns_fit = match &signature.returns {
        calzone_functions::signature::Returns::Type(wanted) => accepts(returns, wanted),
        calzone_functions::signature::Returns::Computed(_) | calzone_functions::signature::Returns::Asked(_) => true,
    };
    same_count && returns_fit && types.iter().enumerate().all(|(i, ty)| parameter(i).is_some_and(|p| accepts(ty, &p.ty)))
}
