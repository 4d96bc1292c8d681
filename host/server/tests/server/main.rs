//! The real program, started on an empty folder and a free port, asked over both versions of HTTP.

mod cli;
mod endpoints;
mod harness;
mod inserts;
mod lifecycle;
mod plugin_life;
mod plugin_tools;
mod plugins;
mod routes;
mod rows;
mod signatures;
