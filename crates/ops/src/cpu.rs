//! The fast path of operators: `choose → pack → bind → run`.
//!
//! `choose` decides from types alone and gives plain data, `pack` turns constant weights into the bytes that the kernel
//! reads, `bind` makes the runnable kernel. Only `bind` and `run` need to happen on the machine that runs the model.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lehr_graph::{Datum, Environment, EvalCx, Op, OpError, Signature};
use lehr_kernels::isa::Isa;
use lehr_kernels::team::Team;
use lehr_kernels::{AlignedVec, ShapeError};
use lehr_tensor::{DataType, Tensor};

/// How a node will be computed: plain data that can be stored.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Recipe {
    /// Name of the algorithm, in the operator's own words.
    pub algorithm: String,
    /// Sizes and switches of it.
    pub parameters: BTreeMap<String, i64>,
}

impl Recipe {
    /// A recipe without parameters.
    pub fn new(algorithm: impl Into<String>) -> Self {
        Self { algorithm: algorithm.into(), parameters: BTreeMap::new() }
    }

    /// The same with one more parameter.
    pub fn with(mut self, name: &str, value: i64) -> Self {
        self.parameters.insert(name.to_owned(), value);
        self
    }

    /// A parameter; 0 when it was not set.
    pub fn get(&self, name: &str) -> i64 {
        self.parameters.get(name).copied().unwrap_or(0)
    }
}

/// Weights in the form that a kernel reads.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    /// Packed `f32` blocks, in the operator's own order, each on a cache line.
    pub blocks: Vec<AlignedVec>,
}

/// An operator with a fast way.
pub trait CpuOp: Op {
    /// Chooses an algorithm for the given types; `None` when the reference evaluation shall be used.
    fn choose(&self, io: &Signature<'_>, isa: Isa) -> Option<Recipe>;

    /// Packs the constant weights.
    ///
    /// # Errors
    /// When they are not what the recipe was chosen for.
    fn pack(&self, recipe: &Recipe, constants: &[Option<&Tensor>]) -> Result<Packed, OpError>;

    /// The constant inputs whose contents [`CpuOp::pack`] has taken over: the kernel is run without them, so that
    /// their memory need not be kept twice.
    fn packed_inputs(&self, recipe: &Recipe) -> Vec<usize> {
        let _ = recipe;
        Vec::new()
    }

    /// Makes the runnable kernel.
    ///
    /// # Errors
    /// When recipe and packed weights do not fit each other.
    fn bind(&self, recipe: &Recipe, packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError>;
}

/// A kernel bound to its weights; runs on inputs of any size that its types allow.
pub trait Kernel: Send + Sync {
    /// Computes the outputs.
    ///
    /// # Errors
    /// When the inputs do not fit; nothing is written then.
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError>;
}

/// Gives and takes back buffers, so that a steady run need not ask the system for memory.
pub trait Buffers {
    /// A buffer of exactly `len` initialised elements of any content.
    fn take(&self, len: usize) -> Vec<f32>;

    /// Takes a buffer back.
    fn give(&self, buffer: Vec<f32>);
}

/// What a kernel sees while it runs.
pub struct RunCx<'a> {
    inputs: &'a mut [Option<Datum>],
    dying: &'a [bool],
    outputs: Vec<Option<Datum>>,
    /// Threads.
    pub team: &'a Team,
    /// Instruction set to use.
    pub isa: Isa,
    /// Where buffers come from.
    pub buffers: &'a dyn Buffers,
    /// What surrounds the run.
    pub environment: &'a dyn Environment,
}

impl<'a> RunCx<'a> {
    /// A context; `dying[i]` says that input `i` is read here for the last time and may be overwritten.
    pub fn new(
        inputs: &'a mut [Option<Datum>],
        dying: &'a [bool],
        n_outputs: usize,
        team: &'a Team,
        isa: Isa,
        buffers: &'a dyn Buffers,
        environment: &'a dyn Environment,
    ) -> Self {
        Self { inputs, dying, outputs: vec![None; n_outputs], team, isa, buffers, environment }
    }

    /// A required tensor.
    ///
    /// # Errors
    /// [`OpError::MissingInput`], [`OpError::InputKind`].
    pub fn tensor(&self, index: usize) -> Result<&Tensor, OpError> {
        self.optional_tensor(index)?.ok_or(OpError::MissingInput { index })
    }

    /// A tensor that may be absent.
    ///
    /// # Errors
    /// [`OpError::InputKind`].
    pub fn optional_tensor(&self, index: usize) -> Result<Option<&Tensor>, OpError> {
        match self.inputs.get(index).and_then(Option::as_ref) {
            None => Ok(None),
            Some(Datum::Tensor(tensor)) => Ok(Some(tensor)),
            Some(other) => Err(OpError::InputKind { index, expected: "a tensor", got: other.describe() }),
        }
    }

