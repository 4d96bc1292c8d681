//! Runs statements and queries in memory: the command `test-runner`, compatibility suites, and our own goldens.
//!
//! [`driver`] is a server without the server: the production parser, planner, operators and formats over topics in memory
//! under a clock that stands still. [`qtt`], [`rqtt`] and [`sql_tests`] each know how one kind of suite runs its cases and
//! what it compares; [`golden`] runs a folder of scripts; [`run`] runs many cases at a time. Nothing here knows a case.

pub mod driver;

mod actual;
mod case;
mod command;
mod compare;
mod decimal_text;
mod encode;
mod expected;
mod format_check;
pub mod golden;
mod outcome;
mod plugins;
mod post;
pub mod qtt;
mod report;
pub mod rqtt;
pub mod run;
pub mod sql_tests;

pub use case::Case;
pub use command::main;
pub use outcome::{Diff, Failure, Report, Status};
pub use plugins::{MakeEnvironment, Plugins};
