//! What servers of a cluster ask each other, and what this one answers.

use calzone_sql::ast::Statement;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{LocksAnswer, LocksRequest, PeerRequest, PullAnswer, PullRequest, ReleaseAnswer, ReleaseRequest};
use crate::engine::Engine;
use crate::query::now_ms;
use crate::{ErrorKind, Session, StatementError};

pub(crate) const PULL_PATH: &str = "/internal/pull";
pub(crate) const LOCKS_PATH: &str = "/internal/locks";
pub(crate) const RELEASE_PATH: &str = "/internal/release";

impl Engine {
    /// Asks all other servers the same; those that do not answer are named in warnings.
    pub(crate) fn ask_all<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &'static str,
        question: &Q,
        session: &Session,
    ) -> (Vec<A>, Vec<String>) {
        let Some(cluster) = &self.cluster else { return (Vec::new(), Vec::new()) };
        let others = cluster.others();
        let request = |address: &String| PeerRequest {
            address: address.clone(),
            path,
            authorization: session.authorization.clone(),
            body: write(question),
            timeout: cluster.settings.forwarding_timeout,
        };
        let given = match others.is_empty() {
            true => Vec::new(),
            false => cluster.transport.ask(others.iter().map(request).collect()),
        };
        let (mut answers, mut warnings) = (Vec::new(), Vec::new());
        for (address, answer) in others.iter().zip(given) {
            let read = match answer {
                Ok(answer) if answer.status == 200 => serde_json::from_slice(&answer.body).map_err(|e| e.to_string()),
                Ok(answer) => Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body))),
                Err(reason) => {
                    cluster.members().note_failure(address, now_ms());
                    Err(reason)
                }
            };
            match read {
                Ok(answer) => answers.push(answer),
                Err(reason) => warnings.push(format!("Server {address} did not take part: {reason}.")),
            }
        }
        (answers, warnings)
    }

    /// Answers a request that another server sent to `/internal/<what>`.
    ///
    /// # Errors
    /// `BadStatement` if the statement is to blame, `NotFound` for an unknown kind of request.
    pub fn answer_peer(&self, what: &str, body: &[u8]) -> Result<Vec<u8>, StatementError> {
        match what {
            "pull" => self.answer_pull(&read(body)?),
            "locks" => {
                let request: LocksRequest = read(body)?;
                let locks = self.own_locks(&request.query, request.limit)?;
                Ok(write(&LocksAnswer { locks: locks.into_iter().map(|(_, summary)| summary).collect() }))
            }
            "release" => {
                let request: ReleaseRequest = read(body)?;
                let released = self.release_own(&request.query, request.key.as_deref())?;
                Ok(write(&ReleaseAnswer { released }))
            }
            _ => Err(StatementError::new(ErrorKind::NotFound, format!("servers do not ask each other for '{what}'"))),
        }
    }

    fn answer_pull(&self, request: &PullRequest) -> Result<Vec<u8>, StatementError> {
        let unavailable = |message: &str| StatementError::new(ErrorKind::Unavailable, message);
        if self.is_stopping() {
            return Err(unavailable("the server is stopping"));
        }
        let Some(cluster) = &self.cluster else { return Err(unavailable("the server is in no cluster")) };
        if request.applied > 0 {
            self.await_applied(request.applied - 1)?;
        }
        let session =
            Session { properties: request.properties.clone(), variables: request.variables.clone(), ..Session::default() };
        let statements = calzone_sql::parse(&request.statement, self.variables(&session))
            .map_err(|e| StatementError::bad_statement(e.to_string(), &request.statement))?;
        let [parsed] = statements.as_slice() else { return Err(StatementError::bad_request("one statement is expected")) };
        let Statement::Query(query) = &parsed.statement else {
            return Err(StatementError::bad_request("a SELECT is expected"));
        };
        let pull = self.plan_pull(query, &parsed.text, &session)?;
        if pull.keeper != request.query {
            // The table was replaced between the two plans.
            return Err(unavailable("the table is kept by another query now"));
        }
        let kept = self.kept_here(cluster, &pull, request.standbys);
        let partitions: Vec<i32> = request.partitions.iter().copied().filter(|partition| kept.contains(partition)).collect();
        let rows = self.pull_here(&pull, partitions.iter().copied())?;
        Ok(PullAnswer { partitions, columns: rows.columns, rows: rows.rows }.encode(&rows.schema))
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, StatementError> {
    serde_json::from_slice(body).map_err(|e| StatementError::bad_request(format!("the request cannot be read: {e}")))
}

fn write<T: Serialize>(answer: &T) -> Vec<u8> {
    serde_json::to_vec(answer).expect("answers are plain data")
}
