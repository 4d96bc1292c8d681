//! Functions that do what a plugin must not do, each for negative arguments only; others come back as they are.
//! The tests of the sandbox show that the row with the negative argument fails, and no other.

use std::hint::black_box;

use calzone_guest::bindings::types::Column;
use calzone_guest::function::{Call, Evaluated};
use calzone_guest::{Decision, Failure, Function, error_policy, function, plugin};

/// Loops for ever.
#[function("spin(bigint) -> bigint")]
fn spin(v: i64) -> i64 {
    while black_box(v) < 0 {}
    v
}

/// Takes memory until there is no more.
#[function("grow(bigint) -> bigint")]
fn grow(v: i64) -> i64 {
    let mut taken = Vec::new();
    while black_box(v) < 0 {
        taken.push(black_box(vec![1u8; 1 << 20]));
    }
    v
}

/// Panics.
#[function("panic(bigint) -> bigint")]
fn panics(v: i64) -> i64 {
    assert!(v >= 0, "no number may be negative, {v} is");
    v
}

/// Calls itself until the stack is full.
#[function("deep(bigint) -> bigint")]
fn deep(v: i64) -> i64 {
    fn down(n: i64) -> i64 {
        if black_box(n) == i64::MIN { 0 } else { down(black_box(n - 1)) + 1 }
    }
    if v < 0 { down(0) } else { v }
}

/// Answers with an error.
#[function("fail(bigint) -> bigint")]
fn fail(v: i64) -> Result<i64, String> {
    if v < 0 { Err(format!("{v} is negative")) } else { Ok(v) }
}

/// Answers with a hundred million bytes, by columns that share one buffer's worth each.
mod huge {
    use super::*;

    pub const FUNCTION: Function = Function {
        signature: "huge(bigint) -> bigint",
        doc: "Answers with more bytes than a host should take.",
        bind: |_| {
            let call: Call = Box::new(|_, _| {
                let column = || Column { length: 1, validity: None, offsets: None, data: Some(vec![0; 1 << 20]) };
                Ok(Evaluated { columns: (0..40).map(|_| column()).collect(), errors: Vec::new() })
            });
            Ok(call)
        },
        return_type: None,
    };
}

/// Answers with columns that are no columns, one fault for each number.
mod lie {
    use super::*;

    pub const FUNCTION: Function = Function {
        signature: "lie(integer, varchar) -> varchar",
        doc: "Answers with columns that are no columns.",
        bind: |_| {
            let call: Call = Box::new(|rows, columns| {
                let fault = columns[0].data.as_deref().and_then(|d| d.first()).copied().unwrap_or_default();
                let offsets = |ends: &[u32]| Some(ends.iter().flat_map(|e| e.to_le_bytes()).collect::<Vec<u8>>());
                let length = rows as u32;
                let column = match fault {
                    0 => Column { length: length + 1, validity: None, offsets: offsets(&[0, 1]), data: Some(vec![b'a']) },
                    1 => Column { length, validity: None, offsets: offsets(&[0, 9]), data: Some(vec![b'a']) },
                    2 => Column { length, validity: None, offsets: offsets(&[1, 0]), data: Some(vec![b'a']) },
                    3 => Column { length, validity: None, offsets: offsets(&[0, 1]), data: Some(vec![0xff]) },
                    4 => Column { length, validity: Some(vec![]), offsets: offsets(&[0, 1]), data: Some(vec![b'a']) },
                    5 => Column { length, validity: None, offsets: None, data: Some(vec![b'a']) },
                    6 => Column { length, validity: None, offsets: offsets(&[0, 1]), data: None },
                    7 => return Ok(Evaluated { columns: Vec::new(), errors: Vec::new() }),
                    8 => {
                        let column = Column { length, validity: None, offsets: offsets(&[0, 1]), data: Some(vec![b'a']) };
                        return Ok(Evaluated { columns: vec![column], errors: vec![(9, "a row that is not there".to_owned())] });
                    }
                    _ => Column { length, validity: None, offsets: offsets(&[0, 1]), data: Some(vec![b'a']) },
                };
                Ok(Evaluated { columns: vec![column], errors: Vec::new() })
            });
            Ok(call)
        },
        return_type: None,
    };
}

/// Does what the failure's cause says; others are left out.
#[error_policy]
fn unruly(failure: &Failure) -> Decision {
    match failure.cause.as_str() {
        "spin" => {
            while black_box(failure.attempt) < u32::MAX {}
            Decision::Stop
        }
        "panic" => panic!("no record may fail"),
        "far" => Decision::Retry { after_ms: u64::MAX },
        _ => Decision::Skip,
    }
}

plugin!(functions: [spin, grow, panics, deep, fail, huge, lie], error_policies: [unruly]);
