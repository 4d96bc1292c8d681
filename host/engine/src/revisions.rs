//! Which revision of a plugin each record has met.
//!
//! Kept per input partition, inside the metadata that is committed with the offset. Text form:
//! `r1;SAUCE@57=1:0,2:1500;MASK=4:0` — name and the place in the statement log of what put its last revision in force, then
//! revision and first offset, oldest first.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Boundaries kept per name; older ones fall away, as Kafka allows 4,096 bytes of metadata.
const BOUNDARIES_MAX: usize = 24;

/// Revisions of each function and stage that one partition has met.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RevisionHistory {
    names: BTreeMap<Arc<str>, History>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct History {
    /// Offset in the statement log; 0 for the first revision.
    since: i64,
    /// Revision and first offset, oldest first.
    boundaries: Vec<(i64, i64)>,
}

impl RevisionHistory {
    /// Reads committed metadata. Text of another program counts as none.
    pub fn parse(text: &str) -> RevisionHistory {
        let mut names = BTreeMap::new();
        for entry in text.strip_prefix("r1;").unwrap_or_default().split(';') {
            let Some((name, list)) = entry.split_once('=') else { continue };
            let boundaries: Vec<(i64, i64)> = list
                .split(',')
                .filter_map(|pair| {
                    let (revision, offset) = pair.split_once(':')?;
                    Some((revision.parse().ok()?, offset.parse().ok()?))
                })
                .collect();
            let numbered = name.rsplit_once('@').and_then(|(name, since)| Some((name, since.parse().ok()?)));
            let (name, since) = numbered.unwrap_or((name, 0));
            if !boundaries.is_empty() {
                names.insert(Arc::from(name), History { since, boundaries });
            }
        }
        RevisionHistory { names }
    }

    /// From `offset` on, `name` runs `revision`, by the statement at `since`. Nothing changes if it does already. A revision that met no record leaves no trace.
    pub fn take(&mut self, name: &Arc<str>, revision: i64, since: i64, offset: i64) {
        let history = self.names.entry(name.clone()).or_default();
        history.since = since.max(history.since);
        let boundaries = &mut history.boundaries;
        if boundaries.last().is_some_and(|(r, _)| *r == revision) {
            return;
        }
        if boundaries.last().is_some_and(|(_, at)| *at >= offset) {
            boundaries.pop();
            if boundaries.last().is_some_and(|(r, _)| *r == revision) {
                return;
            }
        }
        boundaries.push((revision, offset));
        let excess = boundaries.len().saturating_sub(BOUNDARIES_MAX);
        boundaries.drain(..excess);
    }

    /// (revision, first offset) of a name, oldest first.
    pub fn of(&self, name: &str) -> &[(i64, i64)] {
        self.names.get(name).map_or(&[], |history| history.boundaries.as_slice())
    }

    /// The place in the statement log of what put the last revision in force; 0 for the first.
    pub fn since(&self, name: &str) -> i64 {
        self.names.get(name).map_or(0, |history| history.since)
    }
}

impl fmt::Display for RevisionHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() {
            return Ok(());
        }
        f.write_str("r1")?;
        for (name, history) in &self.names {
            match history.since {
                0 => write!(f, ";{name}=")?,
                since => write!(f, ";{name}@{since}=")?,
            }
            for (i, (revision, offset)) in history.boundaries.iter().enumerate() {
                write!(f, "{}{revision}:{offset}", if i == 0 { "" } else { "," })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_survive_their_text() {
        let mut history = RevisionHistory::default();
        let name: Arc<str> = "SAUCE".into();
        history.take(&name, 1, 0, 0);
        history.take(&name, 1, 0, 10);
        assert_eq!(history.to_string(), "r1;SAUCE=1:0");
        history.take(&name, 2, 57, 15);
        assert_eq!(history.to_string(), "r1;SAUCE@57=1:0,2:15");
        let parsed = RevisionHistory::parse(&history.to_string());
        assert_eq!(parsed, history);
        assert_eq!((parsed.since("SAUCE"), parsed.since("MASK")), (57, 0));
        assert_eq!(RevisionHistory::parse("something else"), RevisionHistory::default());
    }

    #[test]
    fn a_revision_without_records_leaves_no_boundary() {
        let mut history = RevisionHistory::default();
        let name: Arc<str> = "S".into();
        history.take(&name, 1, 0, 0);
        history.take(&name, 2, 1, 7);
        history.take(&name, 3, 2, 7);
        assert_eq!(history.of("S"), [(1, 0), (3, 7)]);
        history.take(&name, 1, 3, 7);
        assert_eq!(history.of("S"), [(1, 0)]);
    }
}
