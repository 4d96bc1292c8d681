//! `CREATE TYPE` and `DROP TYPE`.

use calzone_sql::ast::{Name, TypeName};
use calzone_types::SqlType;

use crate::context::PlanContext;
use crate::error::{PlanError, Result};
use crate::types::resolve_type;

/// The type to register; None if IF NOT EXISTS was given and it does.
pub fn create_type(ctx: &PlanContext, if_not_exists: bool, name: &Name, ty: &TypeName) -> Result<Option<SqlType>> {
    let resolved = resolve_type(ctx.catalog, ty)?;
    match ctx.catalog.types.get(&name.node) {
        None => Ok(Some(resolved)),
        Some(_) if if_not_exists => Ok(None),
        Some(existing) => {
            Err(PlanError::at(name.span, format!("There is a type {} already: {existing}. Drop it first.", name.node)))
        }
    }
}

/// Says whether there is a type to drop: none is fine with IF EXISTS.
pub fn drop_type(ctx: &PlanContext, if_exists: bool, name: &Name) -> Result<bool> {
    match ctx.catalog.types.contains_key(&name.node) {
        true => Ok(true),
        false if if_exists => Ok(false),
        false => Err(PlanError::at(name.span, format!("There is no type {}. SHOW TYPES lists all.", name.node))),
    }
}
