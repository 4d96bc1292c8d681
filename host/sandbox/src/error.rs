//! What can go wrong before rows are processed, by what the caller must do.

use crate::describe::Capability;

/// Why a component was not loaded, or a use of it not planned or started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// The bytes are not a component that this server can run. Upload another.
    #[error("{0}")]
    Rejected(String),
    /// Upload something smaller, or raise the limit.
    #[error("the component has {bytes} bytes, the limit ({limit_name}) is {limit}")]
    TooLarge { bytes: usize, limit: usize, limit_name: &'static str },
    /// Compiling, describing or starting the component took more than a limit allows.
    #[error("{0}")]
    Limit(String),
    /// The statement must grant what the component imports.
    #[error("the component imports `{import}`, which is not granted: add {capability} to GRANT")]
    NotGranted { import: String, capability: Capability },
    /// The component has no such function or stage, or does not take these types or settings. Change the statement.
    #[error("{0}")]
    Unusable(String),
    /// The server's own trouble: disk, process, memory.
    #[error("{0}")]
    Internal(String),
}

impl SandboxError {
    /// Can the one who asked help it, by another upload or statement?
    pub fn is_callers_fault(&self) -> bool {
        !matches!(self, SandboxError::Internal(_))
    }

    pub(crate) fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> SandboxError {
        SandboxError::Internal(format!("{doing} {}: {error}", path.display()))
    }
}
