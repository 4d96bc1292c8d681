//! DESCRIBE and EXPLAIN, for people.

use serde_json::Value;

use super::entities::{array, list, string, strings, type_text};

fn field(label: &str, value: &str) -> String {
    format!("{label:<20} : {value}\n")
}

/// Columns, those of the key marked.
fn fields(fields: &Value, key: &str, window: &str) -> String {
    let window = if window.is_empty() { String::new() } else { format!(" (Window type: {window})") };
    let text = list(["Field", "Type"], fields, |f| {
        let ty = type_text(&f["schema"]);
        let shown = match string(&f["type"]) {
            "KEY" => format!("{ty:<16} ({key}){window}"),
            "HEADER" => match f["headerKey"].as_str() {
                Some(name) => format!("{ty:<16} (header('{name}'))"),
                None => format!("{ty:<16} (headers)"),
            },
            _ => ty,
        };
        vec![string(&f["name"]).to_owned(), shown]
    });
    // Here the list follows other lines, not a prompt.
    text.trim_start_matches('\n').to_owned()
}

pub fn source(source: &Value) -> String {
    let key = if source["type"] == "TABLE" { "primary key" } else { "key" };
    let window = string(&source["windowType"]);
    let columns = fields(&source["fields"], key, window);
    let mut out = format!("\n{}", field("Name", string(&source["name"])));
    if source["extended"] != true {
        out.push_str(&columns);
        out.push_str("For runtime statistics and query details run: DESCRIBE <Stream,Table> EXTENDED;\n");
        return out;
    }
    let timestamp = Some(string(&source["timestamp"])).filter(|t| !t.is_empty()).unwrap_or("Not set - using <ROWTIME>");
    let topic =
        format!("{} (partitions: {}, replication: {})", string(&source["topic"]), source["partitions"], source["replication"]);
    for (label, value) in [
        ("Type", string(&source["type"])),
        ("Timestamp field", timestamp),
        ("Key format", string(&source["keyFormat"])),
        ("Value format", string(&source["valueFormat"])),
        ("Kafka topic", &topic),
        ("Statement", string(&source["statement"])),
    ] {
        out.push_str(&field(label, value));
    }
    out.push('\n');
    out.push_str(&columns);
    let kind = string(&source["type"]);
    if array(&source["sourceConstraints"]).next().is_some() {
        out.push_str(&section(
            "Sources that have a DROP constraint on this source",
            array(&source["sourceConstraints"]).map(|s| string(s).to_owned()),
        ));
    }
    for (what, key) in [("read from", "readQueries"), ("write from", "writeQueries")] {
        let lines: Vec<String> = array(&source[key])
            .map(|q| format!("{} ({}) : {}", string(&q["id"]), string(&q["state"]), string(&q["queryString"]).replace('\n', " ")))
            .collect();
        if !lines.is_empty() {
            out.push_str(&section(&format!("Queries that {what} this {kind}"), lines.into_iter()));
            out.push_str("\nFor query topology and execution plan please run: EXPLAIN <QueryId>\n");
        }
    }
    out.push_str("\nRuntime statistics by host\n-------------------------");
    out.push_str(&list(["Host", "Metric", "Value", "Last Message"], &source["clusterStatistics"], |m| {
        let at = m["timestamp"].as_i64().map_or(String::new(), |ms| format!("{}Z", calzone_types::text::format_timestamp(ms)));
        vec![string(&m["host"]).to_owned(), string(&m["name"]).to_owned(), m["value"].to_string(), at]
    }));
    for group in array(&source["queryOffsetSummaries"]) {
        out.push_str(&format!("\nConsumer Groups summary:\n\n{}", field("Consumer Group", string(&group["groupId"]))));
        for topic in array(&group["topicSummaries"]) {
            out.push_str(&topic_offsets(topic));
        }
    }
    out
}

fn topic_offsets(topic: &Value) -> String {
    let lag = |o: &Value| o["logEndOffset"].as_i64().unwrap_or(0) - o["consumerOffset"].as_i64().unwrap_or(0);
    let max_lag = array(&topic["offsets"]).map(lag).max().unwrap_or(0);
    let table = list(["Partition", "Start Offset", "End Offset", "Offset", "Lag"], &topic["offsets"], |o| {
        vec![
            o["partition"].to_string(),
            o["logStartOffset"].to_string(),
            o["logEndOffset"].to_string(),
            o["consumerOffset"].to_string(),
            lag(o).to_string(),
        ]
    });
    format!("\n{}{}{table}", field("Kafka topic", string(&topic["kafkaTopic"])), field("Max lag", &max_lag.to_string()))
}

