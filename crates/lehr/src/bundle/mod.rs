//! Models as `.lehr` bundles: [`Model::write_bundle`](crate::Model::write_bundle) makes them,
//! [`Model::load`](crate::Model::load) reads them, [`Model::contents`](crate::Model::contents) is what came along.
//!
//! ```
//! use lehr::Model;
//! use lehr::bundle::{Contents, Provenance};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
//! # let out = std::env::temp_dir().join(format!("lehr-doc-{}.lehr", std::process::id()));
//! let source = format!("{folder}/affine.onnx");
//! let mut contents = Contents { provenance: Provenance::of_file(source.as_ref())?, ..Contents::default() };
//! contents.files.insert("labels.txt".into(), "cat\ndog\n".into());
//! Model::load(&source)?.write_bundle(&out, &contents)?;
//!
//! let model = Model::load(&out)?;
//! assert_eq!(&model.contents().files["labels.txt"][..], b"cat\ndog\n");
//! # std::fs::remove_file(out)?;
//! # Ok(())
//! # }
//! ```

mod constants;
mod contents;
mod provenance;
mod read;
mod write;

pub use lehr_bundle::{
    Bundle, BundleError, Hash, Kind, OpenOptions, Problem, Report, Segment, WriteSummary, check_name,
    is_bundle,
};

pub use contents::Contents;
pub use provenance::{Provenance, Source, Stage};

pub(crate) use read::{examine, finding};
pub(crate) use write::{to_bytes, write_file};