    /// All inputs.
    pub fn inputs(&self) -> &[Option<Datum>] {
        self.inputs
    }

    /// Whether input `index` is read here for the last time, so that taking it costs no copy.
    pub fn is_dying(&self, index: usize) -> bool {
        self.dying.get(index).copied().unwrap_or(false)
    }

    /// Takes input `index` as an owned `f32` buffer to be overwritten: its own memory when it is read for the last
    /// time and not shared, else a copy.
    ///
    /// # Errors
    /// As [`RunCx::tensor`], and when it does not hold `f32`.
    pub fn take_f32(&mut self, index: usize) -> Result<Vec<f32>, OpError> {
        if self.dying.get(index).copied().unwrap_or(false)
            && let Some(slot) = self.inputs.get_mut(index)
        {
            match slot.take() {
                Some(Datum::Tensor(tensor)) => match tensor.try_into_vec::<f32>() {
                    Ok(own) => return Ok(own),
                    Err(shared) => *slot = Some(Datum::Tensor(shared)),
                },
                other => *slot = other,
            }
        }
        let source = self.tensor(index)?.as_slice::<f32>()?;
        let mut copy = self.buffers.take(source.len());
        copy.copy_from_slice(&source);
        Ok(copy)
    }

    /// How many outputs there are.
    pub fn n_outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Sets output `index`; one that the node does not have is ignored.
    pub fn set(&mut self, index: usize, value: impl Into<Datum>) {
        if let Some(slot) = self.outputs.get_mut(index) {
            *slot = Some(value.into());
        }
    }

    /// The outputs.
    pub fn finish(self) -> Vec<Option<Datum>> {
        self.outputs
    }
}

/// Whether the listed inputs, as far as present, are known to hold `f32`, and the first of them is there.
pub(crate) fn are_f32(io: &Signature<'_>, indices: &[usize]) -> bool {
    let present = |index: &&usize| io.inputs.get(**index).is_some_and(Option::is_some);
    indices.first().is_some_and(|first| present(&first))
        && indices.iter().filter(present).all(|&index| io.input_dtype(index) == Some(DataType::F32))
}

/// Runs the reference evaluation in place of a kernel, for sizes that the kernel does not take.
pub(crate) fn run_reference(op: &dyn Op, cx: &mut RunCx<'_>) -> Result<(), OpError> {
    let mut eval = EvalCx::new(cx.inputs(), vec![true; cx.n_outputs()], cx.environment);
    op.eval(&mut eval)?;
    for (index, output) in eval.finish().into_iter().enumerate() {
        if let Some(output) = output {
            cx.set(index, output);
        }
    }
    Ok(())
}

/// A geometry that a kernel refuses.
pub(crate) fn refused(error: ShapeError) -> OpError {
    OpError::shape(error.to_string())
}

/// Sizes stored in a recipe under `name0`, `name1` …
pub(crate) fn with_sizes(mut recipe: Recipe, name: &str, sizes: &[usize]) -> Recipe {
    recipe = recipe.with(name, sizes.len() as i64);
    for (axis, &size) in sizes.iter().enumerate() {
        recipe = recipe.with(&format!("{name}{axis}"), i64::try_from(size).unwrap_or(i64::MAX));
    }
    recipe
}

/// Sizes that [`with_sizes`] stored.
pub(crate) fn sizes_of(recipe: &Recipe, name: &str) -> Vec<usize> {
    let rank = usize::try_from(recipe.get(name)).unwrap_or(0).min(64);
    (0..rank).map(|axis| usize::try_from(recipe.get(&format!("{name}{axis}"))).unwrap_or(0)).collect()
}

/// The exclusive parts of a buffer, one for each task or worker of a parallel loop. Each lock is taken by one of them
/// alone, so none is ever waited for.
pub(crate) struct Shares<'a>(Vec<Mutex<&'a mut [f32]>>);

impl<'a> Shares<'a> {
    /// Parts of `len` elements (at least one).
    pub(crate) fn new(buffer: &'a mut [f32], len: usize) -> Self {
        Self(buffer.chunks_mut(len.max(1)).map(Mutex::new).collect())
    }

    /// Number of parts.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Gives part `index` to `f`; an empty one when there is no such part.
    pub(crate) fn with<R>(&self, index: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
        match self.0.get(index) {
            Some(part) => f(&mut part.lock().unwrap_or_else(PoisonError::into_inner)),
            None => f(&mut []),
        }
    }
}
