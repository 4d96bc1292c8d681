//! What must hold after a query test: sources with their schemas and formats, and topics.

use calzone_plan::{KeyWindow, Source, WindowType};
use calzone_sql::ast::{ElementRole, Statement};
use serde_json::Value as Json;

use crate::case::{KeyFormatSpec, Post, PostTopic, SourceSpec};
use crate::driver::Driver;
use crate::outcome::Failure;
use crate::qtt::kind_word;

/// Checks everything that is demanded.
pub fn check(driver: &Driver, post: &Post) -> Result<(), Failure> {
    let fail = |reason: String| Failure::new("post", reason);
    post.sources.iter().try_for_each(|wanted| check_source(driver, wanted)).map_err(fail)?;
    let Some(topics) = &post.topics else { return Ok(()) };
    if let Some(pattern) = &topics.blacklist {
        let pattern = regex::Regex::new(pattern).map_err(|error| fail(error.to_string()))?;
        let internal = driver.queries().iter().flat_map(|query| query.internal_topics.iter().map(String::as_str));
        if let Some(name) = driver.topics.names().chain(internal).find(|name| pattern.is_match(name)) {
            return Err(fail(format!("there must be no topic like {pattern}, but there is {name}")));
        }
    }
    topics.topics.iter().try_for_each(|wanted| check_topic(driver, wanted)).map_err(fail)
}

fn check_source(driver: &Driver, wanted: &SourceSpec) -> Result<(), String> {
    let found = driver.catalog().sources.get(&wanted.name).ok_or_else(|| format!("there is no source {}", wanted.name))?;
    let differs =
        |what: &str, expected: &str, actual: &str| Err(format!("{}: {what} must be {expected}, but is {actual}", wanted.name));
    if !wanted.kind.eq_ignore_ascii_case(kind_word(found.kind)) {
        return differs("kind", &wanted.kind, kind_word(found.kind));
    }
    if let Some(schema) = &wanted.schema {
        let expected = canonical_schema(schema)?;
        let actual = found.schema.to_string();
        if expected != actual {
            return differs("schema", &expected, &actual);
        }
    }
    if let Some(format) = &wanted.key_format {
        check_key_format(format, found)?;
    }
    if let Some(format) = wanted.value_format.as_ref().and_then(format_name)
        && !format.eq_ignore_ascii_case(found.value_format.format.name())
    {
        return differs("value format", &format, found.value_format.format.name());
    }
    match wanted.is_source {
        Some(is_source) if is_source != found.is_source => {
            differs("read-only", &is_source.to_string(), &found.is_source.to_string())
        }
        _ => Ok(()),
    }
}

fn check_key_format(wanted: &KeyFormatSpec, found: &Source) -> Result<(), String> {
    if let Some(format) = &wanted.format
        && !format.eq_ignore_ascii_case(found.key_format.format.name())
    {
        return Err(format!("{}: key format must be {format}, but is {}", found.name, found.key_format.format.name()));
    }
    let word = |window: KeyWindow| match window.kind {
        WindowType::Tumbling => "TUMBLING",
        WindowType::Hopping => "HOPPING",
        WindowType::Session => "SESSION",
    };
    let kind = found.window.map(word);
    if kind != wanted.window_type.as_deref() || found.window.and_then(|window| window.size_ms) != wanted.window_size {
        return Err(format!(
            "{}: window must be {:?} of {:?}, but is {:?}",
            found.name, wanted.window_type, wanted.window_size, found.window
        ));
    }
    Ok(())
}

fn format_name(format: &Json) -> Option<String> {
    format.as_str().or_else(|| format["format"].as_str()).map(str::to_owned)
}

fn check_topic(driver: &Driver, wanted: &PostTopic) -> Result<(), String> {
    // Names of internal topics are an affair of the engine below.
    let Some(found) = driver.topics.get(&wanted.name) else { return Ok(()) };
    if let Some(partitions) = wanted.partitions.filter(|partitions| *partitions != found.partitions) {
        return Err(format!("topic {} must have {partitions} partitions, but has {}", wanted.name, found.partitions));
    }
    let Some(source) = driver.source_of_topic(&wanted.name) else { return Ok(()) };
    for (what, format, actual) in
        [("key", &wanted.key_format, &source.key_format), ("value", &wanted.value_format, &source.value_format)]
    {
        if let Some(format) = format.as_ref().and_then(format_name)
            && !format.eq_ignore_ascii_case(actual.format.name())
        {
            return Err(format!("topic {}: {what} format must be {format}, but is {}", wanted.name, actual.format.name()));
        }
    }
    Ok(())
}

/// A list of columns as schemas print themselves.
fn canonical_schema(text: &str) -> Result<String, String> {
    let statement = format!("CREATE STREAM S ({text}) WITH (KAFKA_TOPIC='s');");
    let parsed =
        calzone_sql::parse_statement(&statement).map_err(|error| format!("the expected schema cannot be read: {error}"))?;
    let Statement::CreateSource(create) = parsed.statement else {
        return Err("the expected schema is no list of columns".into());
    };
    let column = |element: &calzone_sql::ast::TableElement| {
        let role = match &element.role {
            ElementRole::Value => String::new(),
            ElementRole::Key | ElementRole::PrimaryKey => " KEY".to_owned(),
            ElementRole::Headers => " HEADERS".to_owned(),
            ElementRole::Header(name) => format!(" HEADER('{name}')"),
        };
        let ty = sql_type(&element.ty)?;
        Ok(format!("`{}` {ty}{role}", element.name.node.replace('`', "``")))
    };
    let columns: Result<Vec<String>, String> = create.elements.iter().map(column).collect();
    Ok(columns?.join(", "))
}

fn sql_type(ty: &calzone_sql::ast::TypeName) -> Result<calzone_types::SqlType, String> {
    use calzone_sql::ast::TypeKind;
    use calzone_types::{Field, SqlType};
    match &ty.kind {
        TypeKind::Simple(ty) => Ok(ty.clone()),
        TypeKind::Custom(name) => Err(format!("the expected schema names a type {name}")),
        TypeKind::Array(element) => Ok(SqlType::array(sql_type(element)?)),
        TypeKind::Map(key, value) => Ok(SqlType::map(sql_type(key)?, sql_type(value)?)),
        TypeKind::Struct(fields) => {
            let fields: Result<Vec<Field>, String> =
                fields.iter().map(|(name, ty)| Ok(Field::new(name.node.as_str(), sql_type(ty)?))).collect();
            Ok(SqlType::structure(fields?))
        }
    }
}
