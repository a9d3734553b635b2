//! Normalizations and softmax, whole and taken apart.

use lehr_graph::{Attribute, OpError, ValueId};

use super::draft::{Draft, int, ints, unsuited};
use super::{Motif, linear};

type Made = Result<ValueId, OpError>;

pub const MOTIFS: &[Motif] = &[
    layer_norm,
    layer_norm,
    layer_norm_formula,
    layer_norm_formula,
    rms_norm,
    softmax,
    softmax_formula,
    log_softmax,
    l2_norm,
    linear::batch_norm,
    batch_norm_formula,
    instance_norm,
    group_norm,
];

fn last_size(d: &Draft, x: ValueId) -> Result<usize, OpError> {
    d.require_float()?;
    match d.rank(x) {
        0 => unsuited(),
        rank => d.size(x, rank - 1),
    }
}

fn mean(d: &mut Draft, x: ValueId, axes: &[i64]) -> Made {
    let axes = d.indices(axes);
    d.op("ReduceMean", &[x, axes], &[])
}

fn layer_norm(d: &mut Draft, x: ValueId) -> Made {
    let size = last_size(d, x)?;
    let mut inputs = vec![x, d.weight(&[size])];
    if d.random.one_in(2) {
        inputs.push(d.weight(&[size]));
    }
    let made = d.op("LayerNormalization", &inputs, &[("epsilon", Attribute::Float(0.01))])?;
    if d.random.one_in(2) {
        let weights = d.weight(&[size, 3]);
        return d.op("MatMul", &[made, weights], &[]);
    }
    Ok(made)
}

/// A standardized value: `(x - mean) / √(mean((x - mean)²) + ε)`, in several spellings.
fn standardized(d: &mut Draft, x: ValueId, axes: &[i64]) -> Made {
    let average = mean(d, x, axes)?;
    let centred = d.op("Sub", &[x, average], &[])?;
    let again = if d.random.one_in(3) { d.op("Sub", &[x, average], &[])? } else { centred };
    let square = if d.random.one_in(2) {
        let two = d.scalar(2.0);
        d.op("Pow", &[again, two], &[])?
    } else {
        d.op("Mul", &[again, again], &[])?
    };
    let variance = mean(d, square, axes)?;
    let epsilon = d.scalar(0.01);
    let sum = d.op("Add", &[variance, epsilon], &[])?;
    let root = d.unary("Sqrt", sum)?;
    if d.random.one_in(3) {
        let inverse = d.unary("Reciprocal", root)?;
        return d.op("Mul", &[centred, inverse], &[]);
    }
    d.op("Div", &[centred, root], &[])
}

fn layer_norm_formula(d: &mut Draft, x: ValueId) -> Made {
    let size = last_size(d, x)?;
    let y = standardized(d, x, &[-1])?;
    let (scale, bias) = (d.weight(&[size]), d.weight(&[size]));
    if d.random.one_in(4) {
        return Ok(y);
    }
    let y = d.op("Mul", &[y, scale], &[])?;
    d.op("Add", &[y, bias], &[])
}

fn rms_norm(d: &mut Draft, x: ValueId) -> Made {
    let size = last_size(d, x)?;
    let two = d.scalar(2.0);
    let square = d.op("Pow", &[x, two], &[])?;
    let average = mean(d, square, &[-1])?;
    let epsilon = d.scalar(0.01);
    let sum = d.op("Add", &[average, epsilon], &[])?;
    let root = d.unary("Sqrt", sum)?;
    let y = match d.random.below(2) {
        0 => d.op("Div", &[x, root], &[])?,
        _ => {
            let inverse = d.unary("Reciprocal", root)?;
            d.op("Mul", &[x, inverse], &[])?
        }
    };
    let scale = d.weight(&[size]);
    d.op("Mul", &[scale, y], &[])
}

