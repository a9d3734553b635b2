//! Arguments: every flag is defined once, and shared by flattening.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use lehr::graph::dim::{Assignment, Symbol};
use lehr::{ModelOptions, Tier};

use crate::commands;

/// Takes trained models out of their frameworks: check, convert, optimise, run.
#[derive(Debug, Parser)]
#[command(name = "lehr", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Run(commands::run::Arguments),
    Conformance(commands::conformance::Arguments),
}

/// Machine-readable output.
#[derive(Clone, Copy, Debug, Args)]
pub struct Json {
    /// Print JSON for programs instead of text for people
    #[arg(long)]
    pub json: bool,
}

/// How a model is executed.
#[derive(Clone, Debug, Args)]
pub struct Execution {
    #[command(flatten)]
    pub optimize: Optimize,

    /// Threads; one for each physical core without it. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Instruction set: scalar, neon, avx2 or avx512; the best of this machine without it
    #[arg(long, value_name = "TIER")]
    pub isa: Option<Tier>,
}

impl Execution {
    /// As options of the library.
    pub fn options(&self) -> ModelOptions {
        ModelOptions {
            optimize: self.optimize.level,
            threads: self.threads.map(usize::from),
            isa: self.isa,
            ..ModelOptions::default()
        }
    }
}

/// The level of optimisation.
#[derive(Clone, Copy, Debug, Args)]
pub struct Optimize {
    /// Optimise: 0 not at all, 1 without changing results beyond rounding, 2 as far as possible
    #[arg(long = "optimize", visible_alias = "level", value_name = "LEVEL", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub level: u8,
}

/// Recorded inputs.
#[derive(Clone, Debug, Args)]
pub struct Feed {
    /// Inputs: an .npz file with arrays by input name, or a folder with input_0.pb … in the order of the inputs
    #[arg(long, value_name = "PATH")]
    pub feed: Option<PathBuf>,
}

/// Sizes of symbolic dimensions.
#[derive(Clone, Debug, Args)]
pub struct Shapes {
    /// Size of a symbolic dimension, as N=1; may be repeated
    #[arg(long = "shape", value_name = "NAME=SIZE", value_parser = parse_binding)]
    bindings: Vec<(String, u64)>,
}

impl Shapes {
    /// The sizes by symbol.
    pub fn assignment(&self) -> Assignment {
        self.bindings.iter().map(|(name, size)| (Symbol::new(name.as_str()), *size)).collect()
    }
}

fn parse_binding(text: &str) -> Result<(String, u64), String> {
    let (name, size) = text.split_once('=').ok_or("expected NAME=SIZE, as N=1")?;
    let size = size.parse().map_err(|_| format!("'{size}' is no size, expected a whole number"))?;
    Ok((name.to_owned(), size))
}
