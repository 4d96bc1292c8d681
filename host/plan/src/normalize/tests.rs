use std::collections::BTreeMap;

use calzone_functions::{FunctionDefinition, Registry};
use calzone_sql::ast::{Grant, Statement};

use super::normalize;
use crate::plan::StepColumn;
use crate::{Catalog, PlanContext, PluginLookup, StageOffer, TopicLookup, create_source, create_type};

/// Topics that have two partitions, unless their name starts with `new`.
struct Topics;

impl TopicLookup for Topics {
    fn partitions(&self, topic: &str) -> Option<i32> {
        (!topic.starts_with("new") && topic == topic.to_lowercase()).then_some(2)
    }

    fn replicas(&self, topic: &str) -> Option<i32> {
        self.partitions(topic).map(|_| 1)
    }
}

struct NoPlugins;

impl PluginLookup for NoPlugins {
    fn stage(
        &self,
        _: &str,
        _: Option<&str>,
        _: &[(String, String)],
        _: &[Grant],
        _: &[StepColumn],
        _: &[usize],
    ) -> Result<StageOffer, String> {
        Err("no plugins".into())
    }

    fn function(&self, _: &str, _: Option<&str>) -> Result<FunctionDefinition, String> {
        Err("no plugins".into())
    }
}

/// The normal form over a stream, a table and a type; an empty text if there is none.
fn normal(text: &str) -> String {
    let mut catalog = Catalog { functions: Registry::built_in(), ..Catalog::default() };
    let properties = BTreeMap::new();
    for setup in [
        "CREATE TYPE place AS STRUCT<street VARCHAR, no INT>;",
        "CREATE STREAM visits (who VARCHAR KEY, n BIGINT, `to` place) WITH (KAFKA_TOPIC='visits', VALUE_FORMAT='JSON');",
        "CREATE TABLE people (who VARCHAR PRIMARY KEY, age INT) WITH (KAFKA_TOPIC='people', FORMAT='JSON');",
    ] {
        let parsed = calzone_sql::parse(setup, &properties).unwrap();
        let before = catalog.clone();
        let context = PlanContext { catalog: &before, properties: &properties, topics: &Topics, plugins: &NoPlugins };
        match &parsed[0].statement {
            Statement::CreateType { name, ty, .. } => {
                let ty = create_type(&context, false, name, ty).unwrap().unwrap();
                catalog.types.insert(name.node.clone(), ty);
            }
            Statement::CreateSource(create) => {
                let source = create_source(&context, create, setup).unwrap().source;
                catalog.sources.insert(source.name.to_string(), source.into());
            }
            _ => unreachable!("no other kind"),
        }
    }
    let context = PlanContext { catalog: &catalog, properties: &properties, topics: &Topics, plugins: &NoPlugins };
    let parsed = calzone_sql::parse(text, &properties).unwrap();
    normalize(&context, &parsed[0].statement).unwrap_or_default()
}

#[test]
fn declarations_have_all_their_properties() {
    for (text, expected) in [
        (
            "create stream a (x int, p place) with (value_format='delimited', kafka_topic='t', partitions=3);",
            "CREATE STREAM A (X INTEGER, P STRUCT<STREET STRING, NO INTEGER>) WITH (CLEANUP_POLICY='delete', KAFKA_TOPIC='t', KEY_FORMAT='KAFKA', PARTITIONS=3, VALUE_FORMAT='DELIMITED');",
        ),
        (
            "CREATE TABLE a (x INT PRIMARY KEY) WITH (KAFKA_TOPIC='t', FORMAT='json');",
            "CREATE TABLE A (X INTEGER PRIMARY KEY) WITH (CLEANUP_POLICY='compact', FORMAT='json', KAFKA_TOPIC='t');",
        ),
        (
            "CREATE STREAM a (x INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='hieroglyphs');",
            "CREATE STREAM A (X INTEGER) WITH (KAFKA_TOPIC='t', KEY_FORMAT='KAFKA', VALUE_FORMAT='HIEROGLYPHS');",
        ),
        ("CREATE STREAM a (x INT) WITH (KAFKA_TOPIC='t');", ""),
        ("CREATE STREAM a (x INT) WITH (VALUE_FORMAT='JSON');", ""),
        ("CREATE STREAM a (x nothing) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", ""),
        ("CREATE STREAM a (x INT, X INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", ""),
        ("CREATE STREAM a (x INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', COLOUR='blue');", ""),
    ] {
        assert_eq!(normal(text), expected, "{text}");
    }
}

