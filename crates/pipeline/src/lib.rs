//! What happens before and after a model: declared in a `pipeline.toml`, one implementation for every caller.
//!
//! An input turns something a user has (a picture, a recording, text, a table, bytes) into the tensors that a model
//! takes; an output turns the tensors that it gives into an answer. Both are lists of steps, each a file below
//! [`steps`]. The crate knows nothing of graphs: whoever runs the model stands between [`Pipeline::prepare`] and
//! [`Pipeline::finish`].
//!
//! # Invariants
//! - Fitted parameters are numbers in the file; nothing is fitted while a model runs.
//! - The same bytes in give the same tensors out on every machine, whatever the number of threads.
//! - No input panics: sizes are checked before memory is taken, and every error names source, step and reason.
//! - Each step says which kind of item it takes and what it makes of it without running ([`Step::infer`]).
#![forbid(unsafe_code)]

mod affine;
mod answers;
mod audio;
mod check;
mod columns;
mod context;
mod decimal;
#[cfg(feature = "draw")]
pub mod draw;
mod error;
mod files;
mod fit;
pub mod import;
mod item;
mod item_type;
mod manifest;
mod pipeline;
mod step;
pub mod steps;

pub use affine::{Affine, AffineTail};
pub use answers::Answers;
pub use audio::Audio;
pub use check::{Port, Signature};
pub use columns::csv_line;
pub use context::{AudioFacts, Context, Geometry};
pub use error::{PipelineError, Place, Side, StepError};
pub use files::{Files, Folder, InMemory, NoFiles, Recorder};
pub use fit::fit;
pub use item::{
    Class, Color, HeatMap, Image, Item, KeyPoint, Mask, Object, Pixels, Region, Segment, Series, Source,
    Table, Text, Transcript,
};
pub use item_type::{ImageType, ItemType, TensorType};
pub use manifest::{Constant, InputSpec, Kind, Manifest, OutputSpec, State};
pub use pipeline::{Pipeline, Prepared};
pub use step::{Declared, Spec, Step};
