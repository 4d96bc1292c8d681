//! The syntax tree. Plain data; every name and expression knows its [`Span`].
//!
//! Names are folded when parsed: `abc` is `ABC`, `` `abc` `` and `"abc"` stay as they are.

use calzone_types::Value;

use crate::{Span, Spanned};

/// A folded identifier.
pub type Name = Spanned<String>;

/// A statement and the text it was parsed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub statement: Statement,
    /// The statement's own text with its semicolon, after variables were substituted. The tree's spans point into it.
    pub text: String,
}

/// A statement of ksqlDB or of ours.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    Query(Box<Query>),
    CreateSource(CreateSource),
    CreateSourceAs(CreateSourceAs),
    InsertInto(InsertInto),
    InsertValues(InsertValues),
    DropSource(DropSource),
    AlterSource {
        kind: SourceKind,
        name: Name,
        add_columns: Vec<(Name, TypeName)>,
    },
    CreateType {
        if_not_exists: bool,
        name: Name,
        ty: TypeName,
    },
    DropType {
        if_exists: bool,
        name: Name,
    },
    Terminate(QuerySelection),
    Pause(QuerySelection),
    Resume(QuerySelection),
    Explain(Explain),
    Print(Print),
    Show(Show),
    DescribeSource {
        name: Name,
        extended: bool,
    },
    DescribeFunction {
        name: Name,
    },
    DescribeConnector {
        name: Name,
    },
    DescribeStage {
        name: Name,
    },
    /// `ALTER STAGE|FUNCTION name GRANT|REVOKE (capability, …)`.
    AlterGrants {
        target: RevisionTarget,
        name: Name,
        revoke: bool,
        grants: Vec<Grant>,
    },
    DescribeEndpoint {
        name: Name,
    },
    /// Plugin names keep their case here and wherever they stand.
    DescribePlugin {
        name: Name,
    },
    DescribeErrorPolicy {
        name: Name,
    },
    Set {
        property: String,
        value: String,
    },
    Unset {
        property: String,
    },
    AlterSystem {
        property: String,
        value: String,
    },
    Define {
        variable: String,
        value: String,
    },
    Undefine {
        variable: String,
    },
    CreateConnector {
        kind: ConnectorKind,
        if_not_exists: bool,
        name: Name,
        properties: Vec<Property>,
    },
    DropConnector {
        if_exists: bool,
        name: Name,
    },
    AssertTopic {
        exists: bool,
        topic: Name,
        properties: Vec<Property>,
        timeout_ms: Option<u64>,
    },
    AssertSchema {
        exists: bool,
        subject: Option<Name>,
        id: Option<i64>,
        timeout_ms: Option<u64>,
    },
    AssertValues(InsertValues),
    AssertTombstone(InsertValues),
    AssertSource {
        kind: SourceKind,
        name: Name,
        elements: Vec<TableElement>,
        properties: Vec<Property>,
    },
    RunScript {
        path: String,
    },
    CreateFunction(CreateFunction),
    DropFunction {
        if_exists: bool,
        name: Name,
    },
    CreateStage(Box<CreateStage>),
    DropStage {
        if_exists: bool,
        name: Name,
    },
    PauseStage {
        name: Name,
    },
    ResumeStage {
        name: Name,
    },
    AlterRevision {
        target: RevisionTarget,
        name: Name,
        revision: i64,
        dry_run: Option<DryRun>,
    },
    AlterPluginSet {
        name: Name,
        settings: Vec<Property>,
    },
    CreateErrorPolicy(Box<CreateErrorPolicy>),
    DropErrorPolicy {
        if_exists: bool,
        name: Name,
    },
    CreateEndpoint(CreateEndpoint),
    AlterEndpoint {
        name: Name,
        change: EndpointChange,
    },
    DropEndpoint {
        if_exists: bool,
        name: Name,
    },
    ShowLocks {
        query: Name,
    },
    /// `RELEASE LOCK FOR query KEY key`, or `RELEASE LOCKS FOR query` without a key.
    ReleaseLock {
        query: Name,
        key: Option<Expr>,
    },
    ReplayDeadLetters {
        topic: Name,
        filter: Option<Expr>,
        limit: Option<u64>,
        into: Option<Name>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    Stream,
    Table,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectorKind {
    Source,
    Sink,
}

/// `KAFKA_TOPIC='t'` in a WITH clause. The name is upper case unless quoted. Settings of plugins (CONFIG, ALTER PLUGIN …
/// SET) are properties too, whose names keep their case.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    pub name: Name,
    pub value: Literal,
}

