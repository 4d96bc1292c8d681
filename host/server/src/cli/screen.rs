//! Standard output, and a copy of it in a file while one is asked for.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Columns of a screen that does not say how many it has.
const DEFAULT_WIDTH: usize = 80;

#[derive(Default)]
pub struct Screen {
    spool: Option<(PathBuf, File)>,
}

impl Screen {
    /// Shows text, which has its own line ends. Nobody is left to be told if standard output is closed.
    pub fn print(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        self.copy(text);
    }

    pub fn line(&mut self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// Into the file only: what the user typed is on the screen already.
    pub fn copy(&mut self, text: &str) {
        if let Some((_, file)) = &mut self.spool {
            let _ = file.write_all(text.as_bytes());
        }
    }

    pub fn start_spool(&mut self, path: &Path) -> std::io::Result<()> {
        let file = File::create(path)?;
        self.spool = Some((path.to_owned(), file));
        Ok(())
    }

    /// The file that was written to.
    pub fn stop_spool(&mut self) -> Option<PathBuf> {
        self.spool.take().map(|(path, _)| path)
    }

    /// Columns: of the terminal, or as `COLUMNS` says.
    pub fn width(&self) -> usize {
        // SAFETY: all bits zero are a valid `winsize`, and the pointer outlives the call.
        let size = unsafe {
            let mut size: libc::winsize = std::mem::zeroed();
            (libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) == 0).then_some(size)
        };
        let columns = size.map(|s| usize::from(s.ws_col)).filter(|c| *c > 0);
        columns.or_else(|| std::env::var("COLUMNS").ok()?.parse().ok()).unwrap_or(DEFAULT_WIDTH)
    }
}