fn softmax(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.require_rank(x, 1..=4)?;
    let axis = d.random.below(rank) as i64;
    let name = d.random.pick(&["Softmax", "LogSoftmax"]);
    // A constant that is the same along the axis changes nothing.
    let shift = d.number(0.5);
    let x = if d.random.one_in(2) { d.op("Add", &[x, shift], &[])? } else { x };
    let axis = axis - d.random.pick(&[0, rank as i64]);
    let y = d.op(name, &[x], &[("axis", int(axis))])?;
    if name == "Softmax" && d.random.one_in(2) { d.unary("Log", y) } else { Ok(y) }
}

/// `e^(x - max) / Σ e^(x - max)`, with or without the maximum.
fn softmax_formula(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.require_rank(x, 1..=4)?;
    let axis = d.random.below(rank) as i64;
    let axes = d.indices(&[axis]);
    let x = if d.random.one_in(2) {
        let peak = d.op("ReduceMax", &[x, axes], &[])?;
        d.op("Sub", &[x, peak], &[])?
    } else {
        x
    };
    let exp = d.unary("Exp", x)?;
    let sum = d.op("ReduceSum", &[exp, axes], &[])?;
    d.op("Div", &[exp, sum], &[])
}

fn log_softmax(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.require_rank(x, 1..=4)?;
    let axes = d.indices(&[rank as i64 - 1]);
    let norm = d.op("ReduceLogSumExp", &[x, axes], &[])?;
    d.op("Sub", &[x, norm], &[])
}

fn l2_norm(d: &mut Draft, x: ValueId) -> Made {
    last_size(d, x)?;
    let axes = d.indices(&[-1]);
    let one = d.number(1.0);
    let size = d.unary("Abs", x)?;
    let x = d.op("Add", &[size, one], &[])?;
    let norm = if d.random.one_in(2) {
        d.op("ReduceL2", &[x, axes], &[])?
    } else {
        let square = d.op("Mul", &[x, x], &[])?;
        let sum = d.op("ReduceSum", &[square, axes], &[])?;
        d.unary("Sqrt", sum)?
    };
    let floor = d.scalar(1e-6);
    let norm = if d.random.one_in(2) { d.op("Max", &[norm, floor], &[])? } else { norm };
    d.op("Div", &[x, norm], &[])
}

/// Batch normalization as four operations with constants of the channels.
fn batch_norm_formula(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.require_rank(x, 2..=4)?;
    let mut sizes = vec![1; rank - 1];
    sizes[0] = d.size(x, 1)?;
    let (mean, root, scale, bias) =
        (d.weight(&sizes), d.positive(&sizes), d.weight(&sizes), d.weight(&sizes));
    let y = d.op("Sub", &[x, mean], &[])?;
    let y = d.op("Div", &[y, root], &[])?;
    let y = d.op("Mul", &[y, scale], &[])?;
    d.op("Add", &[y, bias], &[])
}

fn instance_norm(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    d.require_rank(x, 4..=4)?;
    let channels = d.size(x, 1)?;
    if d.random.one_in(2) {
        return standardized(d, x, &[2, 3]);
    }
    let inputs = [x, d.weight(&[channels]), d.weight(&[channels])];
    d.op("InstanceNormalization", &inputs, &[("epsilon", Attribute::Float(0.01))])
}

/// Group normalization as a reshaped instance normalization.
fn group_norm(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    d.require_rank(x, 4..=4)?;
    let (channels, height, width) = (d.size(x, 1)?, d.size(x, 2)?, d.size(x, 3)?);
    if channels % 2 != 0 || height * width == 0 {
        return unsuited();
    }
    let target = d.indices(&[0, 2, -1]);
    let grouped = d.op("Reshape", &[x, target], &[])?;
    let (one, zero) = (d.positive(&[2]), d.weight(&[2]));
    let normal =
        d.op("InstanceNormalization", &[grouped, one, zero], &[("epsilon", Attribute::Float(0.01))])?;
    let back = d.indices(&[-1, channels as i64, height as i64, width as i64]);
    let y = d.op("Reshape", &[normal, back], &[])?;
    let scale = d.weight(&[channels, 1, 1]);
    let y = d.op("Mul", &[y, scale], &[])?;
    d.op("Transpose", &[y], &[("perm", ints(&[0, 2, 3, 1]))])
}
