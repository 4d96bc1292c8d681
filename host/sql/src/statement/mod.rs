//! Statements: one kind a file, which reads and prints it.

mod alter;
mod asserts;
mod connector;
mod create_source;
mod create_type;
mod dead_letters;
mod describe;
mod drop;
mod endpoint;
mod error_policy;
mod explain;
mod insert;
mod join;
mod locks;
mod plugin;
mod print;
mod property;
mod queries;
mod query;
mod session;
mod show;
mod stage;
mod window;

use crate::ast::{SourceKind, Statement};
use crate::parser::{Parser, Parsing};

/// Words a statement can start with.
const FIRST_WORDS: &[&str] = &[
    "SELECT",
    "CREATE",
    "INSERT",
    "DROP",
    "ALTER",
    "SHOW",
    "LIST",
    "DESCRIBE",
    "EXPLAIN",
    "PRINT",
    "TERMINATE",
    "PAUSE",
    "RESUME",
    "SET",
    "UNSET",
    "DEFINE",
    "UNDEFINE",
    "ASSERT",
    "RUN",
    "DRY",
    "RELEASE",
    "REPLAY",
];

/// A statement without its semicolon.
pub(crate) fn statement(p: &mut Parser) -> Parsing<Statement> {
    if p.is("SELECT") {
        return Ok(Statement::Query(Box::new(query::query(p)?)));
    }
    if p.take("CREATE") {
        return create(p);
    }
    if p.take("INSERT") {
        return insert::insert(p);
    }
    if p.take("DROP") {
        return drop::drop(p);
    }
    if p.take("ALTER") {
        return alter::alter(p);
    }
    if p.take("SHOW") || p.take("LIST") {
        return show::show(p);
    }
    if p.take("DESCRIBE") {
        return describe::describe(p);
    }
    if p.take("EXPLAIN") {
        return explain::explain(p);
    }
    if p.take("PRINT") {
        return print::print(p);
    }
    if p.take("TERMINATE") {
        return queries::terminate(p);
    }
    if p.take("PAUSE") {
        return queries::pause(p);
    }
    if p.take("RESUME") {
        return queries::resume(p);
    }
    if p.take("ASSERT") {
        return asserts::assert(p);
    }
    if p.take("DRY") {
        return plugin::dry_run(p);
    }
    if p.take("RELEASE") {
        return locks::release(p);
    }
    if p.take("REPLAY") {
        return dead_letters::replay(p);
    }
    match session::session(p)? {
        Some(statement) => Ok(statement),
        None => Err(p.expected_one_of(FIRST_WORDS, "a statement (it starts with a word such as SELECT, CREATE, INSERT or SHOW)")),
    }
}

/// What follows CREATE.
fn create(p: &mut Parser) -> Parsing<Statement> {
    let or_replace = p.take("OR");
    if or_replace {
        p.expect("REPLACE", "after CREATE OR")?;
    }
    if p.take("FUNCTION") {
        return plugin::create_function(p, or_replace);
    }
    if p.take("STAGE") {
        return stage::create(p, or_replace);
    }
    if p.take_all(&["ERROR", "POLICY"]) {
        return error_policy::create(p, or_replace);
    }
    if p.take("ENDPOINT") {
        return endpoint::create(p, or_replace);
    }
    let is_connector = (p.is("SOURCE") || p.is("SINK")) && p.is_at(1, "CONNECTOR");
    if or_replace && (is_connector || p.is("TYPE")) {
        return Err(p.fault_here("OR REPLACE is for streams, tables, functions, stages, error policies and endpoints".into()));
    }
    if is_connector {
        return connector::create(p);
    }
    if p.take("TYPE") {
        return create_type::create(p);
    }
    create_source::create(p, or_replace)
}

/// `STREAM` or `TABLE`.
fn source_kind(p: &mut Parser, place: &str) -> Parsing<SourceKind> {
    if p.take("STREAM") {
        return Ok(SourceKind::Stream);
    }
    p.take("TABLE").then_some(SourceKind::Table).ok_or_else(|| p.expected_words(&["STREAM", "TABLE"], place))
}

fn kind_text(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Stream => "STREAM",
        SourceKind::Table => "TABLE",
    }
}

