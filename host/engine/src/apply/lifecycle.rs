//! TERMINATE, PAUSE and RESUME.

use calzone_sql::ast::QuerySelection;

use super::Effect;
use crate::StatementError;
use crate::state::State;

pub fn terminate(state: &State, selection: &QuerySelection, text: &str) -> Result<Effect, StatementError> {
    let ids = select(state, selection, text)?;
    if let Some(stage) = state.stages.values().find(|s| ids.contains(&s.query_id) && matches!(selection, QuerySelection::Id(_))) {
        return Err(StatementError::bad_statement(
            format!("Query {} is stage {}: use DROP STAGE {}.", stage.query_id, stage.name, stage.name),
            text,
        ));
    }
    Ok(Effect::Terminate(ids.into_iter().filter(|id| !state.stages.values().any(|s| s.query_id == *id)).collect()))
}

pub fn pause(state: &State, selection: &QuerySelection, text: &str) -> Result<Effect, StatementError> {
    select(state, selection, text).map(Effect::Pause)
}

pub fn resume(state: &State, selection: &QuerySelection, text: &str) -> Result<Effect, StatementError> {
    select(state, selection, text).map(Effect::Resume)
}

fn select(state: &State, selection: &QuerySelection, text: &str) -> Result<Vec<String>, StatementError> {
    match selection {
        QuerySelection::All => Ok(state.queries.keys().cloned().collect()),
        QuerySelection::Id(id) => {
            let found = state.queries.keys().find(|known| known.eq_ignore_ascii_case(&id.node));
            found.map(|id| vec![id.clone()]).ok_or_else(|| {
                StatementError::bad_statement(format!("There is no query {}. SHOW QUERIES lists those that run.", id.node), text)
            })
        }
    }
}

pub fn set_paused(state: &mut State, ids: &[String], paused: bool) {
    for id in ids {
        let Some(query) = state.queries.get_mut(id) else { continue };
        query.paused = paused;
        match &query.runner {
            Some(runner) if paused => runner.pause(),
            Some(runner) => runner.resume(),
            None => {}
        }
    }
}