fn section(title: &str, lines: impl Iterator<Item = String>) -> String {
    let mut out = format!("\n{title}\n{}\n", "-".repeat(title.len()));
    for line in lines {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

pub fn query(query: &Value) -> String {
    let mut out = format!("\n{}", field("ID", string(&query["id"])));
    out.push_str(&field("Query Type", string(&query["queryType"])));
    out.push_str(&field("SQL", string(&query["statementText"])));
    let hosts: Vec<String> = query["ksqlHostQueryStatus"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(host, state)| format!("{host}={}", string(state)))
        .collect();
    if !hosts.is_empty() {
        out.push_str(&field("Host Query Status", &format!("{{{}}}", hosts.join(", "))));
    }
    if !string(&query["pausedBecause"]).is_empty() {
        out.push_str(&field("Paused because", string(&query["pausedBecause"])));
    }
    out.push('\n');
    out.push_str(&fields(&query["fields"], "key", string(&query["windowType"])));
    let names = |key: &str| array(&query[key]).map(|s| string(s).to_owned()).collect::<Vec<_>>();
    let (sources, sinks) = (names("sources"), names("sinks"));
    if !sources.is_empty() {
        out.push_str(&section("Sources that this query reads from:", sources.into_iter()));
        out.push_str("\nFor source description please run: DESCRIBE [EXTENDED] <SourceId>\n");
    }
    if !sinks.is_empty() {
        out.push_str(&section("Sinks that this query writes to:", sinks.into_iter()));
    }
    if !string(&query["executionPlan"]).is_empty() {
        out.push_str(&section("Execution plan", std::iter::once(string(&query["executionPlan"]).trim_end().to_owned())));
    }
    let overridden: Vec<String> = query["overriddenProperties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name} = {}", string(value)))
        .collect();
    if !overridden.is_empty() {
        out.push_str(&section("Overridden properties", overridden.into_iter()));
    }
    let errors: Vec<String> = array(&query["queryErrors"]).map(|e| string(&e["errorMessage"]).to_owned()).collect();
    if !errors.is_empty() {
        out.push_str(&section("Errors", errors.into_iter()));
    }
    out
}

pub fn function(function: &Value) -> String {
    let short = |label: &str, value: &str| if value.is_empty() { String::new() } else { format!("{label:<11} : {value}\n") };
    let mut out = String::from("\n");
    let name = string(&function["name"]);
    for (label, value) in [
        ("Name", name),
        ("Author", string(&function["author"])),
        ("Version", string(&function["version"])),
        ("Overview", string(&function["description"])),
        ("Type", string(&function["type"])),
        ("Source", string(&function["path"])),
    ] {
        out.push_str(&short(label, value));
    }
    out.push_str("Variations  :\n");
    for variation in array(&function["functions"]) {
        let arguments: Vec<String> = array(&variation["arguments"])
            .map(|a| {
                let dots = if a["isVariadic"] == true { "..." } else { "" };
                format!("{} {}{dots}", string(&a["name"]), string(&a["type"])).trim_start().to_owned()
            })
            .collect();
        out.push_str(&format!("\n\t{:<11} : {name}({})\n", "Variation", arguments.join(", ")));
        out.push_str(&format!("\t{:<11} : {}\n", "Returns", string(&variation["returnType"])));
        if !string(&variation["description"]).is_empty() {
            out.push_str(&format!("\t{:<11} : {}\n", "Description", string(&variation["description"])));
        }
        for argument in array(&variation["arguments"]).filter(|a| !string(&a["description"]).is_empty()) {
            out.push_str(&format!("\t{:<11} : {}\n", string(&argument["name"]), string(&argument["description"])));
        }
    }
    out
}

pub fn plugin(plugin: &Value) -> String {
    let mut out = format!("\n{}", field("Name", string(&plugin["name"])));
    for (label, value) in [
        ("Author", string(&plugin["author"]).to_owned()),
        ("Version", string(&plugin["version"]).to_owned()),
        ("Functions", strings(&plugin["functions"])),
        ("Stages", strings(&plugin["stages"])),
        ("Error policies", strings(&plugin["errorPolicies"])),
        ("Imports", strings(&plugin["imports"])),
        ("Used by", strings(&plugin["usedBy"])),
    ] {
        if !value.is_empty() {
            out.push_str(&field(label, &value));
        }
    }
    out.push_str(&list(["Revision", "Active", "Bytes", "Used By", "SHA-256"], &plugin["revisions"], |r| {
        vec![
            r["revision"].to_string(),
            r["active"].to_string(),
            r["bytes"].to_string(),
            strings(&r["usedBy"]),
            string(&r["sha256"]).to_owned(),
        ]
    }));
    out.push_str(&list(["Limit", "Value", "Set By"], &plugin["limits"], |l| {
        let origin = string(&l["origin"]);
        let set_by = if origin == "DEFAULT" { String::new() } else { origin.to_owned() };
        vec![string(&l["name"]).to_owned(), l["value"].to_string(), set_by]
    }));
    out
}

pub fn error_policy(policy: &Value) -> String {
    let mut out = format!("\n{}", field("Name", string(&policy["name"])));
    let action = match (policy["action"].as_str(), policy["then"].as_str()) {
        (Some(action), Some(then)) => format!("{action} THEN {then}"),
        (action, _) => action.unwrap_or_default().to_owned(),
    };
    let plugin = match policy["plugin"].as_str() {
        Some(plugin) => format!("{plugin} (policy {}, revision {})", string(&policy["policy"]), policy["revision"]),
        None => String::new(),
    };
    for (label, value) in [
        ("Action", action),
        ("Plugin", plugin),
        ("Locked by", string(&policy["lockBy"]).to_owned()),
        ("Used by", strings(&policy["usedBy"])),
        ("Statement", string(&policy["statement"]).to_owned()),
    ] {
        if !value.is_empty() {
            out.push_str(&field(label, &value));
        }
    }
    let mut table = super::table::Table::new(["Setting", "Value"]);
    for (name, value) in
        policy["settings"].as_object().into_iter().flatten().chain(policy["config"].as_object().into_iter().flatten())
    {
        table.row([name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)]);
    }
    out + &table.text()
}

