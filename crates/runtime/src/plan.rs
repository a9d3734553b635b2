//! The plan of a compiled model in words.

use std::fmt::Write as _;

use crate::compile::CompiledModel;
use crate::program::{Program, Source};

impl CompiledModel {
    /// What runs, in order: for each node its operator, kernel, and where its operands lie.
    ///
    /// Places: `Input` (fed), `Const`, `Packed` (inside the kernel), `Pool` (a buffer of the session), `Output`.
    /// `†` marks the last reader of a value, which may overwrite it.
    pub fn plan(&self) -> String {
        let mut text = String::new();
        print_program(&mut text, "main", &self.program);
        let mut inner: Vec<_> = self.subprograms.values().collect();
        inner.sort_by(|a, b| a.name.cmp(&b.name));
        for program in inner {
            print_program(&mut text, &format!("subgraph {}", program.name), program);
        }
        text
    }
}

fn print_program(text: &mut String, title: &str, program: &Program) {
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{title}: {} steps, {} bytes of constants, {} bytes of packed weights",
        program.steps.len(),
        program.constant_bytes(),
        program.packed_bytes
    );
    for (index, step) in program.steps.iter().enumerate() {
        let inputs: Vec<_> =
            step.inputs.iter().zip(&step.dying).map(|(&s, &dying)| operand(program, s, dying)).collect();
        let outputs: Vec<_> = step.outputs.iter().map(|slot| result(program, *slot)).collect();
        let _ = writeln!(
            text,
            "{index:>5}  {} [{}] '{}'  ({}) -> {}",
            step.op.full_name(),
            step.kernel(),
            step.label,
            inputs.join(", "),
            outputs.join(", ")
        );
    }
}

fn operand(program: &Program, source: Source, dying: bool) -> String {
    match source {
        Source::Absent => "-".to_owned(),
        Source::Packed => "Packed".to_owned(),
        Source::Const(_) => "Const".to_owned(),
        Source::Slot(slot) => {
            let place = if program.inputs.contains(&Some(slot)) { "Input" } else { "Pool" };
            format!("{}: {place}{}", name(program, slot), if dying { "†" } else { "" })
        }
    }
}

fn result(program: &Program, slot: Option<usize>) -> String {
    match slot {
        None => "-".to_owned(),
        Some(slot) => {
            let place = if program.outputs.contains(&Source::Slot(slot)) { "Output" } else { "Pool" };
            format!("{}: {place}", name(program, slot))
        }
    }
}

fn name(program: &Program, slot: usize) -> &str {
    program.slots.get(slot).map_or("?", |name| name)
}
