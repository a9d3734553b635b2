//! Kinds of segments.

use std::fmt;

/// What a segment holds. Any number is a kind; those without a constant here are not known to this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u32);

impl Kind {
    /// The portable graph in the binary form of graphs, its tensors by index.
    pub const GRAPH: Self = Self(1);
    /// The directory of all tensors, and the contents of the small ones: see [`tensors`](crate::tensors).
    pub const TENSORS: Self = Self(2);
    /// The contents of the large tensors; starts at a multiple of 4096 bytes.
    pub const WEIGHTS: Self = Self(3);
    /// What the model says of itself: a JSON object.
    pub const MODEL: Self = Self(4);
    /// How the model was made: a JSON object.
    pub const PROVENANCE: Self = Self(5);
    /// Pre- and post-processing: TOML.
    pub const PIPELINE: Self = Self(6);
    /// A file that the pipeline names: labels, a vocabulary. The only kind whose segments have names.
    pub const FILE: Self = Self(7);

    /// Kinds that this version reads.
    const KNOWN: [(Self, &str); 7] = [
        (Self::GRAPH, "graph"),
        (Self::TENSORS, "tensors"),
        (Self::WEIGHTS, "weights"),
        (Self::MODEL, "model"),
        (Self::PROVENANCE, "provenance"),
        (Self::PIPELINE, "pipeline"),
        (Self::FILE, "file"),
    ];
    /// Kinds whose numbers are taken, but which this version does not read.
    const RESERVED: [(Self, &str); 6] = [
        (Self(16), "lowered"),
        (Self(17), "packed"),
        (Self(18), "plan"),
        (Self(32), "signature"),
        (Self(33), "tags"),
        (Self(34), "sealed"),
    ];

    /// Whether this version reads segments of this kind.
    pub fn is_known(self) -> bool {
        Self::KNOWN.iter().any(|(kind, _)| *kind == self)
    }

    /// The bytes that the offset of such a segment is a multiple of.
    pub(crate) fn alignment(self) -> u64 {
        if self == Self::WEIGHTS { 4096 } else { 64 }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::KNOWN.iter().chain(&Self::RESERVED).find(|(kind, _)| kind == self) {
            Some((_, name)) => f.pad(name),
            None => f.pad(&format!("kind {}", self.0)),
        }
    }
}
