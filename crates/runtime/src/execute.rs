//! Runs the steps of a program.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use lehr_graph::{Datum, Environment, EvalCx, Graph, OpError};
use lehr_ops::cpu::RunCx;

use crate::compile::{CompiledModel, address_of};
use crate::limits::Limits;
use crate::pool::BufferPool;
use crate::profile::Profiler;
use crate::program::{Program, Runner, Source, Step};

/// Everything around one run.
pub(crate) struct Executor<'a> {
    pub(crate) model: &'a CompiledModel,
    pub(crate) pool: &'a BufferPool,
    pub(crate) limits: &'a Limits,
    pub(crate) memory: Memory,
    pub(crate) profiler: Option<&'a RefCell<Profiler>>,
}

/// Bytes of the values of a run; views count once.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    live: Cell<usize>,
    peak: Cell<usize>,
}

impl Memory {
    /// The most bytes that were alive at once.
    pub(crate) fn peak(&self) -> usize {
        self.peak.get()
    }

    fn add(&self, bytes: usize) {
        self.live.set(self.live.get().saturating_add(bytes));
        self.peak.set(self.peak.get().max(self.live.get()));
    }

    fn remove(&self, bytes: usize) {
        self.live.set(self.live.get().saturating_sub(bytes));
    }
}

/// A value of the run and the bytes it is accounted for.
#[derive(Clone, Default)]
struct Slot {
    value: Option<Datum>,
    bytes: usize,
}

impl Executor<'_> {
    /// Outputs of the program for its inputs (then captures).
    pub(crate) fn run(&self, program: &Program, inputs: Vec<Option<Datum>>) -> Result<Vec<Datum>, OpError> {
        let mut slots = vec![Slot::default(); program.slots.len()];
        for (slot, value) in program.inputs.iter().zip(inputs) {
            if let Some(slot) = slot.and_then(|slot| slots.get_mut(slot)) {
                slot.value = value;
            }
        }
        for (index, step) in program.steps.iter().enumerate() {
            self.step(program, index, step, &mut slots).map_err(|error| step.failed(error))?;
        }
        self.outputs(program, slots)
    }

    fn step(&self, program: &Program, index: usize, step: &Step, slots: &mut [Slot]) -> Result<(), OpError> {
        self.limits.check()?;
        let mut bytes = vec![0; step.inputs.len()];
        let mut inputs = Vec::with_capacity(step.inputs.len());
        for ((&source, &dying), bytes) in step.inputs.iter().zip(&step.dying).zip(&mut bytes) {
            inputs.push(match source {
                Source::Absent | Source::Packed => None,
                Source::Const(constant) => program.constants.get(constant).cloned().map(Datum::Tensor),
                Source::Slot(slot) => match slots.get_mut(slot) {
                    Some(slot) if dying => {
                        *bytes = std::mem::take(&mut slot.bytes);
                        slot.value.take()
                    }
                    Some(slot) => slot.value.clone(),
                    None => None,
                },
            });
        }
        let start = self.profiler.map(|_| Instant::now());
        let outputs = self.compute(step, &mut inputs)?;
        if let (Some(profiler), Some(start)) = (self.profiler, start) {
            let time = start.elapsed();
            let written: usize = outputs.iter().flatten().map(datum_bytes).sum();
            let live = self.memory.live.get().saturating_add(new_bytes(step, &inputs, &outputs));
            profiler.borrow_mut().record(program, index, time, written, live);
        }
        self.store(step, inputs, &bytes, outputs, slots)
    }

    fn compute(&self, step: &Step, inputs: &mut [Option<Datum>]) -> Result<Vec<Option<Datum>>, OpError> {
        let model = self.model;
        match &step.runner {
            Runner::Kernel(kernel, _) => {
                let n_outputs = step.outputs.len();
                let mut cx =
                    RunCx::new(inputs, &step.dying, n_outputs, &model.team, model.isa, self.pool, self);
                kernel.run(&mut cx)?;
                Ok(cx.finish())
            }
            Runner::Reference => {
                let wanted = step.outputs.iter().map(Option::is_some).collect();
                let mut cx = EvalCx::new(inputs, wanted, self);
                step.op.eval(&mut cx)?;
                Ok(cx.finish())
            }
        }
    }

    /// Puts outputs into their slots and the memory of inputs that were read for the last time back into the pool.
    fn store(
        &self,
        step: &Step,
        inputs: Vec<Option<Datum>>,
        input_bytes: &[usize],
        outputs: Vec<Option<Datum>>,
        slots: &mut [Slot],
    ) -> Result<(), OpError> {
        // An input that is gone was overwritten in place.
        for (_, &bytes) in inputs.iter().zip(input_bytes).filter(|(input, _)| input.is_none()) {
            self.memory.remove(bytes);
        }
        for (index, (place, output)) in step.outputs.iter().zip(outputs).enumerate() {
            let Some(slot) = place.and_then(|place| slots.get_mut(place)) else {
                output.into_iter().for_each(|output| self.pool.recycle(output));
                continue;
            };
            let output = output.ok_or_else(|| OpError::value(format!("output {index} was not computed")))?;
            // A view takes over what its dying source is accounted for.
            let sources = inputs.iter().zip(input_bytes);
            let shared = sources.filter(|(input, _)| input.as_ref().is_some_and(|i| shares(&output, i)));
            let bytes = shared.map(|(_, &bytes)| bytes).max().unwrap_or_else(|| {
                let bytes = datum_bytes(&output);
                self.memory.add(bytes);
                bytes
            });
            *slot = Slot { value: Some(output), bytes };
        }
        for ((input, &dying), &bytes) in inputs.into_iter().zip(&step.dying).zip(input_bytes) {
            let Some(input) = input.filter(|_| dying) else { continue };
            let outputs = step.outputs.iter().flatten().filter_map(|&slot| slots.get(slot)?.value.as_ref());
            if !outputs.into_iter().any(|output| shares(output, &input)) {
                self.memory.remove(bytes);
                self.pool.recycle(input);
            }
        }
        Ok(())
    }

    fn outputs(&self, program: &Program, slots: Vec<Slot>) -> Result<Vec<Datum>, OpError> {
        let value_of = |source: &Source| match *source {
            Source::Const(constant) => program.constants.get(constant).cloned().map(Datum::Tensor),
            Source::Slot(slot) => slots.get(slot)?.value.clone(),
            Source::Absent | Source::Packed => None,
        };
        let named = program.outputs.iter().zip(&program.output_names);
        let outputs = named
            .map(|(source, name)| {
                value_of(source).ok_or_else(|| OpError::value(format!("output '{name}' was not computed")))
            })
            .collect();
        self.memory.remove(slots.iter().map(|slot| slot.bytes).sum());
        outputs
    }
}

