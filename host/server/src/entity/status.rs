//! Outcomes of statements that were distributed.

use calzone_engine::answer::{CommandState, CommandStatus};
use serde_json::{Value, json};

pub fn current_status(status: &CommandStatus) -> Value {
    json!({
        "commandId": status.command_id,
        "commandStatus": status_json(status),
        "commandSequenceNumber": status.sequence_number,
    })
}

/// The answer of `/status/…`.
pub fn status_json(status: &CommandStatus) -> Value {
    json!({ "status": command_state(status.state), "message": status.message, "queryId": status.query_id })
}

pub fn command_state(state: CommandState) -> &'static str {
    match state {
        CommandState::Queued => "QUEUED",
        CommandState::Parsing => "PARSING",
        CommandState::Executing => "EXECUTING",
        CommandState::Running => "RUNNING",
        CommandState::Terminated => "TERMINATED",
        CommandState::Success => "SUCCESS",
        CommandState::Error => "ERROR",
    }
}
