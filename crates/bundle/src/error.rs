//! What can go wrong with bundles.

use std::io;

use crate::header::VERSION;
use crate::kind::Kind;

/// Why a bundle can not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The file can not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The first bytes are not those of a bundle.
    #[error("expected a .lehr bundle, got other data")]
    Magic,
    /// Written in a newer container version.
    #[error("expected container version {VERSION} of the .lehr bundle, got {got}")]
    Version {
        /// The version of the file.
        got: u32,
    },
    /// The file is shorter or longer than it says.
    #[error("expected {expected} bytes, got {got}")]
    Length {
        /// Bytes that there should be.
        expected: u64,
        /// Bytes that there are.
        got: u64,
    },
    /// Header or table do not have the hash that is stored for them.
    #[error("the {part} is damaged: it does not have its hash")]
    Hash {
        /// Which of the two.
        part: &'static str,
    },
    /// The file needs a feature that this version does not have.
    #[error("the bundle needs features that this version does not know: flags {flags:#x}")]
    Flags {
        /// The unknown flags.
        flags: u32,
    },
    /// A segment that is marked as required can not be used by this version.
    #[error("segment {kind} '{name}' with flags {flags:#x} is required, but this version can not use it")]
    Required {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// Its flags.
        flags: u32,
    },
    /// Header or table contradict themselves or the format.
    #[error("{place}: expected {expected}, got {got}")]
    Invalid {
        /// Header, table, or which segment or tensor.
        place: String,
        /// What is valid there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A name that is not a plain relative path.
    #[error("name {name:?}: {problem}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A segment that is needed is not there.
    #[error("the bundle has no segment {kind}")]
    Missing {
        /// What is needed.
        kind: Kind,
    },
}

impl BundleError {
    #[cold]
    pub(crate) fn invalid(
        place: impl Into<String>,
        expected: impl Into<String>,
        got: impl std::fmt::Display,
    ) -> Self {
        Self::Invalid { place: place.into(), expected: expected.into(), got: got.to_string() }
    }
}
