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
    instance_norm,
    group_norm,
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

/// Instance normalization over whatever spatial axes there are.
fn instance_norm(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.require_rank(x, 3..=4)?;
    let channels = d.size(x, 1)?;
    let y = if d.random.one_in(2) {
        let axes: Vec<i64> = (2..rank as i64).collect();
        standardized(d, x, &axes)?
    } else {
        let inputs = [x, d.weight(&[channels]), d.weight(&[channels])];
        d.op("InstanceNormalization", &inputs, &[("epsilon", Attribute::Float(0.01))])?
    };
    channel_affine(d, y, channels)
}

/// A factor and an offset of each channel, or one of them, or of something else.
fn channel_affine(d: &mut Draft, mut y: ValueId, channels: usize) -> Made {
    let mut sizes = vec![1; d.rank(y) - 1];
    sizes[0] = channels;
    if d.random.one_in(8) {
        sizes = vec![d.size(y, d.rank(y) - 1)?];
    }
    for name in ["Mul", "Add"] {
        if !d.random.one_in(3) {
            let weight = d.weight(&sizes);
            y = d.op(name, &[y, weight], &[])?;
        }
    }
    Ok(y)
}

/// Group normalization as a reshaped instance or layer normalization, or spelled out.
fn group_norm(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    d.require_rank(x, 4..=4)?;
    let (channels, height, width) = (d.size(x, 1)?, d.size(x, 2)?, d.size(x, 3)?);
    let groups = if d.random.one_in(6) { channels } else { 2 };
    if channels * height * width == 0 || channels % groups != 0 {
        return unsuited();
    }
    let batch = d.random.pick(&[0, 0, 0, -1]);
    let len = if batch == -1 { channels / groups * height * width } else { 0 };
    let target = d.indices(&[batch, groups as i64, if len > 0 { len as i64 } else { -1 }]);
    let grouped = d.op("Reshape", &[x, target], &[])?;
    let normal = if d.random.one_in(2) {
        standardized(d, grouped, &[-1])?
    } else {
        let (one, zero) = (d.positive(&[groups]), d.weight(&[groups]));
        d.op("InstanceNormalization", &[grouped, one, zero], &[("epsilon", Attribute::Float(0.01))])?
    };
    let back = d.indices(&[-1, channels as i64, height as i64, width as i64]);
    let y = d.op("Reshape", &[normal, back], &[])?;
    let y = channel_affine(d, y, channels)?;
    if d.random.one_in(2) {
        return Ok(y);
    }
    d.op("Transpose", &[y], &[("perm", ints(&[0, 2, 3, 1]))])
}
