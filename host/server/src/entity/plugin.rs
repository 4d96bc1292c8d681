//! Plugins: uploads, lists and descriptions.

use calzone_engine::Uploaded;
use calzone_engine::answer::{PluginSummary, RevisionSummary};
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
                "functions": r.functions,
                "stages": r.stages,
                "errorPolicies": r.error_policies,
                "endpoint": r.endpoint,
                "imports": r.imports,
            })
        })
        .collect();
    value["revisions"] = revisions.into();
    value
}