#[test]
fn queries_name_sources_and_columns() {
    let stream = "CREATE STREAM X WITH (CLEANUP_POLICY='delete', KAFKA_TOPIC='X', PARTITIONS=2, REPLICAS=1, RETENTION_MS=604800000) AS SELECT";
    let table = "CREATE TABLE X WITH (CLEANUP_POLICY='compact', KAFKA_TOPIC='X', PARTITIONS=2, REPLICAS=1, RETENTION_MS=604800000) AS SELECT";
    let windowed = table.replace("'compact'", "'compact,delete'");
    for (text, expected) in [
        ("CREATE STREAM x AS SELECT * FROM visits;", format!("{stream} *\nFROM VISITS VISITS\nEMIT CHANGES;")),
        (
            "CREATE STREAM x AS SELECT who, n + 1, `to`->street, ROWTIME AS t FROM visits v WHERE n > 3 PARTITION BY n;",
            format!(
                "{stream}\n  V.WHO WHO,\n  (V.N + 1) KSQL_COL_0,\n  V.`to`->STREET STREET,\n  V.ROWTIME T\nFROM VISITS V\nWHERE (V.N > 3)\nPARTITION BY V.N\nEMIT CHANGES;"
            ),
        ),
        (
            "CREATE TABLE x AS SELECT who, COUNT(*) FROM visits WINDOW SESSION (30 SECONDS) GROUP BY who HAVING COUNT(*) > 1;",
            format!(
                "{windowed}\n  VISITS.WHO WHO,\n  COUNT(*) KSQL_COL_0\nFROM VISITS VISITS\nWINDOW SESSION ( 30 SECONDS ) \nGROUP BY VISITS.WHO\nHAVING (COUNT(*) > 1)\nEMIT CHANGES;"
            ),
        ),
        (
            "CREATE STREAM x AS SELECT v.who, age, v.n FROM visits v LEFT JOIN people p ON v.who = p.who;",
            format!(
                "{stream}\n  V.WHO V_WHO,\n  P.AGE AGE,\n  V.N N\nFROM VISITS V\nLEFT OUTER JOIN PEOPLE P ON ((V.WHO = P.WHO))\nEMIT CHANGES;"
            ),
        ),
        // Lambdas' parameters are no columns.
        (
            "CREATE STREAM x AS SELECT who, TRANSFORM(ARRAY[n], n => n + 1) AS a FROM visits;",
            format!(
                "{stream}\n  VISITS.WHO WHO,\n  TRANSFORM(ARRAY[VISITS.N], (N) => (N + 1)) A\nFROM VISITS VISITS\nEMIT CHANGES;"
            ),
        ),
        // What is wrong further on is shown as it is.
        ("CREATE TABLE x AS SELECT nope FROM visits;", format!("{table} NOPE NOPE\nFROM VISITS VISITS\nEMIT CHANGES;")),
        (
            "CREATE STREAM x AS SELECT a.who, a.n AS x FROM visits a JOIN visits b WITHIN 1 HOUR ON a.who = b.who;",
            format!(
                "{stream}\n  A.WHO A_WHO,\n  A.N X\nFROM VISITS A\nINNER JOIN VISITS B WITHIN 1 HOURS ON ((A.WHO = B.WHO))\nEMIT CHANGES;"
            ),
        ),
        ("CREATE STREAM x AS SELECT * FROM nowhere;", String::new()),
        ("CREATE STREAM x AS SELECT who FROM visits v JOIN people p ON v.who = p.who;", String::new()),
    ] {
        assert_eq!(normal(text), expected, "{text}");
    }
}

#[test]
fn other_statements_are_shown_as_typed() {
    assert_eq!(normal("DROP STREAM visits DELETE TOPIC;"), "DROP STREAM VISITS;");
    for text in
        ["drop stream visits;", "drop stream nowhere delete topic;", "INSERT INTO visits SELECT * FROM visits;", "SHOW STREAMS;"]
    {
        assert_eq!(normal(text), "", "{text}");
    }
}
