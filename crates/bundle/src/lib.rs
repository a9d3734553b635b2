//! The `.lehr` container: one memory-mapped file of named, hashed segments, and the tensors in it.
//!
//! It is not: anything that knows what a graph, a pipeline or a report means; those are bytes here. The format is
//! described byte by byte in `docs/bundle-format.md`.
//!
//! ```
//! use lehr_bundle::{Bundle, Kind, Part, to_bytes};
//!
//! # fn main() -> Result<(), lehr_bundle::BundleError> {
//! let labels = b"cat\ndog\n";
//! let bytes = to_bytes(vec![Part::bytes(Kind::FILE, "labels.txt", labels)])?;
//! let bundle = Bundle::from_bytes(bytes.into())?;
//! let segment = bundle.find(Kind::FILE, "labels.txt").expect("it was just written");
//! assert_eq!(&bundle.content(segment)[..], labels);
//! assert!(bundle.verify().is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//! - Opening reads the header and the table of segments, nothing else; both are checked against their hashes.
//! - Every byte of a file belongs to the header, the table, a segment, or padding of zeros, so that a change of any
//!   byte is found by opening or by [`Bundle::verify`].
//! - What this version does not know is skipped, unless it is marked as required: then the file is refused.
//! - The same parts give the same bytes, and a file appears whole or not at all.
//! - Nothing here panics on the content of a file; memory is linear in the bytes that are there.
#![forbid(unsafe_code)]

mod bundle;
mod error;
mod fields;
mod hash;
mod header;
mod kind;
mod name;
mod table;
pub mod tensors;
mod verify;
mod write;

pub use blake3::Hash;
pub use bundle::{Bundle, OpenOptions, is_bundle};
pub use error::BundleError;
pub use hash::hash_reader;
pub use header::{MAGIC, VERSION};
pub use kind::Kind;
pub use name::check_name;
pub use table::Segment;
pub use verify::{Problem, Report};
pub use write::{Part, WriteSummary, to_bytes, write, write_file};
