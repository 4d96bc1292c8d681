//! Queries under error policies, step by step on the embedded log and under a clock of the tests' own.

mod decisions;
mod kafka;
mod patterns;
mod world;
