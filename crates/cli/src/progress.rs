//! A progress line on standard error, only where somebody may see it and only when it takes long.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Quiet for the first second, then renewed a few times a second.
const DELAY: Duration = Duration::from_secs(1);
const PERIOD: Duration = Duration::from_millis(200);
const WIDTH: usize = 30;

/// Progress of a loop whose length is known.
pub struct Progress {
    total: usize,
    done: usize,
    start: Instant,
    shown: Option<Instant>,
    visible: bool,
}

impl Progress {
    /// A loop over `total` things. `output_is_elsewhere` says that nothing else is printed to the terminal meanwhile.
    pub fn new(total: usize, output_is_elsewhere: bool) -> Self {
        let visible = output_is_elsewhere && std::io::stderr().is_terminal();
        Self { total, done: 0, start: Instant::now(), shown: None, visible }
    }

    /// One more is done.
    pub fn step(&mut self, what: &str) {
        self.done += 1;
        let now = Instant::now();
        let due = self.shown.is_none_or(|shown| now - shown >= PERIOD);
        if !self.visible || now - self.start < DELAY || !due {
            return;
        }
        self.shown = Some(now);
        let filled = WIDTH * self.done / self.total.max(1);
        let bar = format!("{}{}", "#".repeat(filled.min(WIDTH)), ".".repeat(WIDTH.saturating_sub(filled)));
        let mut stderr = std::io::stderr().lock();
        // A terminal that is gone needs no progress.
        let _ = write!(stderr, "\r\x1b[K[{bar}] {}/{} {what}", self.done, self.total);
        let _ = stderr.flush();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
