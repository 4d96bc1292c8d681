//! `AS_VALUE(value)`.

use crate::definition::category;
use crate::evaluate::columnar;
use crate::signature::Returns;
use crate::{Parameter, ParameterType, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::new(
        vec![Parameter::new("keyColumn", ParameterType::Generic('T'), "")],
        Returns::Type(ParameterType::Generic('T')),
    );
    ScalarDefinition::built_in(
        "AS_VALUE",
        category::OTHER,
        "The value as it is. Copies a key column into the record's value.",
        vec![ScalarOverload::new("", signature, |_| columnar(|columns, _| columns[0].clone()))],
        &[("AS_VALUE(7)", "7")],
    )
}
