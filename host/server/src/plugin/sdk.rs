//! The guest SDK and the interface it is written against, carried along so that a plugin can be built anywhere.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Path below the SDK's folder, and content. The SDK finds `../wit` from its own folder.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

/// Writes the SDK below `$XDG_DATA_HOME` or `~/.local/share`, unless this very SDK is there, and gives its folder.
/// Its name holds a hash of the content: a newer program does not change what older plugins were built with.
pub fn place() -> Result<PathBuf, String> {
    let home = std::env::var_os("HOME").filter(|h| !h.is_empty()).map(|h| PathBuf::from(h).join(".local/share"));
    let data = std::env::var_os("XDG_DATA_HOME").filter(|d| Path::new(d).is_absolute()).map(PathBuf::from);
    let base = data.or(home).ok_or("there is no HOME to keep the guest SDK in")?.join("calzone");
    let mut hash = Sha256::new();
    for (path, content) in FILES {
        hash.update(path.as_bytes());
        hash.update(content.as_bytes());
    }
    let short: String = hash.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect();
    let folder = base.join(format!("sdk-{}-{short}", env!("CARGO_PKG_VERSION")));
    if !folder.is_dir() {
        // Under another name first: an interrupted start must not leave half an SDK.
        let aside = base.join(format!("sdk-{}.part", std::process::id()));
        write_all(&aside).map_err(|e| format!("cannot write the guest SDK to {}: {e}", aside.display()))?;
        if let Err(e) = fs::rename(&aside, &folder)
            && !folder.is_dir()
        {
            return Err(format!("cannot write the guest SDK to {}: {e}", folder.display()));
        }
    }
    Ok(folder.join("guest-sdk"))
}

fn write_all(folder: &Path) -> std::io::Result<()> {
    for (path, content) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn the_sdk_and_the_interface_are_carried() {
        for path in ["guest-sdk/Cargo.toml", "guest-sdk/src/lib.rs", "guest-sdk/macros/src/lib.rs", "wit/v1/types.wit"] {
            assert!(FILES.iter().any(|(carried, content)| *carried == path && !content.is_empty()), "{path}");
        }
        assert!(FILES.iter().all(|(path, _)| !path.contains("target/")));
    }
}
