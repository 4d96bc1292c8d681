//! Answers to statements, for people.

use serde_json::Value;

use super::descriptions;
use super::table::Table;

/// The text of one answer, its warnings first.
pub fn text(answer: &Value) -> String {
    let mut out = String::new();
    for warning in array(&answer["warnings"]) {
        out.push_str(&format!("WARNING: {}\n", string(&warning["message"])));
    }
    out.push_str(&body(answer));
    out
}

fn body(answer: &Value) -> String {
    match answer["@type"].as_str().unwrap_or_default() {
        "currentStatus" => message(string(&answer["commandStatus"]["message"])),
        "warning_entity" => message(string(&answer["message"])),
        "terminate_query" => message(&format!("Query {} was terminated.", string(&answer["queryId"]))),
        "assert_topic" => {
            let state = if answer["exists"] == true { "exists" } else { "does not exist" };
            format!("\nTopic {} {state}.\n", string(&answer["topicName"]))
        }
        "streams" => sources("Stream Name", &answer["streams"]),
        "tables" => sources("Table Name", &answer["tables"]),
        "kafka_topics" => topics(&answer["topics"], false),
        "kafka_topics_extended" => topics(&answer["topics"], true),
        "queries" => queries(&answer["queries"]),
        "properties" => properties(answer),
        "function_names" => list(["Function Name", "Category"], &answer["functions"], |f| {
            vec![string(&f["name"]).to_owned(), string(&f["category"]).to_owned()]
        }),
        "type_list" => {
            let mut table = Table::new(["Type Name", "Schema"]);
            for (name, ty) in answer["types"].as_object().into_iter().flatten() {
                table.row([name.clone(), type_text(ty)]);
            }
            table.text()
        }
        "variables" => list(["Variable Name", "Value"], &answer["variables"], |v| {
            vec![string(&v["name"]).to_owned(), string(&v["value"]).to_owned()]
        }),
        "sourceDescription" => descriptions::source(&answer["sourceDescription"]),
        "source_descriptions" => array(&answer["sourceDescriptions"]).map(descriptions::source).collect(),
        "queryDescription" => descriptions::query(&answer["queryDescription"]),
        "query_descriptions" => array(&answer["queryDescriptions"]).map(descriptions::query).collect(),
        "describe_function" => descriptions::function(answer),
        "dry_run" => descriptions::dry_run(answer),
        "plugins" => plugins(&answer["plugins"]),
        "plugin_description" => descriptions::plugin(&answer["plugin"]),
        "stages" => list(["Stage", "From", "Into", "Plugin", "Revision", "State"], &answer["stages"], |s| {
            vec![
                string(&s["name"]).to_owned(),
                string(&s["from"]).to_owned(),
                strings(&s["into"]),
                string(&s["plugin"]).to_owned(),
                s["revision"].to_string(),
                string(&s["state"]).to_owned(),
            ]
        }),
        "error_policies" => list(["Error Policy", "Action", "Then", "Plugin", "Used By"], &answer["errorPolicies"], |p| {
            vec![
                string(&p["name"]).to_owned(),
                string(&p["action"]).to_owned(),
                string(&p["then"]).to_owned(),
                string(&p["plugin"]).to_owned(),
                strings(&p["usedBy"]),
            ]
        }),
        "error_policy_description" => descriptions::error_policy(&answer["errorPolicy"]),
        "locks" => list(["Key", "Partition", "Records", "Since", "Attempts", "Next Attempt", "Cause"], &answer["locks"], |l| {
            let time =
                |ms: &Value| ms.as_i64().map_or(String::new(), |ms| format!("{}Z", calzone_types::text::format_timestamp(ms)));
            vec![
                string(&l["key"]).to_owned(),
                l["partition"].to_string(),
                l["count"].to_string(),
                time(&l["since"]),
                l["attempts"].to_string(),
                time(&l["nextAttempt"]),
                string(&l["cause"]).to_owned(),
            ]
        }),
        "locks_released" => message(&format!("Locks of {} released: {}.", string(&answer["query"]), answer["released"])),
        "dead_letters_replayed" => {
            let (replayed, topic) = (&answer["replayed"], string(&answer["topic"]));
            let left = match answer["left"].as_u64() {
                None | Some(0) => String::new(),
                Some(n) => format!(" {n} name no topic that is there: REPLAY … INTO a query takes them too."),
            };
            message(&format!("Dead letters replayed from {topic}: {replayed}.{left}"))
        }
        "endpoints" => list(["Endpoint", "Path", "Listener", "Plugin", "Revision", "State"], &answer["endpoints"], |e| {
            vec![
                string(&e["name"]).to_owned(),
                string(&e["path"]).to_owned(),
                string(&e["listener"]).to_owned(),
                string(&e["plugin"]).to_owned(),
                e["revision"].to_string(),
                string(&e["state"]).to_owned(),
            ]
        }),
        "endpoint_description" => descriptions::endpoint(&answer["endpoint"]),
        "stage_description" => descriptions::stage(&answer["stage"]),
        // A server may know more than this program: better all of it than nothing.
        _ => format!("{}\n", super::pretty::pretty(answer)),
    }
}

