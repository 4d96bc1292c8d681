//! Plugins: uploads, lists and descriptions.

use calzone_engine::Uploaded;
use calzone_engine::answer::{DryRunQuery, LimitOrigin, PluginSummary, RevisionSummary};
use serde_json::{Value, json};

/// The answer to an upload.
pub fn uploaded_json(uploaded: &Uploaded) -> Value {
    of_revision(&uploaded.name, &uploaded.revision)
}

fn of_revision(name: &str, revision: &RevisionSummary) -> Value {
    json!({
        "name": name,
        "revision": revision.revision,
        "sha256": revision.sha256,
        "bytes": revision.bytes,
        "active": revision.active,
        "functions": revision.functions,
        "stages": revision.stages,
        "errorPolicies": revision.error_policies,
        "endpoint": revision.endpoint,
        "imports": revision.imports,
    })
}

/// DRY RUN.
pub fn dry_run_json(revision: i64, queries: &[DryRunQuery]) -> Value {
    let queries: Vec<Value> = queries
        .iter()
        .map(|query| {
            let examples: Vec<Value> = query
                .examples
                .iter()
                .map(|e| json!({ "topic": e.topic, "partition": e.partition, "offset": e.offset, "old": e.old, "new": e.new }))
                .collect();
            json!({ "queryId": query.query_id, "records": query.records, "differing": query.differing, "examples": examples })
        })
        .collect();
    json!({ "revision": revision, "queries": queries })
}

/// A plugin by its active revision, with the list of all.
pub fn plugin_json(plugin: &PluginSummary) -> Value {
    let active = plugin.revisions.iter().find(|r| r.active).or(plugin.revisions.last());
    let mut value = active.map_or_else(|| json!({ "name": plugin.name }), |r| of_revision(&plugin.name, r));
    value["author"] = plugin.author.as_str().into();
    value["version"] = plugin.version.as_str().into();
    value["usedBy"] = plugin.used_by.clone().into();
    let revisions: Vec<Value> = plugin
        .revisions
        .iter()
        .map(|r| {
            json!({
                "revision": r.revision,
                "sha256": r.sha256,
                "bytes": r.bytes,
                "active": r.active,
                "usedBy": r.used_by,
                "functions": r.functions,
                "stages": r.stages,
                "errorPolicies": r.error_policies,
                "endpoint": r.endpoint,
                "imports": r.imports,
            })
        })
        .collect();
    value["revisions"] = revisions.into();
    let limits: Vec<Value> = plugin
        .limits
        .iter()
        .map(|limit| {
            let origin = match limit.origin {
                LimitOrigin::Default => "DEFAULT",
                LimitOrigin::Server => "SERVER",
                LimitOrigin::Plugin => "PLUGIN",
            };
            json!({ "name": limit.name, "value": limit.value, "origin": origin })
        })
        .collect();
    value["limits"] = limits.into();
    value
}
