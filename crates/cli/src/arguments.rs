//! Arguments: every flag is defined once, and shared by flattening.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use lehr::graph::dim::{Assignment, Symbol};
use lehr::passes::bind_shapes::Bindings;
use lehr::{Model, ModelOptions, OptLevel, Tier};

use crate::commands;
use crate::failure::Failure;

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
    Deploy(commands::deploy::Arguments),
    Check(commands::check::Arguments),
    Inspect(commands::inspect::Arguments),
    Convert(commands::convert::Arguments),
    Optimize(commands::optimize::Arguments),
    Run(commands::run::Arguments),
    Pipeline(commands::pipeline::Arguments),
    Bench(commands::bench::Arguments),
    Compare(commands::compare::Arguments),
    Verify(commands::verify::Arguments),
    Conformance(commands::conformance::Arguments),
    Completions(commands::generate::CompletionsArguments),
    Man(commands::generate::ManArguments),
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
    /// The level of optimisation; 2 when nothing was said.
    pub fn level(&self) -> OptLevel {
        self.optimize.or(OptLevel::O2)
    }

    /// As options of the library.
    pub fn options(&self) -> ModelOptions {
        ModelOptions {
            optimize: self.level(),
            threads: self.threads.map(usize::from),
            isa: self.isa,
            ..ModelOptions::default()
        }
    }
}

/// The level of optimisation.
#[derive(Clone, Copy, Debug, Args)]
pub struct Optimize {
    /// How much to optimise: 0 not at all, 1 clean-up that keeps every result bit for bit, 2 what pays at run time and
    /// may change rounding, 3 also what trades load time or memory for speed
    #[arg(long = "optimize", visible_alias = "level", value_name = "LEVEL", value_parser = parse_level)]
    level: Option<OptLevel>,
}

impl Optimize {
    /// The level, or that one when nothing was said.
    pub fn or(self, default: OptLevel) -> OptLevel {
        self.level.unwrap_or(default)
    }
}

fn parse_level(text: &str) -> Result<OptLevel, String> {
    let levels = OptLevel::ALL.into_iter().zip(["0", "1", "2", "3"]);
    let found = levels.into_iter().find(|(level, digit)| *digit == text || level.name() == text);
    found.map(|(level, _)| level).ok_or_else(|| "expected 0, 1, 2 or 3".to_owned())
}

/// Recorded inputs.
#[derive(Clone, Debug, Args)]
pub struct Feed {
    /// Inputs: an .npz file with arrays by input name, or a folder with input_0.pb … in the order of the inputs
    #[arg(long, value_name = "PATH")]
    pub feed: Option<PathBuf>,
}

/// How a model file is written.
#[derive(Clone, Debug, Args)]
pub struct Writing {
    /// The file to write: .onnx, .lehr for a bundle, or .txt for the text form; it appears whole or not at all
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,

    /// Opset of the written .onnx file, 13 or newer; the lowest from 21 up that can express the model without it
    #[arg(long, value_name = "N")]
    pub opset: Option<i64>,

    /// Put weights into a file beside the .onnx file
    #[arg(long)]
    pub external_data: bool,
}

/// The largest difference that counts as agreement.
#[derive(Clone, Copy, Debug, Args)]
pub struct Tolerance {
    /// Largest max|a-b| / max|b| that counts as agreement
    #[arg(long, value_name = "RATIO", default_value_t = 1e-4)]
    pub tolerance: f64,
}

/// Sizes that the model leaves open.
#[derive(Clone, Debug, Args)]
pub struct Shapes {
    /// Size of a symbolic dimension, as N=1, or whole shape of an input, as x=1x3x224x224; may be repeated
    #[arg(long = "shape", value_name = "NAME=SIZES", value_parser = parse_binding)]
    bindings: Vec<Binding>,
}

/// Sizes that the model leaves open and that are settled for good.
#[derive(Clone, Debug, Args)]
pub struct FixedShapes {
    /// Settle the shape of an input, as x=1x3x224x224, or a symbolic dimension, as N=1, for good; may be repeated
    #[arg(long = "input-shape", value_name = "NAME=SIZES", value_parser = parse_binding)]
    bindings: Vec<Binding>,

    /// Settle the first dimension of every input where it is symbolic
    #[arg(long, value_name = "N")]
    batch: Option<u64>,
}

impl FixedShapes {
    /// As the library takes them.
    pub fn bindings(&self) -> Bindings {
        let named = self.bindings.iter().map(|Binding { name, sizes }| (name.clone(), sizes.clone()));
        Bindings { named: named.collect(), batch: self.batch }
    }
}

/// A name and its size or sizes.
#[derive(Clone, Debug)]
struct Binding {
    name: String,
    sizes: Vec<u64>,
}

impl Shapes {
    /// The sizes by symbol.
    pub fn assignment(&self) -> Assignment {
        let single = |binding: &Binding| match *binding.sizes {
            [size] => Some((Symbol::new(binding.name.as_str()), size)),
            _ => None,
        };
        self.bindings.iter().filter_map(single).collect()
    }

    /// The model with the shapes of its inputs as they were given.
    pub fn apply(&self, model: Model) -> Result<Model, Failure> {
        let is_input = |name: &str| model.inputs().iter().any(|input| input.name == name);
        let of_inputs = self.bindings.iter().filter(|b| b.sizes.len() != 1 || is_input(&b.name));
        let named = of_inputs.map(|binding| (binding.name.clone(), binding.sizes.clone())).collect();
        let bindings = Bindings { named, batch: None };
        model.bound(&bindings).map_err(|error| Failure::Message(format!("--shape: {error}")))
    }
}

fn parse_binding(text: &str) -> Result<Binding, String> {
    // Names of inputs may hold the sign, sizes do not.
    let (name, sizes) = text.rsplit_once('=').ok_or("expected NAME=SIZE, as N=1 or x=1x3x224x224")?;
    let size = |text: &str| text.parse().map_err(|_| format!("'{text}' is no size, expected a whole number"));
    let sizes = sizes.split(['x', ',']).map(size).collect::<Result<_, _>>()?;
    Ok(Binding { name: name.to_owned(), sizes })
}
