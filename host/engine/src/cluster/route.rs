//! A pull query asked of those servers that keep the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef};

use super::{Cluster, PULL_PATH, PeerRequest, PullAnswer, PullRequest};
use crate::engine::Engine;
use crate::error::ErrorKind;
use crate::pull::Pull;
use crate::query::now_ms;
use crate::{Session, StatementError};

/// How long it is waited for partitions that are on their way from one server to another.
const MOVING_TIME_MAX: Duration = Duration::from_secs(3);
/// A server that stops refuses connections a moment before the others hear that it has left.
const LEAVING_TIME_MAX: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(50);

/// Partitions that are still to be asked for.
struct Wanted {
    now: BTreeSet<i32>,
    /// To be asked if the rows are not found where their keys belong: others may have placed them.
    later: BTreeSet<i32>,
    /// Rows that make it needless to ask further.
    enough: usize,
}

/// Why a partition could not be asked: the server, and what became of it.
type Failures = BTreeMap<String, String>;

impl Engine {
    /// The rows of these partitions, wherever they are kept.
    pub(crate) fn pull_from_all(
        &self,
        cluster: &Cluster,
        pull: &Pull<'_>,
        partitions: BTreeSet<i32>,
        session: &Session,
    ) -> Result<calzone_exec::pull::PullRows, StatementError> {
        let mut wanted = self.choose_partitions(pull, partitions)?;
        let standbys =
            pull.properties.get("ksql.query.pull.enable.standby.reads").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let mut parts = Parts::default();
        let mut failures = Failures::new();
        let started = Instant::now();
        let mut first_failure: Option<Instant> = None;
        loop {
            let mut here = Vec::new();
            let mut there: BTreeMap<String, Vec<i32>> = BTreeMap::new();
            let held = pull.runner.as_ref().and_then(|runner| runner.held()).map(|held| held.table).unwrap_or_default();
            let own = self.kept_here(cluster, pull, standbys);
            for partition in &wanted.now {
                let mut keepers = cluster.keepers(&pull.keeper, *partition, standbys);
                let is_new = held.contains(partition) && !cluster.has_announced(&pull.keeper, *partition);
                if is_new || (keepers.is_empty() && own.contains(partition)) {
                    here.push(*partition);
                    continue;
                }
                // Those that have failed this query already are not asked again.
                keepers.retain(|k| !failures.contains_key(&k.address));
                match keepers.iter().find(|k| own.contains(partition) || !cluster.is_own(k)) {
                    Some(keeper) if cluster.is_own(keeper) => here.push(*partition),
                    Some(keeper) => there.entry(keeper.address.clone()).or_default().push(*partition),
                    None => {}
                }
            }
            if !here.is_empty() {
                let rows = self.pull_here(pull, here.iter().copied())?;
                wanted.now.retain(|partition| !here.contains(partition));
                parts.add(rows.columns, rows.rows);
            }
            self.ask_peers(cluster, pull, &there, standbys, session, &mut wanted, &mut parts, &mut failures)?;
            if parts.rows >= wanted.enough {
                break;
            }
            if wanted.now.is_empty() {
                if wanted.later.is_empty() {
                    break;
                }
                wanted.now = std::mem::take(&mut wanted.later);
                continue;
            }
            if !failures.is_empty() {
                first_failure.get_or_insert_with(Instant::now);
            }
            if started.elapsed() > MOVING_TIME_MAX || first_failure.is_some_and(|at| at.elapsed() > LEAVING_TIME_MAX) {
                return Err(unavailable(pull, &wanted.now, &failures));
            }
            cluster.await_news(STEP);
        }
        parts.finish(pull)
    }

    /// Those where the keys belong, if the query names keys; else all.
    fn choose_partitions(&self, pull: &Pull<'_>, partitions: BTreeSet<i32>) -> Result<Wanted, StatementError> {
        let limit = pull.plan.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let keys = self.wanted_partitions(pull, partitions.len() as i32)?;
        let Some(places) = keys.and_then(|keys| keys.into_iter().collect::<Option<Vec<_>>>()) else {
            return Ok(Wanted { now: partitions, later: BTreeSet::new(), enough: limit });
        };
        let now: BTreeSet<i32> = places.iter().map(|(partition, _)| *partition).collect();
        let certain = places.iter().all(|(_, certain)| *certain);
        let later = if certain { BTreeSet::new() } else { partitions.difference(&now).copied().collect() };
        // A key of a table without windows has one row at most.
        let found = if pull.plan.source.window.is_none() { places.len() } else { usize::MAX };
        Ok(Wanted { now, later, enough: limit.min(found.max(1)) })
    }