pub fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The strings of an array, with commas between.
pub fn strings(value: &Value) -> String {
    array(value).filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// A table with a row for each element.
pub fn list<const N: usize>(header: [&str; N], elements: &Value, row: impl Fn(&Value) -> Vec<String>) -> String {
    let mut table = Table::new(header);
    for element in array(elements) {
        table.row(row(element));
    }
    table.text()
}

fn message(text: &str) -> String {
    let mut table = Table::new(["Message"]);
    table.row([text.to_owned()]);
    table.text()
}

fn sources(name: &str, sources: &Value) -> String {
    list([name, "Kafka Topic", "Key Format", "Value Format", "Windowed"], sources, |s| {
        vec![
            string(&s["name"]).to_owned(),
            string(&s["topic"]).to_owned(),
            string(&s["keyFormat"]).to_owned(),
            string(&s["valueFormat"]).to_owned(),
            s["isWindowed"].to_string(),
        ]
    })
}

fn topics(topics: &Value, extended: bool) -> String {
    let cells = |topic: &Value| {
        let replicas: Vec<String> = array(&topic["replicaInfo"]).map(Value::to_string).collect();
        let all_equal = replicas.windows(2).all(|pair| pair[0] == pair[1]);
        let shown = if all_equal { replicas.first().cloned().unwrap_or_default() } else { replicas.join(", ") };
        vec![string(&topic["name"]).to_owned(), replicas.len().to_string(), shown]
    };
    if extended {
        return list(["Kafka Topic", "Partitions", "Partition Replicas", "Consumers", "ConsumerGroups"], topics, |t| {
            let mut row = cells(t);
            row.extend([t["consumerCount"].to_string(), t["consumerGroupCount"].to_string()]);
            row
        });
    }
    list(["Kafka Topic", "Partitions", "Partition Replicas"], topics, cells)
}

fn queries(queries: &Value) -> String {
    let header = ["Query ID", "Query Type", "Status", "Sink Name", "Sink Kafka Topic", "Query String"];
    let text = list(header, queries, |q| {
        let status: Vec<String> =
            q["statusCount"].as_object().into_iter().flatten().map(|(state, count)| format!("{state}:{count}")).collect();
        vec![
            string(&q["id"]).to_owned(),
            string(&q["queryType"]).to_owned(),
            status.join(","),
            strings(&q["sinks"]),
            strings(&q["sinkKafkaTopics"]),
            string(&q["queryString"]).to_owned(),
        ]
    });
    format!("{text}For detailed information on a Query run: EXPLAIN <Query ID>;\n")
}

fn properties(answer: &Value) -> String {
    let has = |key: &str, name: &str| array(&answer[key]).any(|n| n == name);
    list(["Property", "Scope", "Default override", "Effective Value"], &answer["properties"], |p| {
        let name = string(&p["name"]);
        let origin = match (has("overwrittenProperties", name), has("defaultProperties", name)) {
            (true, _) => "SESSION",
            (false, true) => "",
            (false, false) => "SERVER",
        };
        let value = p["value"].as_str().unwrap_or("NULL");
        vec![name.to_owned(), string(&p["scope"]).to_owned(), origin.to_owned(), value.to_owned()]
    })
}

fn plugins(plugins: &Value) -> String {
    list(["Plugin", "Active Revision", "Revisions", "Functions", "Stages", "Used By"], plugins, |p| {
        vec![
            string(&p["name"]).to_owned(),
            p["revision"].to_string(),
            array(&p["revisions"]).count().to_string(),
            strings(&p["functions"]),
            strings(&p["stages"]),
            strings(&p["usedBy"]),
        ]
    })
}

/// A type as ksqlDB's command line writes it: `STRUCT<STREET VARCHAR(STRING), NO INTEGER>`.
pub fn type_text(ty: &Value) -> String {
    match string(&ty["type"]) {
        "STRING" => "VARCHAR(STRING)".to_owned(),
        "ARRAY" => format!("ARRAY<{}>", type_text(&ty["memberSchema"])),
        "MAP" => format!("MAP<STRING, {}>", type_text(&ty["memberSchema"])),
        "DECIMAL" => format!("DECIMAL({}, {})", ty["parameters"]["precision"], ty["parameters"]["scale"]),
        "STRUCT" => {
            let fields: Vec<String> =
                array(&ty["fields"]).map(|f| format!("{} {}", string(&f["name"]), type_text(&f["schema"]))).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        simple => simple.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_have_their_lists() {
        let cases = [
            (
                json!({ "@type": "streams", "warnings": [], "streams": [
                    { "type": "STREAM", "name": "BIG", "topic": "b", "keyFormat": "KAFKA", "valueFormat": "JSON", "isWindowed": false }
                ] }),
                "\n Stream Name | Kafka Topic | Key Format | Value Format | Windowed\n\
                 ------------------------------------------------------------------\n \
                 BIG         | b           | KAFKA      | JSON         | false\n\
                 ------------------------------------------------------------------\n",
            ),
            (
                json!({ "@type": "currentStatus", "commandStatus": { "message": "Stream created" }, "warnings": [{ "message": "w" }] }),
                "WARNING: w\n\n Message\n----------------\n Stream created\n----------------\n",
            ),
            (
                json!({ "@type": "kafka_topics", "topics": [
                    { "name": "t", "replicaInfo": [1, 1] }, { "name": "u", "replicaInfo": [1, 2] }
                ], "warnings": [] }),
                "\n Kafka Topic | Partitions | Partition Replicas\n\
                 -----------------------------------------------\n \
                 t           | 2          | 1\n \
                 u           | 2          | 1, 2\n\
                 -----------------------------------------------\n",
            ),
        ];
        for (answer, wanted) in cases {
            assert_eq!(text(&answer), wanted);
        }
    }

    #[test]
    fn unknown_answers_are_shown_as_they_are() {
        assert!(text(&json!({ "@type": "new_thing", "x": 1, "warnings": [] })).contains("new_thing"));
    }
}
