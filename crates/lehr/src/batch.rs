//! Many sources through one model: which files, in which order, on how many threads, and whether the answers are right.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Condvar, Mutex, PoisonError};

use lehr_pipeline::{Answers, Image, Item};

use crate::{PredictError, Predictor, Timings};

/// Answers that may be finished before one that somebody waits for, for each thread; bounds what is held in memory.
const AHEAD: usize = 4;

/// Why the sources can not be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The file system says no.
    #[error("'{}' can not be read: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The pattern is not one.
    #[error("'{pattern}' is not a pattern: {problem}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong.
        problem: String,
    },
    /// Nothing matches.
    #[error("'{0}' matches no file")]
    NoMatch(String),
    /// A line of a file of labels is not one.
    #[error("'{}', line {line}: expected a file name, a tab and a label", path.display())]
    Labels {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
}

/// The files that paths, folders (with all that is in them) and patterns (`*`, `?`, `**`, `[…]`) name, each once. What
/// a folder or pattern names comes in the order of its names; hidden files in folders are left out.
///
/// # Errors
/// [`BatchError`]: a path that does not exist, a pattern that matches nothing.
pub fn expand(patterns: &[String]) -> Result<Vec<PathBuf>, BatchError> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for pattern in patterns {
        let found = matches(pattern)?;
        files.extend(found.into_iter().filter(|path| seen.insert(path.clone())));
    }
    Ok(files)
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>, BatchError> {
    let path = Path::new(pattern);
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    if path.is_dir() {
        walk(path, &mut files)?;
    } else if pattern.contains(['*', '?', '[']) {
        let failed = |problem: String| BatchError::Pattern { pattern: pattern.to_owned(), problem };
        for entry in glob::glob(pattern).map_err(|error| failed(error.to_string()))? {
            let path = entry
                .map_err(|error| BatchError::Io { path: error.path().to_owned(), source: error.into() })?;
            if path.is_file() {
                files.push(path);
            }
        }
    } else if let Err(source) = std::fs::metadata(path) {
        return Err(BatchError::Io { path: path.to_owned(), source });
    }
    if files.is_empty() {
        return Err(BatchError::NoMatch(pattern.to_owned()));
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), BatchError> {
    let failed = |source| BatchError::Io { path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        // A link to a folder above would never end.
        let is_link = path.is_symlink();
        match (hidden, path.is_dir()) {
            (true, _) => {}
            (false, true) if is_link => {}
            (false, true) => walk(&path, files)?,
            (false, false) => files.push(path),
        }
    }
    Ok(())
}

/// One of several equal parts of the sources: `2/4` is the second of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// The sources that belong to this part: every `count`-th.
    pub fn of(self, files: Vec<PathBuf>) -> Vec<PathBuf> {
        let mine = |(index, file): (usize, PathBuf)| (index % self.count == self.index - 1).then_some(file);
        files.into_iter().enumerate().filter_map(mine).collect()
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed =
            text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parsed {
            Some((index, count)) if index >= 1 && index <= count => Ok(Self { index, count }),
            _ => Err(format!("expected a part such as 2/4, got '{text}'")),
        }
    }
}

/// The right answers, by file name.
#[derive(Clone, Debug, Default)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Reads lines of file name, tab, label; further columns and a first line `file`, tab … are left out.
    ///
    /// # Errors
    /// [`BatchError::Io`], [`BatchError::Labels`].
    pub fn read(path: &Path) -> Result<Self, BatchError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| BatchError::Io { path: path.to_owned(), source })?;
        let mut labels = BTreeMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let mut columns = line.split('\t');
            match (columns.next(), columns.next()) {
                (Some("file"), Some(_)) if index == 0 => {}
                (Some(file), Some(label)) => {
                    labels.insert(file.to_owned(), label.trim().to_owned());
                }
                _ => return Err(BatchError::Labels { path: path.to_owned(), line: index + 1 }),
            }
        }
        Ok(Self(labels))
    }

    /// The label of a file: that of the longest end of its path that is listed.
    pub fn of(&self, file: &Path) -> Option<&str> {
        let parts: Vec<_> = file.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        let ends = (0..parts.len()).map(|from| parts[from..].join("/"));
        ends.into_iter().find_map(|end| self.0.get(&end)).map(String::as_str)
    }
}

/// Whether the best class (its name or number), or the text that was read, is `label`; `None` when the answers hold
/// neither.
pub fn is_right(answers: &Answers, label: &str) -> Option<bool> {
    if let Some(class) = answers.best_class() {
        return Some(class.label.as_deref() == Some(label) || class.index.to_string() == label);
    }
    answers.0.iter().find_map(|(_, item)| match item {
        Item::Transcript(transcript) => Some(transcript.text == label),
        _ => None,
    })
}

