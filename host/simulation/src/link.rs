//! What happens to a server and to its requests.

use std::sync::{Mutex, MutexGuard, PoisonError};

use calzone_log::LogError;

use crate::random::Random;

/// Where a commit goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// The server dies before anything is sent.
    CrashBefore,
    /// The server dies when offsets (and, at least once, records) are sent, and the transaction is still open.
    CrashOpen,
    /// The server dies between the commit of the log and the write to its own stores. On the embedded log, where they are
    /// one: in the middle of that write.
    CrashBetween,
    /// The server dies when all is done, before it notices.
    CrashAfter,
    /// The log refuses.
    Abort,
    /// The log commits, and the answer is lost.
    AnswerLost,
    /// The next records cannot be sent.
    SendFails,
}

pub const COMMIT_FAULTS: [CommitFault; 7] = [
    CommitFault::CrashBefore,
    CommitFault::CrashOpen,
    CommitFault::CrashBetween,
    CommitFault::CrashAfter,
    CommitFault::Abort,
    CommitFault::AnswerLost,
    CommitFault::SendFails,
];

/// One life of a server, between it and the log.
pub struct Link {
    state: Mutex<State>,
}

struct State {
    crashed: bool,
    fault: Option<CommitFault>,
    random: Random,
}

impl Link {
    pub fn new(random: Random) -> Link {
        Link { state: Mutex::new(State { crashed: false, fault: None, random }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next commit goes wrong like this.
    pub fn set_fault(&self, fault: Option<CommitFault>) {
        self.state().fault = fault;
    }

    /// Is it this fault's turn? Then it has happened.
    pub fn strikes(&self, fault: CommitFault) -> bool {
        let mut state = self.state();
        let strikes = state.fault == Some(fault);
        if strikes {
            state.fault = None;
        }
        strikes
    }

    /// As [`Link::strikes`]; the server is dead then.
    pub fn crashes(&self, fault: CommitFault) -> Result<(), LogError> {
        if self.strikes(fault) {
            self.crash();
        }
        self.check()
    }

    pub fn crash(&self) {
        self.state().crashed = true;
    }

    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// A dead server does nothing.
    pub fn check(&self) -> Result<(), LogError> {
        match self.has_crashed() {
            true => Err(LogError::Fatal { action: "any request".into(), cause: "the server is dead".into() }),
            false => Ok(()),
        }
    }

    /// Asks chance about the delivery of records.
    pub fn chance<T>(&self, ask: impl FnOnce(&mut Random) -> T) -> T {
        ask(&mut self.state().random)
    }
}

/// The error of a request that may succeed next time.
pub fn retriable(action: &str) -> LogError {
    LogError::Retriable { action: action.into(), cause: "the simulation wants it so".into() }
}
