//! Names of commands, by which `/status` finds their outcome: ``stream/`ORDERS`/create``, `type/ADDR/create`.

use calzone_sql::ast::{QuerySelection, RevisionTarget, SourceKind, Statement};

/// The id of a statement's command. Created sources are in backticks, as ksqlDB's clients know them.
pub fn command_id(statement: &Statement) -> String {
    let kind = |k: &SourceKind| match k {
        SourceKind::Stream => "stream",
        SourceKind::Table => "table",
    };
    let selection = |s: &QuerySelection, action: &str| match s {
        QuerySelection::All => format!("cluster/{action}/ALL"),
        QuerySelection::Id(id) => format!("{action}/{}/execute", id.node),
    };
    match statement {
        Statement::CreateSource(s) => format!("{}/`{}`/create", kind(&s.kind), s.name.node),
        Statement::CreateSourceAs(s) => format!("{}/`{}`/create", kind(&s.kind), s.name.node),
        Statement::InsertInto(s) => format!("stream/`{}`/create", s.name.node),
        Statement::DropSource(s) => format!("{}/{}/drop", kind(&s.kind), s.name.node),
        Statement::AlterSource { kind: k, name, .. } => format!("{}/{}/alter", kind(k), name.node),
        Statement::CreateType { name, .. } => format!("type/{}/create", name.node),
        Statement::DropType { name, .. } => format!("type/{}/drop", name.node),
        Statement::Terminate(s) => selection(s, "terminate"),
        Statement::Pause(s) => selection(s, "pause"),
        Statement::Resume(s) => selection(s, "resume"),
        Statement::CreateFunction(f) => format!("function/`{}`/create", f.name.node),
        Statement::DropFunction { name, .. } => format!("function/{}/drop", name.node),
        Statement::CreateStage(s) => format!("stage/`{}`/create", s.name.node),
        Statement::DropStage { name, .. } => format!("stage/{}/drop", name.node),
        Statement::PauseStage { name } => format!("stage/{}/pause", name.node),
        Statement::ResumeStage { name } => format!("stage/{}/resume", name.node),
        Statement::CreateErrorPolicy(p) => format!("errorpolicy/`{}`/create", p.name.node),
        Statement::DropErrorPolicy { name, .. } => format!("errorpolicy/{}/drop", name.node),
        Statement::CreateEndpoint(e) => format!("endpoint/`{}`/create", e.name.node),
        Statement::AlterEndpoint { name, .. } => format!("endpoint/{}/alter", name.node),
        Statement::DropEndpoint { name, .. } => format!("endpoint/{}/drop", name.node),
        Statement::AlterPluginSet { name, .. } => format!("plugin/{}/alter", name.node),
        Statement::AlterRevision { target, name, .. } | Statement::AlterGrants { target, name, .. } => {
            let target = match target {
                RevisionTarget::Plugin => "plugin",
                RevisionTarget::Stage => "stage",
                RevisionTarget::Function => "function",
            };
            format!("{target}/{}/alter", name.node)
        }
        _ => "statement/other/execute".to_owned(),
    }
}
