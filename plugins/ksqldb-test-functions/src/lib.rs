//! Functions that ksqlDB's test suites call and ksqlDB does not have: its tests bring them along as user-defined functions.
//! Overloads, variadic parameters, type variables, structs, computed types, literals, state of an instance: all a plugin can.

mod aggregates;
mod scalars;
mod tables;

use aggregates::{
    CollectAny, CollectGeneric, FiveArguments, FourArguments, MiddleVariadic, MultipleArguments, SumDouble, SumInteger,
    SumLengths, SumLong, SumStruct, VariadicSum,
};
use calzone_guest::plugin;
use scalars::{
    bad_boolean, bad_int, bad_string, doing_int_string, doing_long_long_string, doing_long_string, doing_longs, doing_nothing,
    doing_struct, to_struct, when_condition, when_result,
};
use tables::{
    one_bigint, one_boolean, one_decimal, one_double, one_int, one_string, one_struct, texts, texts_of_arrays, texts_of_maps,
    throwing,
};

plugin!(
    functions: [
        doing_int_string, doing_long_string, doing_long_long_string, doing_longs, doing_struct, doing_nothing, bad_int,
        bad_boolean, bad_string, when_condition, when_result, to_struct,
    ],
    table_functions: [
        texts, texts_of_arrays, texts_of_maps, one_int, one_bigint, one_double, one_boolean, one_string, one_decimal,
        one_struct, throwing,
    ],
    aggregates: [
        SumInteger, SumLong, SumDouble, SumLengths, SumStruct, VariadicSum, MultipleArguments, FourArguments, FiveArguments,
        MiddleVariadic, CollectAny, CollectGeneric,
    ],
);
