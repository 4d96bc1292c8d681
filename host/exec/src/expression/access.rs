//! Elements of arrays and maps, fields of structs.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::DataType;
use calzone_types::{SqlType, value_at};

use super::{Node, Outcome, Scope, also, take};

/// `array[i]`, counted from 1, or from the end if negative; `map[key]`. What is not there is null.
pub(super) fn subscript(base: &mut Node, index: &mut Node, ty: &SqlType, scope: &Scope<'_>) -> Outcome {
    let (base, index) = (base.evaluate(scope), index.evaluate(scope));
    let column = match base.column.data_type() {
        DataType::List(_) => array_elements(&base.column, &index.column),
        DataType::Map(..) => map_values(&base.column, &index.column),
        _ => arrow_array::new_null_array(&ty.to_arrow(), scope.len),
    };
    Outcome { column, errors: also(base.errors, index.errors) }
}

fn array_elements(arrays: &ArrayRef, index: &ArrayRef) -> ArrayRef {
    let lists = arrays.as_list::<i32>();
    let position = |row: usize| match index.data_type() {
        _ if index.is_null(row) => None,
        DataType::Int32 => Some(i64::from(index.as_primitive::<Int32Type>().value(row))),
        DataType::Int64 => Some(index.as_primitive::<Int64Type>().value(row)),
        _ => None,
    };
    let offsets = lists.value_offsets();
    let rows: UInt32Array = (0..lists.len())
        .map(|row| {
            if lists.is_null(row) {
                return None;
            }
            let (start, end) = (i64::from(offsets[row]), i64::from(offsets[row + 1]));
            let position = position(row)?;
            let at = if position > 0 { start.checked_add(position - 1)? } else { end.checked_add(position)? };
            (start..end).contains(&at).then_some(at as u32)
        })
        .collect();
    take(lists.values(), &rows)
}

fn map_values(maps: &ArrayRef, keys: &ArrayRef) -> ArrayRef {
    let maps = maps.as_map();
    let offsets = maps.value_offsets();
    let text = match (maps.keys().as_string_opt::<i32>(), keys.as_string_opt::<i32>()) {
        (Some(entries), Some(wanted)) => Some((entries, wanted)),
        _ => None,
    };
    let rows: UInt32Array = (0..maps.len())
        .map(|row| {
            if maps.is_null(row) || keys.is_null(row) {
                return None;
            }
            let mut entries = offsets[row] as usize..offsets[row + 1] as usize;
            let found = match text {
                Some((names, wanted)) => entries.find(|entry| names.value(*entry) == wanted.value(row)),
                None => {
                    let wanted = value_at(keys, row);
                    entries.find(|entry| value_at(maps.keys(), *entry).compare(&wanted).is_eq())
                }
            };
            found.map(|entry| entry as u32)
        })
        .collect();
    take(maps.values(), &rows)
}

/// `struct->field`; a field of a null struct is null.
pub(super) fn field(base: &mut Node, index: usize, ty: &SqlType, scope: &Scope<'_>) -> Outcome {
    let base = base.evaluate(scope);
    let column = match base.column.as_struct_opt().and_then(|s| s.columns().get(index).map(|field| (s, field))) {
        Some((structs, field)) => match structs.nulls() {
            None => field.clone(),
            Some(nulls) => {
                let rows: UInt32Array = (0..structs.len()).map(|row| nulls.is_valid(row).then_some(row as u32)).collect();
                take(field, &rows)
            }
        },
        None => arrow_array::new_null_array(&ty.to_arrow(), scope.len),
    };
    Outcome { column, errors: base.errors }
}