pub fn dry_run(answer: &Value) -> String {
    let mut out = String::new();
    for query in array(&answer["queries"]) {
        let (id, differing) = (string(&query["queryId"]), &query["differing"]);
        let title = format!("{id}: revision {} differs for {differing} of {} records", answer["revision"], query["records"]);
        out.push_str(&format!("\n{title}\n"));
        if array(&query["examples"]).next().is_some() {
            out.push_str(&list(["Topic", "Partition", "Offset", "Now", "Then"], &query["examples"], |e| {
                let place = [string(&e["topic"]).to_owned(), e["partition"].to_string(), e["offset"].to_string()];
                place.into_iter().chain([strings(&e["old"]), strings(&e["new"])]).collect()
            }));
        }
    }
    if out.is_empty() { "\nNo query runs the code that would change.\n".to_owned() } else { out }
}

pub fn stage(stage: &Value) -> String {
    let mut out = format!("\n{}", field("Name", string(&stage["name"])));
    let plugin = format!("{} (stage {}, revision {})", string(&stage["plugin"]), string(&stage["stage"]), stage["revision"]);
    let config: Vec<String> =
        stage["config"].as_object().into_iter().flatten().map(|(k, v)| format!("{k} = {}", string(v))).collect();
    for (label, value) in [
        ("Query", string(&stage["queryId"]).to_owned()),
        ("From", string(&stage["from"]).to_owned()),
        ("Into", strings(&stage["into"])),
        ("Plugin", plugin),
        ("State", string(&stage["state"]).to_owned()),
        ("Paused because", string(&stage["pausedBecause"]).to_owned()),
        ("Config", config.join(", ")),
        ("Granted", strings(&stage["grants"])),
        ("On error", string(&stage["errorPolicy"]).to_owned()),
    ] {
        if !value.is_empty() {
            out.push_str(&field(label, &value));
        }
    }
    out.push('\n');
    out.push_str(&fields(&stage["fields"], "key", ""));
    out.push_str(&list(["Partition", "Revisions", "Records", "Errors", "Time in plugin"], &stage["partitions"], |p| {
        let revisions: Vec<String> =
            array(&p["revisions"]).map(|b| format!("{} since offset {}", b["revision"], b["sinceOffset"])).collect();
        let micros = p["guestMicros"].as_u64().unwrap_or(0);
        vec![
            p["partition"].to_string(),
            revisions.join(", "),
            p["records"].to_string(),
            p["errors"].to_string(),
            format!("{}.{:03} ms", micros / 1000, micros % 1000),
        ]
    }));
    out
}

pub fn endpoint(endpoint: &Value) -> String {
    let mut out = format!("\n{}", field("Name", string(&endpoint["name"])));
    let config: Vec<String> =
        endpoint["config"].as_object().into_iter().flatten().map(|(k, v)| format!("{k} = {}", string(v))).collect();
    for (label, value) in [
        ("Description", string(&endpoint["description"]).to_owned()),
        ("Path", string(&endpoint["path"]).to_owned()),
        ("Listener", string(&endpoint["listener"]).to_owned()),
        ("Plugin", format!("{} (revision {})", string(&endpoint["plugin"]), endpoint["revision"])),
        ("State", string(&endpoint["state"]).to_owned()),
        ("Error", string(&endpoint["error"]).to_owned()),
        ("Config", config.join(", ")),
        ("Granted", strings(&endpoint["grants"])),
        ("Requests", endpoint["requests"].to_string()),
        ("Failures", endpoint["failures"].to_string()),
    ] {
        if !value.is_empty() {
            out.push_str(&field(label, &value));
        }
    }
    out.push_str(&list(["Method", "Path", "Description"], &endpoint["routes"], |r| {
        vec![string(&r["method"]).to_owned(), string(&r["path"]).to_owned(), string(&r["description"]).to_owned()]
    }));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_short_description() {
        let plain = |name: &str| json!({ "type": name, "fields": null, "memberSchema": null });
        let described = json!({ "name": "CLI_ORDERS", "type": "STREAM", "windowType": null, "extended": false, "fields": [
            { "name": "ID", "schema": plain("BIGINT"), "type": "KEY" },
            { "name": "USR", "schema": plain("STRING") },
        ] });
        assert_eq!(
            source(&described),
            "\nName                 : CLI_ORDERS\n Field | Type\n--------------------------------\n \
             ID    | BIGINT           (key)\n USR   | VARCHAR(STRING)\n--------------------------------\n\
             For runtime statistics and query details run: DESCRIBE <Stream,Table> EXTENDED;\n"
        );
    }
}