    /// Partitions of the table that this server can answer for.
    pub(crate) fn kept_here(&self, cluster: &Cluster, pull: &Pull<'_>, standbys: bool) -> BTreeSet<i32> {
        let Some(runner) = &pull.runner else { return BTreeSet::new() };
        let mut kept = match runner.held() {
            Some(held) => held.table,
            // Before the first assignment what was kept before a restart is as good as anything, if nobody else is there.
            None if cluster.is_alone() => (0..self.table_partitions(pull).unwrap_or(0)).collect(),
            None => BTreeSet::new(),
        };
        if standbys {
            let lag_max = pull.properties.get("ksql.query.pull.max.allowed.offset.lag").and_then(|v| v.trim().parse().ok());
            let lag_max = lag_max.unwrap_or(i64::MAX);
            kept.extend(runner.standbys().into_iter().filter(|(_, lag)| *lag <= lag_max).map(|(partition, _)| partition));
        }
        kept
    }

    #[allow(clippy::too_many_arguments)]
    fn ask_peers(
        &self,
        cluster: &Cluster,
        pull: &Pull<'_>,
        there: &BTreeMap<String, Vec<i32>>,
        standbys: bool,
        session: &Session,
        wanted: &mut Wanted,
        parts: &mut Parts,
        failures: &mut Failures,
    ) -> Result<(), StatementError> {
        let requests = there.iter().map(|(address, partitions)| {
            let request = PullRequest {
                statement: pull.text.to_owned(),
                properties: session.properties.clone(),
                variables: session.variables.clone(),
                query: pull.keeper.clone(),
                partitions: partitions.clone(),
                standbys,
                applied: pull.applied,
            };
            PeerRequest {
                address: address.clone(),
                path: PULL_PATH,
                authorization: session.authorization.clone(),
                body: serde_json::to_vec(&request).expect("requests are plain data"),
                timeout: cluster.settings.forwarding_timeout,
            }
        });
        let answers = match there.is_empty() {
            true => return Ok(()),
            false => cluster.transport.ask(requests.collect()),
        };
        for (address, answer) in there.keys().zip(answers) {
            let read = match answer {
                Ok(answer) if answer.status == 200 => PullAnswer::decode(&answer.body, &pull.plan.schema),
                Ok(answer) if answer.status == 400 => {
                    // The statement is to blame; this server has just not come to that point.
                    let message = String::from_utf8_lossy(&answer.body).into_owned();
                    return Err(StatementError::bad_statement(message, pull.text));
                }
                Ok(answer) => Err(format!("it answers {}: {}", answer.status, String::from_utf8_lossy(&answer.body))),
                Err(reason) => {
                    cluster.members().note_failure(address, now_ms());
                    Err(reason)
                }
            };
            match read {
                Ok(answer) => {
                    wanted.now.retain(|partition| !answer.partitions.contains(partition));
                    parts.add(answer.columns, answer.rows);
                }
                Err(reason) => drop(failures.insert(address.clone(), reason)),
            }
        }
        Ok(())
    }
}

fn unavailable(pull: &Pull<'_>, partitions: &BTreeSet<i32>, failures: &Failures) -> StatementError {
    let list: Vec<String> = partitions.iter().map(i32::to_string).collect();
    let which = format!("Partition(s) {} of table {} cannot be asked now", list.join(", "), pull.plan.source.name);
    let message = if failures.is_empty() {
        format!("{which}: they are on their way from one server to another. Try again in a moment.")
    } else {
        let why: Vec<String> = failures.iter().map(|(address, why)| format!("{address}: {why}")).collect();
        format!(
            "{which}, as the servers that keep them do not answer ({}). What a dead server kept moves to the others within its session timeout; try again then.",
            why.join("; ")
        )
    };
    StatementError { statement: Some(pull.text.to_owned()), ..StatementError::new(ErrorKind::Unavailable, message) }
}

/// Rows of several servers.
#[derive(Default)]
struct Parts {
    columns: Vec<Vec<ArrayRef>>,
    rows: usize,
}

impl Parts {
    fn add(&mut self, columns: Vec<ArrayRef>, rows: usize) {
        self.rows += rows;
        self.columns.push(columns);
    }

    fn finish(self, pull: &Pull<'_>) -> Result<calzone_exec::pull::PullRows, StatementError> {
        let schema = pull.plan.schema.clone();
        let rows = pull.plan.limit.map_or(self.rows, |limit| self.rows.min(usize::try_from(limit).unwrap_or(usize::MAX)));
        let column = |at: usize| -> Result<ArrayRef, StatementError> {
            let ty = &schema.columns[at].ty;
            let arrays: Vec<&dyn Array> = self.columns.iter().map(|part| part[at].as_ref()).collect();
            let whole = match arrays.as_slice() {
                [] => calzone_types::ColumnBuilder::new(ty, 0).finish(),
                arrays => arrow_select::concat::concat(arrays)
                    .map_err(|e| StatementError::internal(format!("rows of several servers do not fit together: {e}")))?,
            };
            Ok(whole.slice(0, rows))
        };
        let columns = (0..schema.columns.len()).map(column).collect::<Result<_, _>>()?;
        Ok(calzone_exec::pull::PullRows { schema, columns, rows })
    }
}
