//! CREATE TYPE and DROP TYPE.

use calzone_plan::PlanContext;
use calzone_sql::ast::{Name, TypeName};

use super::Effect;
use crate::StatementError;
use crate::submit::plan_error;

pub fn create(
    context: &PlanContext<'_>,
    if_not_exists: bool,
    name: &Name,
    ty: &TypeName,
    text: &str,
) -> Result<Effect, StatementError> {
    let resolved = calzone_plan::create_type(context, if_not_exists, name, ty).map_err(|e| plan_error(&e, text))?;
    Ok(match resolved {
        Some(ty) => Effect::AddType { name: name.node.clone(), ty },
        None => Effect::Nothing(format!("There is a type {} already; nothing changed.", name.node)),
    })
}

pub fn drop(context: &PlanContext<'_>, if_exists: bool, name: &Name, text: &str) -> Result<Effect, StatementError> {
    let exists = calzone_plan::drop_type(context, if_exists, name).map_err(|e| plan_error(&e, text))?;
    Ok(match exists {
        true => Effect::DropType { name: name.node.clone() },
        false => Effect::Nothing(format!("There is no type {}; nothing to drop.", name.node)),
    })
}