/// What is known of a source in the end.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answers.
    pub answers: Answers,
    /// The user's picture, if it was one and is kept.
    pub picture: Option<Image>,
}

/// Answers every file on `streams` threads and hands the answers to `take` in the order of the files, on the caller's
/// thread. A file that fails does not stop the others; `take` stops all by returning an error.
///
/// # Errors
/// That of `take`.
pub fn run<E>(
    predictor: &Predictor,
    files: &[PathBuf],
    streams: NonZero<usize>,
    mut take: impl FnMut(&Path, Result<Answered, PredictError>) -> Result<(), E>,
) -> Result<Timings, E> {
    let board = &Board::default();
    let ahead = AHEAD * streams.get();
    let mut timings = Timings::default();
    let outcome = std::thread::scope(|scope| {
        let work = |mut own: Predictor| {
            let _alarm = Alarm(board);
            while let Some(index) = board.next(files.len(), ahead) {
                let answer = own.predict_with_picture(files[index].as_path());
                board.put(index, answer.map(|(answers, picture)| Answered { answers, picture }));
            }
            own.timings()
        };
        let spawn = |own: Predictor| scope.spawn(move || work(own));
        let workers: Vec<_> = (0..streams.get()).map(|_| predictor.fork()).map(spawn).collect();
        let answers = files.iter().enumerate().map_while(|(index, file)| Some((file, board.wait(index)?)));
        let taken = answers.into_iter().try_for_each(|(file, answer)| take(file, answer));
        board.stop();
        for worker in workers {
            match worker.join() {
                Ok(own) => timings.add(&own),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        taken
    });
    outcome.map(|()| timings)
}

/// Where workers take sources from and put answers to.
#[derive(Default)]
struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    started: usize,
    delivered: usize,
    stopped: bool,
    answers: BTreeMap<usize, Result<Answered, PredictError>>,
}

impl Board {
    /// The next source to answer, once it is not too far ahead of what was delivered.
    fn next(&self, count: usize, ahead: usize) -> Option<usize> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let too_far = |state: &mut State| !state.stopped && state.started >= state.delivered + ahead;
        let mut state = self.changed.wait_while(state, too_far).unwrap_or_else(PoisonError::into_inner);
        if state.stopped || state.started >= count {
            return None;
        }
        state.started += 1;
        Some(state.started - 1)
    }

    fn put(&self, index: usize, answer: Result<Answered, PredictError>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).answers.insert(index, answer);
        self.changed.notify_all();
    }

    /// The answer of that source; `None` when all was stopped before it.
    fn wait(&self, index: usize) -> Option<Result<Answered, PredictError>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(answer) = state.answers.remove(&index) {
                state.delivered = index + 1;
                drop(state);
                self.changed.notify_all();
                return Some(answer);
            }
            if state.stopped {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stop(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.changed.notify_all();
    }
}

/// Stops everybody when its thread panics, so that nobody waits for its answer.
struct Alarm<'a>(&'a Board);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_all_files_once() {
        let files: Vec<PathBuf> = (0..7).map(|i| PathBuf::from(i.to_string())).collect();
        let parts = ["1/3", "2/3", "3/3"].map(|part| part.parse::<Shard>().unwrap().of(files.clone()));
        assert_eq!(parts[1], ["1", "4"].map(PathBuf::from));
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 7);
        for wrong in ["0/3", "4/3", "a", "1/0", "/"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn labels_belong_to_the_longest_end_of_a_path() {
        let labels = Labels(BTreeMap::from([
            ("a.png".to_owned(), "cat".to_owned()),
            ("dogs/a.png".to_owned(), "dog".to_owned()),
        ]));
        assert_eq!(labels.of(Path::new("x/dogs/a.png")), Some("dog"));
        assert_eq!(labels.of(Path::new("x/cats/a.png")), Some("cat"));
        assert_eq!(labels.of(Path::new("x/b.png")), None);
    }

    #[test]
    fn nobody_waits_for_a_worker_that_panicked() {
        let board = Board::default();
        assert_eq!(board.next(2, 4), Some(0));
        let panicked = std::thread::scope(|scope| {
            let worker = || {
                let _alarm = Alarm(&board);
                std::panic::resume_unwind(Box::new(()))
            };
            scope.spawn(worker).join()
        });
        assert!(panicked.is_err());
        assert!(board.wait(0).is_none());
        assert_eq!(board.next(2, 4), None);
    }
}
