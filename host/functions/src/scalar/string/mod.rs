//! Functions of text, one a file. Positions and lengths count UTF-16 code units, as in Java; see [`utf16`].

mod chr;
mod concat;
mod concat_ws;
mod elt;
mod encode;
pub mod encoding;
mod field;
mod from_bytes;
mod initcap;
mod instr;
mod lcase;
mod len;
mod lpad;
mod mask;
mod mask_keep_left;
mod mask_keep_right;
mod mask_left;
mod mask_right;
mod masking;
mod md5;
mod pad;
mod replace;
mod rpad;
mod split;
mod split_to_map;
mod substring;
mod to_bytes;
mod trim;
mod ucase;
pub mod utf16;
mod uuid;

use crate::ScalarDefinition;

/// Every function of this folder.
pub fn definitions() -> Vec<ScalarDefinition> {
    vec![
        chr::definition(),
        concat::definition(),
        concat_ws::definition(),
        elt::definition(),
        encode::definition(),
        field::definition(),
        from_bytes::definition(),
        initcap::definition(),
        instr::definition(),
        lcase::definition(),
        len::definition(),
        lpad::definition(),
        mask::definition(),
        mask_keep_left::definition(),
        mask_keep_right::definition(),
        mask_left::definition(),
        mask_right::definition(),
        md5::definition(),
        replace::definition(),
        rpad::definition(),
        split::definition(),
        split_to_map::definition(),
        substring::definition(),
        to_bytes::definition(),
        trim::definition(),
        ucase::definition(),
        uuid::definition(),
    ]
}