/// The statement's canonical text without its semicolon.
pub(crate) fn format(out: &mut String, statement: &Statement) {
    match statement {
        Statement::Query(query) => query::format(out, query),
        Statement::CreateSource(create) => create_source::format(out, create),
        Statement::CreateSourceAs(create) => create_source::format_as(out, create),
        Statement::InsertInto(insert) => insert::format_into(out, insert),
        Statement::InsertValues(insert) => insert::format_values(out, insert),
        Statement::DropSource(source) => drop::format_source(out, source),
        Statement::AlterSource { kind, name, add_columns } => alter::format_source(out, *kind, name, add_columns),
        Statement::CreateType { if_not_exists, name, ty } => create_type::format(out, *if_not_exists, name, ty),
        Statement::DropType { if_exists, name } => drop::format_named(out, "TYPE", *if_exists, name),
        Statement::Terminate(selection) => queries::format(out, "TERMINATE", selection),
        Statement::Pause(selection) => queries::format(out, "PAUSE", selection),
        Statement::Resume(selection) => queries::format(out, "RESUME", selection),
        Statement::Explain(explain) => explain::format(out, explain),
        Statement::Print(print) => print::format(out, print),
        Statement::Show(show) => show::format(out, show),
        Statement::DescribeSource { name, extended } => describe::format_source(out, name, *extended),
        Statement::DescribeFunction { name } => describe::format(out, "FUNCTION", name),
        Statement::DescribeConnector { name } => describe::format(out, "CONNECTOR", name),
        Statement::DescribeStage { name } => describe::format(out, "STAGE", name),
        Statement::DescribeEndpoint { name } => describe::format(out, "ENDPOINT", name),
        Statement::DescribePlugin { name } => describe::format_plugin(out, name),
        Statement::DescribeErrorPolicy { name } => describe::format(out, "ERROR POLICY", name),
        Statement::Set { property, value } => session::format_set(out, "SET", property, value),
        Statement::AlterSystem { property, value } => session::format_set(out, "ALTER SYSTEM", property, value),
        Statement::Unset { property } => session::format_unset(out, property),
        Statement::Define { variable, value } => session::format_define(out, variable, value),
        Statement::Undefine { variable } => session::format_undefine(out, variable),
        Statement::RunScript { path } => session::format_run(out, path),
        Statement::CreateConnector { kind, if_not_exists, name, properties } => {
            connector::format(out, *kind, *if_not_exists, name, properties);
        }
        Statement::DropConnector { if_exists, name } => drop::format_named(out, "CONNECTOR", *if_exists, name),
        Statement::AssertTopic { exists, topic, properties, timeout_ms } => {
            asserts::format_topic(out, *exists, topic, properties, *timeout_ms);
        }
        Statement::AssertSchema { exists, subject, id, timeout_ms } => {
            asserts::format_schema(out, *exists, subject.as_ref(), *id, *timeout_ms);
        }
        Statement::AssertValues(values) => asserts::format_values(out, values),
        Statement::AssertTombstone(values) => asserts::format_tombstone(out, values),
        Statement::AssertSource { kind, name, elements, properties } => {
            asserts::format_source(out, *kind, name, elements, properties);
        }
        Statement::CreateFunction(create) => plugin::format_create_function(out, create),
        Statement::DropFunction { if_exists, name } => drop::format_named(out, "FUNCTION", *if_exists, name),
        Statement::CreateStage(create) => stage::format(out, create),
        Statement::DropStage { if_exists, name } => drop::format_named(out, "STAGE", *if_exists, name),
        Statement::PauseStage { name } => queries::format_stage(out, "PAUSE", name),
        Statement::ResumeStage { name } => queries::format_stage(out, "RESUME", name),
        Statement::AlterRevision { target, name, revision, dry_run } => {
            plugin::format_revision(out, *target, name, *revision, dry_run.as_ref());
        }
        Statement::AlterGrants { target, name, revoke, grants } => plugin::format_grants(out, *target, name, *revoke, grants),
        Statement::AlterPluginSet { name, settings } => plugin::format_set(out, name, settings),
        Statement::CreateErrorPolicy(create) => error_policy::format(out, create),
        Statement::DropErrorPolicy { if_exists, name } => drop::format_named(out, "ERROR POLICY", *if_exists, name),
        Statement::CreateEndpoint(create) => endpoint::format(out, create),
        Statement::AlterEndpoint { name, change } => endpoint::format_alter(out, name, change),
        Statement::DropEndpoint { if_exists, name } => drop::format_named(out, "ENDPOINT", *if_exists, name),
        Statement::ShowLocks { query } => locks::format_show(out, query),
        Statement::ReleaseLock { query, key } => locks::format_release(out, query, key.as_ref()),
        Statement::ReplayDeadLetters { topic, filter, limit, into } => {
            dead_letters::format(out, topic, filter.as_ref(), *limit, into.as_ref());
        }
    }
}

/// `CREATE [OR REPLACE] what [IF NOT EXISTS] `
fn format_create(out: &mut String, or_replace: bool, what: &str, if_not_exists: bool) {
    out.push_str("CREATE ");
    if or_replace {
        out.push_str("OR REPLACE ");
    }
    out.push_str(what);
    out.push(' ');
    if if_not_exists {
        out.push_str("IF NOT EXISTS ");
    }
}