impl Environment for Executor<'_> {
    fn run_graph(&self, graph: &Graph, inputs: Vec<Option<Datum>>) -> Result<Vec<Datum>, OpError> {
        if let Some(program) = self.model.subprograms.get(&address_of(graph)) {
            return self.run(program, inputs);
        }
        // A decomposition: it lives for this call only, so its address says nothing about the next one.
        let program = Program::new(graph, self.model.isa, self.model.options.kernels)
            .map_err(|error| OpError::value(error.to_string()))?;
        self.run(&program, inputs)
    }

    fn seed(&self) -> u64 {
        self.model.options.seed
    }

    fn check(&self) -> Result<(), OpError> {
        self.limits.check()
    }

    fn max_value_bytes(&self) -> usize {
        self.model.options.max_value_bytes
    }
}

/// Bytes that the outputs take beside their inputs: those that are neither views of one nor written over one.
fn new_bytes(step: &Step, inputs: &[Option<Datum>], outputs: &[Option<Datum>]) -> usize {
    let overwritten = step.dying.iter().zip(inputs).any(|(&dying, input)| dying && input.is_none());
    let is_view = |output: &&Datum| inputs.iter().flatten().any(|input| shares(output, input));
    let new = outputs.iter().flatten().filter(|output| !is_view(output)).map(datum_bytes);
    new.skip(usize::from(overwritten)).sum()
}

fn shares(a: &Datum, b: &Datum) -> bool {
    match (a, b) {
        (Datum::Tensor(a), Datum::Tensor(b)) => !a.is_empty() && a.shares_storage(b),
        _ => false,
    }
}

fn datum_bytes(value: &Datum) -> usize {
    match value {
        Datum::Tensor(tensor) => tensor.byte_len(),
        Datum::Sequence(items) => items.iter().map(datum_bytes).sum(),
        Datum::Optional(item) => item.as_deref().map_or(0, datum_bytes),
        Datum::Map(map) => map.keys.byte_len() + map.values.iter().map(datum_bytes).sum::<usize>(),
    }
}
