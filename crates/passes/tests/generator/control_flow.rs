//! Subgraphs: branches on inputs and on constants, and loops.

use std::sync::Arc;

use lehr_graph::{OpError, Shape, ValueId, ValueType};
use lehr_ops::r#if::If;
use lehr_ops::r#loop::Loop;
use lehr_tensor::{DataType, Tensor, Wide};

use super::draft::{Draft, finished};
use super::{Motif, activations, arithmetic, movement};

type Made = Result<ValueId, OpError>;

pub const MOTIFS: &[Motif] = &[branch, branch, iterate];

/// A branch that captures the value and computes something of it; the other one keeps its type.
fn branch(d: &mut Draft, x: ValueId) -> Made {
    let condition = if d.random.one_in(3) {
        let flag = Tensor::narrow(DataType::Bool, &[], Wide::B(vec![d.random.one_in(2)])).expect("one flag");
        d.tensor(flag)
    } else {
        let name = format!("flag{}", d.graph.inputs().len());
        d.graph.add_input(name, ValueType::tensor(DataType::Bool, Shape::new()))
    };
    let then_branch = body(d, x, "then")?;
    let else_branch = body(d, x, "else")?;
    d.add(Arc::new(If { then_branch, else_branch }), vec![Some(condition), Some(x)])
}

fn body(d: &mut Draft, x: ValueId, name: &str) -> Result<Arc<lehr_graph::Graph>, OpError> {
    let ty = d.type_of(x);
    let mut inner = d.inner(name);
    let mut y = inner.graph.add_capture("captured", ty);
    inner.push(y);
    let motifs = [activations::MOTIFS, arithmetic::MOTIFS, movement::MOTIFS];
    for _ in 0..1 + inner.random.below(2) {
        let group = inner.random.pick(&motifs);
        let motif = inner.random.pick(group);
        y = motif(&mut inner, y).unwrap_or(y);
    }
    if inner.graph.captures().contains(&y) {
        y = inner.unary("Identity", y)?;
    }
    Ok(finished(inner, vec![y]))
}

/// Two rounds of something that keeps shape and type.
fn iterate(d: &mut Draft, x: ValueId) -> Made {
    let ty = d.type_of(x);
    let mut inner = d.inner("body");
    inner.graph.add_input("round", ValueType::tensor(DataType::I64, Shape::new()));
    let going = inner.graph.add_input("going", ValueType::tensor(DataType::Bool, Shape::new()));
    let carried = inner.graph.add_input("carried", ty);
    let y = activations::simple(&mut inner, carried)?;
    let factor = inner.scalar(0.5);
    let y = inner.op("Add", &[y, factor], &[])?;
    let going = inner.unary("Identity", going)?;
    let body = finished(inner, vec![going, y]);
    let rounds = d.index(2);
    d.add(Arc::new(Loop { body }), vec![Some(rounds), None, Some(x)])
}
