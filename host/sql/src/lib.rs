//! Text to syntax tree and back.
//!
//! [`parse`] reads statements with ksqlDB's grammar and ours on top; [`format_statement`] prints a tree so that parsing it
//! again gives an equal tree. A script is cut into statements ([`split_statements`]), variables are put in, sqlparser's
//! tokenizer gives tokens, and one function a rule reads them into the [`ast`]. This crate knows the grammar alone: no
//! catalog, no types beyond their spelling.

pub mod ast;
mod error;
mod expression;
mod keywords;
mod moment;
mod parser;
mod script;
mod span;
mod statement;
mod token;
mod types;
mod variables;

pub use error::{ParseError, excerpt};
pub use keywords::{is_reserved, quote_name, quote_text};
pub use script::{
    SCRIPT_BYTES_MAX, STATEMENT_BYTES_MAX, Statements, format_expression, format_statement, format_type, parse, parse_expression,
    parse_statement, parse_type, split_statements,
};
pub use span::{Span, Spanned};
