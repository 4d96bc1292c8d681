//! Several servers with one service id on one Kafka: who they are, who keeps what, and how they ask each other.
//!
//! Each server writes to a topic of the cluster where it can be reached and which partitions of which query it keeps: when that
//! changes, and every half minute. All read it, so each knows whom to ask for the rows of a partition. The topic's order
//! decides between two who claim the same partition.

mod announce;
mod lag;
mod members;
mod message;
mod peers;
mod route;
mod settings;
mod standby;
mod status;
mod transport;
mod watch;

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use announce::{Announcements, follow};
pub use lag::{HostLags, StoreLag, StoreLags};
pub(crate) use members::Keeper;
use members::{Announcement, Member, Members, Share};
pub(crate) use message::{LocksAnswer, LocksRequest, PullAnswer, PullRequest, ReleaseAnswer, ReleaseRequest};
pub(crate) use peers::{LOCKS_PATH, PULL_PATH, RELEASE_PATH};
pub use settings::{ClusterSettings, HeartbeatSettings};
pub use status::{HostQuery, HostStatus};
pub use transport::{PeerAnswer, PeerRequest, Transport};
pub(crate) use watch::start as start_watch;

use crate::query::now_ms;

/// How often a server says that it is there.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(30);

/// How this server takes part in a cluster.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// `host:port` at which other servers reach this one.
    pub address: String,
    pub transport: Arc<dyn Transport>,
}

/// What this server knows of its cluster.
pub(crate) struct Cluster {
    pub address: String,
    pub settings: ClusterSettings,
    transport: Arc<dyn Transport>,
    own_id: String,
    topic: String,
    members: Mutex<Members>,
    /// Signalled after each announcement that was read.
    heard: Condvar,
    /// When it was last looked who is alive, milliseconds since the epoch.
    checked_ms: AtomicI64,
}

impl Cluster {
    pub fn new(options: &ClusterOptions, settings: ClusterSettings, own_id: &str, topic: String) -> Cluster {
        Cluster {
            address: options.address.clone(),
            settings,
            transport: options.transport.clone(),
            own_id: own_id.to_owned(),
            topic,
            members: Mutex::default(),
            heard: Condvar::new(),
            checked_ms: AtomicI64::new(now_ms()),
        }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Addresses of the other servers.
    pub fn others(&self) -> Vec<String> {
        let members = self.members();
        members.iter().filter(|(id, m)| !self.is_this(id, m)).map(|(_, m)| m.announcement.address.clone()).collect()
    }

    /// Is this server alone?
    pub fn is_alone(&self) -> bool {
        self.members().iter().all(|(id, member)| self.is_this(id, member))
    }

    /// Is it this server, or what was here before its state directory was lost?
    fn is_this(&self, id: &str, member: &Member) -> bool {
        id == self.own_id || member.announcement.address == self.address
    }

    /// Does the id name this server?
    pub fn is_own(&self, keeper: &Keeper) -> bool {
        keeper.id == self.own_id || keeper.address == self.address
    }

    /// Who can be asked for a partition of a query's table, best first.
    pub fn keepers(&self, query: &str, partition: i32, with_standbys: bool) -> Vec<Keeper> {
        let now = now_ms();
        self.members().keepers(query, partition, with_standbys, now, &|id, member| self.is_alive(id, member, now))
    }

    /// Have the others heard that this server keeps the partition?
    pub fn has_announced(&self, query: &str, partition: i32) -> bool {
        self.members().get(&self.own_id).is_some_and(|member| member.claims(query, partition))
    }

    /// With heartbeats: was one heard lately? Without: yes.
    fn is_alive(&self, id: &str, member: &Member, now_ms: i64) -> bool {
        let Some(heartbeat) = &self.settings.heartbeat else { return true };
        if id == self.own_id {
            return true;
        }
        let silence = |at: i64| Duration::from_millis(now_ms.saturating_sub(at).max(0) as u64);
        member.heartbeat_ms.is_some_and(|at| heartbeat.is_alive(silence(at)))
    }

    /// Waits until something is heard of other servers, at most so long.
    pub fn await_news(&self, timeout: Duration) {
        let members = self.members();
        drop(self.heard.wait_timeout(members, timeout).unwrap_or_else(PoisonError::into_inner));
    }
}
