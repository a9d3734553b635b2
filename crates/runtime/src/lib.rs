//! Runs graphs on the CPU: compile once, then run in as many sessions as needed.
//!
//! [`CompiledModel`] holds the schedule, the kernels bound to their packed weights, and the constants; it never changes
//! and is shared between threads. A [`Session`] is cheap and owns what a run needs: the pool of buffers, limits,
//! the profile. This crate knows neither model files nor passes.
//!
//! # Invariants
//! - Results do not depend on the number of threads, on what ran before, or on whether values are kept or profiled.
//! - Whatever is fed, a run gives outputs or an error; an error leaves the session usable.
//! - A value lives from its producer to its last reader; the memory of `f32` values goes back to a pool whose size is
//!   bounded.
//! - A constant that a kernel has packed is not held a second time.
#![forbid(unsafe_code)]

mod compile;
mod error;
mod execute;
mod feeds;
mod limits;
mod plan;
mod pool;
mod profile;
mod program;
mod session;
mod threads;

pub use compile::{CompileOptions, CompiledModel, Keep, Port, keep_values};
pub use error::{CompileError, FeedError, RunError};
pub use feeds::Feeds;
pub use lehr_kernels::isa::{Isa, Tier};
pub use limits::CancelToken;
pub use profile::{NodeProfile, Profile};
pub use session::{Outputs, RunStatistics, Session};
pub use threads::physical_cores;
