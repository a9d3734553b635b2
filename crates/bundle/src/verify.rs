//! Checks all bytes of a bundle.

use blake3::Hash;
use lehr_tensor::Bytes;

use crate::bundle::slice;
use crate::table::Segment;

/// What [`Bundle::verify`](crate::Bundle::verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Everything that is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The content of a segment was changed.
    Hash {
        /// Position of the segment in the table.
        segment: usize,
        /// What the table says.
        expected: Hash,
        /// What the content has.
        got: Hash,
    },
    /// A byte between segments is not zero.
    Padding {
        /// Bytes from the start of the file.
        offset: u64,
    },
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether that segment has its hash.
    pub fn is_intact(&self, index: usize) -> bool {
        !self.problems.iter().any(|p| matches!(p, Problem::Hash { segment, .. } if *segment == index))
    }
}

/// Header and table end at `end` and were checked before.
pub(crate) fn verify(data: &Bytes, mut end: u64, segments: &[Segment]) -> Report {
    let mut report = Report::default();
    for (index, segment) in segments.iter().enumerate() {
        let padding = slice(data, end, segment.offset.saturating_sub(end)).unwrap_or_default();
        if let Some(at) = padding.iter().position(|&byte| byte != 0) {
            report.problems.push(Problem::Padding { offset: end.saturating_add(at as u64) });
        }
        let got = blake3::hash(&slice(data, segment.offset, segment.length).unwrap_or_default());
        if got != segment.hash {
            report.problems.push(Problem::Hash { segment: index, expected: segment.hash, got });
        }
        end = segment.end();
    }
    report
}