/// `CREATE [OR REPLACE] [SOURCE] STREAM|TABLE [IF NOT EXISTS] name (elements) WITH (…)`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSource {
    pub kind: SourceKind,
    pub or_replace: bool,
    pub is_source: bool,
    pub if_not_exists: bool,
    pub name: Name,
    pub elements: Vec<TableElement>,
    pub properties: Vec<Property>,
}

/// `CREATE STREAM|TABLE name [WITH (…)] AS query`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSourceAs {
    pub kind: SourceKind,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Name,
    pub properties: Vec<Property>,
    pub query: Box<Query>,
}

/// `INSERT INTO name [WITH (QUERY_ID='…')] SELECT …`.
#[derive(Clone, Debug, PartialEq)]
pub struct InsertInto {
    pub name: Name,
    pub properties: Vec<Property>,
    pub query: Box<Query>,
}

/// `INSERT INTO name [(columns)] VALUES (…)`; also the body of `ASSERT VALUES` and `ASSERT NULL VALUES`.
#[derive(Clone, Debug, PartialEq)]
pub struct InsertValues {
    pub name: Name,
    /// Empty: all columns of the source in order.
    pub columns: Vec<Name>,
    pub values: Vec<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DropSource {
    pub kind: SourceKind,
    pub if_exists: bool,
    pub name: Name,
    pub delete_topic: bool,
}

/// A column of a declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct TableElement {
    pub name: Name,
    pub ty: TypeName,
    pub role: ElementRole,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ElementRole {
    Value,
    Key,
    PrimaryKey,
    Headers,
    /// `HEADER('name')`
    Header(String),
}

/// A type as written; custom types are resolved by the planner.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeName {
    pub kind: TypeKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TypeKind {
    /// A built-in type without parts: BOOLEAN, INTEGER, BIGINT, DOUBLE, STRING, BYTES, DATE, TIME, TIMESTAMP,
    /// or DECIMAL with its parameters.
    Simple(calzone_types::SqlType),
    /// A name given by CREATE TYPE.
    Custom(String),
    Array(Box<TypeName>),
    Map(Box<TypeName>, Box<TypeName>),
    Struct(Vec<(Name, TypeName)>),
}

/// Which queries TERMINATE, PAUSE and RESUME mean.
#[derive(Clone, Debug, PartialEq)]
pub enum QuerySelection {
    All,
    /// Query ids are folded like names.
    Id(Name),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Explain {
    QueryId(Name),
    Statement(Box<Parsed>),
}

/// `PRINT topic [FROM BEGINNING] [INTERVAL n] [LIMIT n]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Print {
    /// Topic names keep their case.
    pub topic: Name,
    pub from_beginning: bool,
    pub interval: Option<u64>,
    pub limit: Option<u64>,
}

/// `SHOW …` and `LIST …`.
#[derive(Clone, Debug, PartialEq)]
pub enum Show {
    Streams {
        extended: bool,
    },
    Tables {
        extended: bool,
    },
    /// `DESCRIBE STREAMS`, `DESCRIBE TABLES`.
    DescribeSources {
        kind: SourceKind,
        extended: bool,
    },
    Topics {
        all: bool,
        extended: bool,
    },
    Queries {
        extended: bool,
    },
    Functions,
    Properties,
    Types,
    Variables,
    Connectors {
        kind: Option<ConnectorKind>,
    },
    ConnectorPlugins,
    Plugins,
    Stages,
    ErrorPolicies,
    Endpoints,
}

/// A SELECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub select: Vec<SelectItem>,
    pub from: Relation,
    pub window: Option<Window>,
    pub filter: Option<Expr>,
    pub group_by: Option<GroupBy>,
    pub partition_by: Vec<Expr>,
    pub having: Option<Expr>,
    /// None: no EMIT clause (pull query, or implied by CREATE … AS).
    pub emit: Option<Emit>,
    pub limit: Option<Spanned<u64>>,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    Changes,
    Final,
}

