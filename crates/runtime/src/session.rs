//! A place to run a compiled model.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use lehr_graph::Datum;
use lehr_tensor::Tensor;

use crate::compile::CompiledModel;
use crate::error::RunError;
use crate::execute::{Executor, Memory};
use crate::feeds::Feeds;
use crate::limits::{CancelToken, Limits};
use crate::pool::BufferPool;
use crate::profile::{Profile, Profiler};

/// Runs a model, one run after the other. Cheap to make; give each thread its own.
#[derive(Debug)]
pub struct Session {
    model: Arc<CompiledModel>,
    pool: BufferPool,
    limits: Limits,
    profiler: Option<RefCell<Profiler>>,
    statistics: RunStatistics,
}

/// What the runs of a session needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunStatistics {
    /// Runs so far, failed ones included.
    pub runs: u64,
    /// The most bytes of computed values alive at once in any run; views count once, inputs and constants not at all.
    pub peak_bytes: usize,
    /// Bytes of free buffers that the session holds for the next run.
    pub pooled_bytes: usize,
}

impl Session {
    /// A session of `model`.
    pub fn new(model: Arc<CompiledModel>) -> Self {
        let pool = BufferPool::new(model.options.pool_bytes);
        Self { model, pool, limits: Limits::default(), profiler: None, statistics: RunStatistics::default() }
    }

    /// The model.
    pub fn model(&self) -> &Arc<CompiledModel> {
        &self.model
    }

    /// Runs end with [`RunError::Stopped`] at the first node or loop iteration after `deadline`; `None` for no limit.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.limits.deadline = deadline;
    }

    /// Runs end with [`RunError::Stopped`] once `token` is cancelled; `None` for no token.
    pub fn set_cancel(&mut self, token: Option<CancelToken>) {
        self.limits.cancel = token;
    }

    /// Begins (anew) or ends the measurement of nodes.
    pub fn set_profiling(&mut self, on: bool) {
        self.profiler = on.then(RefCell::default);
    }

    /// The measurements since [`Session::set_profiling`]; empty when it is off.
    pub fn profile(&self) -> Profile {
        self.profiler.as_ref().map(|p| p.borrow().profile(&self.model)).unwrap_or_default()
    }

    /// What the runs so far needed.
    pub fn statistics(&self) -> RunStatistics {
        RunStatistics { pooled_bytes: self.pool.free_bytes(), ..self.statistics }
    }

    /// Computes the outputs (and kept values) for the fed inputs.
    ///
    /// # Errors
    /// [`RunError`]: what is fed does not fit, a node failed, or the run was stopped. The session can be used again.
    pub fn run(&mut self, feeds: impl Into<Feeds>) -> Result<Outputs, RunError> {
        let inputs = feeds.into().arrange(&self.model.inputs)?;
        let start = Instant::now();
        let executor = Executor {
            model: &self.model,
            pool: &self.pool,
            limits: &self.limits,
            memory: Memory::default(),
            profiler: self.profiler.as_ref(),
        };
        let result = executor.run(&self.model.program, inputs);
        let peak = executor.memory.peak();
        self.statistics.runs += 1;
        self.statistics.peak_bytes = self.statistics.peak_bytes.max(peak);
        if let Some(profiler) = &mut self.profiler {
            profiler.get_mut().finish_run(start.elapsed());
        }
        Ok(Outputs { model: Arc::clone(&self.model), values: result? })
    }
}

/// What a run gives: outputs in the order of the graph, then kept values.
#[derive(Clone, Debug)]
pub struct Outputs {
    model: Arc<CompiledModel>,
    values: Vec<Datum>,
}

impl Outputs {
    /// Output or kept value `index`.
    pub fn get(&self, index: usize) -> Option<&Datum> {
        self.values.get(index)
    }

    /// The output or kept value of that name.
    pub fn named(&self, name: &str) -> Option<&Datum> {
        self.named_values().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The tensor of that name; `None` when there is none or it is no tensor.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.named(name)?.as_tensor()
    }

    /// Names and values of the outputs, without kept values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Datum)> {
        self.named_values().take(self.model.regular_outputs)
    }

    /// Names and values of what was kept.
    pub fn kept(&self) -> impl Iterator<Item = (&str, &Datum)> {
        self.named_values().skip(self.model.regular_outputs)
    }

    /// All values: outputs, then kept ones.
    pub fn into_values(self) -> Vec<Datum> {
        self.values
    }

    fn named_values(&self) -> impl Iterator<Item = (&str, &Datum)> {
        self.model.outputs.iter().map(|port| port.name.as_str()).zip(&self.values)
    }
}
