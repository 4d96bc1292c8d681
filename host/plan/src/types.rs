//! Types as written, with the names of CREATE TYPE resolved.

use calzone_sql::ast::{TypeKind, TypeName};
use calzone_types::sql_type::DECIMAL_PRECISION_MAX;
use calzone_types::{Field, SqlType};

use crate::catalog::Catalog;
use crate::error::{PlanError, Result};

/// The type that a type name means in this catalog.
pub(crate) fn resolve_type(catalog: &Catalog, name: &TypeName) -> Result<SqlType> {
    Ok(match &name.kind {
        TypeKind::Simple(SqlType::Decimal { precision, scale }) => {
            if *precision == 0 || precision > &DECIMAL_PRECISION_MAX || scale > precision {
                let message = format!(
                    "DECIMAL({precision}, {scale}) is no type: the precision must be between 1 and {DECIMAL_PRECISION_MAX}, and the scale at most the precision."
                );
                return Err(PlanError::at(name.span, message));
            }
            SqlType::decimal(*precision, *scale)
        }
        TypeKind::Simple(ty) => ty.clone(),
        TypeKind::Custom(custom) => match catalog.types.get(custom).or_else(|| catalog.types.get(&custom.to_uppercase())) {
            Some(ty) => ty.clone(),
            None => {
                let message = format!("There is no type named {custom}. SHOW TYPES lists the types made by CREATE TYPE.");
                return Err(PlanError::at(name.span, message));
            }
        },
        TypeKind::Array(element) => SqlType::array(resolve_type(catalog, element)?),
        TypeKind::Map(key, value) => SqlType::map(resolve_type(catalog, key)?, resolve_type(catalog, value)?),
        TypeKind::Struct(fields) => {
            let mut resolved: Vec<Field> = Vec::with_capacity(fields.len());
            for (field, ty) in fields {
                if resolved.iter().any(|f| *f.name == field.node) {
                    return Err(PlanError::at(field.span, format!("The STRUCT has two fields named {}.", field.node)));
                }
                resolved.push(Field::new(field.node.as_str(), resolve_type(catalog, ty)?));
            }
            SqlType::structure(resolved)
        }
    })
}