#[derive(Clone, Debug, PartialEq)]
pub struct GroupBy {
    pub expressions: Vec<Expr>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SelectItem {
    /// `*` or `source.*`
    All {
        source: Option<Name>,
        span: Span,
    },
    /// `struct_expression->*`
    StructAll {
        base: Expr,
        span: Span,
    },
    Expr {
        expr: Expr,
        alias: Option<Name>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Relation {
    /// An alias that repeats the name is None.
    Source {
        name: Name,
        alias: Option<Name>,
    },
    Join(Box<Join>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    pub left: Relation,
    /// Always a source: joins are left-deep.
    pub right: Relation,
    pub kind: JoinKind,
    pub within: Option<Within>,
    pub on: Expr,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// `WITHIN 1 HOUR`, `WITHIN (1 HOUR, 2 HOURS) GRACE PERIOD 5 MINUTES`; milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Within {
    pub before_ms: i64,
    pub after_ms: i64,
    pub grace_ms: Option<i64>,
    pub span: Span,
}

/// `WINDOW …`; milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    pub kind: WindowKind,
    pub retention_ms: Option<i64>,
    pub grace_ms: Option<i64>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum WindowKind {
    Tumbling { size_ms: i64 },
    Hopping { size_ms: i64, advance_ms: i64 },
    Session { gap_ms: i64 },
}

/// A literal. Numbers keep what ksqlDB's types need: a text with a point but no exponent is DECIMAL.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// Integer (fits 32 bits), Bigint, Decimal (`1.5`), Double (`1.5e0`), Varchar, Boolean, Null,
    /// Date/Time/Timestamp (`DATE '2020-01-01'`).
    pub value: Value,
    pub span: Span,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    Literal(Value),
    /// A column, a pseudo column, or a lambda's parameter: `a`, `source.a`.
    Column {
        source: Option<Name>,
        name: Name,
    },
    /// `base->field`
    Field {
        base: Box<Expr>,
        field: Name,
    },
    /// `base[index]`
    Subscript {
        base: Box<Expr>,
        index: Box<Expr>,
    },
    Arithmetic {
        op: ArithmeticOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Negate(Box<Expr>),
    /// Unary plus.
    Plus(Box<Expr>),
    /// `a || b`
    Concat {
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Compare {
        op: CompareOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    IsNull {
        negated: bool,
        operand: Box<Expr>,
    },
    Between {
        negated: bool,
        operand: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
    },
    In {
        negated: bool,
        operand: Box<Expr>,
        list: Vec<Expr>,
    },
    Like {
        negated: bool,
        operand: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<char>,
    },
    /// `CASE WHEN c THEN v … [ELSE e] END`
    SearchedCase {
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    /// `CASE operand WHEN v THEN r … [ELSE e] END`
    SimpleCase {
        operand: Box<Expr>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast {
        operand: Box<Expr>,
        ty: TypeName,
    },
    /// `f(a, b)`; the name is upper case. `COUNT(*)` has no arguments and `star`.
    Call {
        name: Name,
        arguments: Vec<Expr>,
        star: bool,
    },
    /// `(x, y) => body`; only as an argument of a call.
    Lambda {
        parameters: Vec<Name>,
        body: Box<Expr>,
    },
    /// `SECONDS` as in `TIMESTAMPADD(SECONDS, 1, ts)`: upper case, plural. Only as the first of several arguments of a
    /// call: a bare unit of time elsewhere is a column.
    IntervalUnit(String),
    /// `ARRAY[a, b]`
    Array(Vec<Expr>),
    /// `MAP(k := v, …)`
    Map(Vec<(Expr, Expr)>),
    /// `STRUCT(f := v, …)`
    Struct(Vec<(Name, Expr)>),
    /// `ts AT TIME ZONE 'z'`: parsed as ksqlDB's grammar has it, refused by the planner.
    AtTimeZone {
        operand: Box<Expr>,
        zone: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    IsDistinctFrom,
    IsNotDistinctFrom,
}

/// A declared parameter: its name, if given, and type.
pub type Parameter = (Option<Name>, TypeName);

/// `CREATE [OR REPLACE] FUNCTION [IF NOT EXISTS] f [(a VARCHAR, …) RETURNS type] USING PLUGIN 'p' [FUNCTION 'name']
/// [GRANT (…)]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateFunction {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Name,
    /// Declared types, which must fit what the plugin says of itself.
    pub declared: Option<(Vec<Parameter>, TypeName)>,
    pub plugin: Spanned<String>,
    pub function: Option<Spanned<String>>,
    pub grants: Vec<Grant>,
}

/// `CREATE STAGE [IF NOT EXISTS] s FROM source INTO sink [WITH (…)] USING PLUGIN 'p' [STAGE 'name'] [CONFIG (…)]
/// [GRANT (…)] [ON ERROR policy]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateStage {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Name,
    pub from: Name,
    /// Usually one; a routing stage has several.
    pub into: Vec<Name>,
    pub properties: Vec<Property>,
    pub plugin: Spanned<String>,
    pub stage: Option<Spanned<String>>,
    pub config: Vec<Property>,
    pub grants: Vec<Grant>,
    pub on_error: Option<Name>,
}

/// A capability: `RANDOM`, `CLOCK`, `LOG`, `KEY VALUE`, `HTTP TO 'host:port'`, `INSERT ON STREAM s`, `QUERY ON TABLE t`.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub kind: GrantKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum GrantKind {
    Random,
    Clock,
    Log,
    KeyValue,
    HttpTo(String),
    InsertOn(SourceKind, Name),
    QueryOn(SourceKind, Name),
}

/// What an `ALTER … USE REVISION` applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisionTarget {
    /// All that follow the plugin.
    Plugin,
    Stage,
    Function,
}

/// `DRY RUN … ON LAST n ROWS`.
#[derive(Clone, Debug, PartialEq)]
pub struct DryRun {
    pub last_rows: Option<u64>,
}

/// `CREATE ERROR POLICY p AS action [THEN action] [LOCK BY expr] [WITH (…)]` or `… USING PLUGIN 'x' …`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateErrorPolicy {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Name,
    pub body: ErrorPolicyBody,
    /// What records that wait for each other have in common; the key, if not given.
    pub lock_by: Option<Expr>,
    pub properties: Vec<Property>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ErrorPolicyBody {
    Actions { first: ErrorAction, then: Option<ErrorAction> },
    Plugin { plugin: Spanned<String>, policy: Option<Spanned<String>>, config: Vec<Property> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorAction {
    Skip,
    Stop,
    DeadLetter,
    Retry,
    RetryInOrder,
}

/// `CREATE ENDPOINT e ON '/path' USING PLUGIN 'p' [GRANT (…)] [LISTENER 'url']`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateEndpoint {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Name,
    pub path: String,
    pub plugin: Spanned<String>,
    pub config: Vec<Property>,
    pub grants: Vec<Grant>,
    pub listener: Option<String>,
}

/// What `ALTER ENDPOINT e …` changes.
#[derive(Clone, Debug, PartialEq)]
pub enum EndpointChange {
    /// `[USING PLUGIN 'p'] [CONFIG (…)]`: one of both at least.
    Code { plugin: Option<Spanned<String>>, config: Option<Vec<Property>> },
    /// `USE REVISION n`
    Revision(i64),
    /// `GRANT (…)` or `REVOKE (…)`
    Grants { revoke: bool, grants: Vec<Grant> },
}
