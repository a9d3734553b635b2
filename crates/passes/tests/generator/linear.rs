//! Convolutions, matrix products, pools and what stands around them.

use lehr_graph::{OpError, ValueId};

use super::draft::{Draft, int, ints, text, unsuited};
use super::{Motif, activations, arithmetic};

type Made = Result<ValueId, OpError>;

pub const MOTIFS: &[Motif] = &[
    conv,
    conv,
    conv_transpose,
    conv_chain,
    conv_chain,
    conv_chain,
    norm_chain,
    pad_then_conv,
    conv_sum,
    dense,
    dense_chain,
    dense_chain,
    gemm,
    product_of_transposed,
    parallel_products,
    scaled_product,
    pool,
    pool,
    attention,
    squeeze_excite,
    resize,
    dense_batch,
];

/// A convolution over whatever spatial axes there are.
fn conv(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.require_rank(x, 3..=4)?;
    let channels = d.size(x, 1)?;
    let group = if channels > 1 && d.random.one_in(3) { channels } else { 1 };
    let out = group * (1 + d.random.below(if group > 1 { 2 } else { 4 }));
    let kernel = 1 + d.random.below(3);
    let mut sizes = vec![out, channels / group];
    sizes.extend(vec![kernel; rank - 2]);
    let mut inputs = vec![x, d.weight(&sizes)];
    if !d.random.one_in(3) {
        inputs.push(d.weight(&[out]));
    }
    let spatial = rank - 2;
    let mut attributes = vec![("group", int(group as i64))];
    match d.random.below(6) {
        0 => attributes.push(("auto_pad", text("SAME_UPPER"))),
        1 => attributes.push(("auto_pad", text("VALID"))),
        _ => {
            let pads: Vec<i64> = (0..2 * spatial).map(|_| d.random.below(kernel) as i64).collect();
            attributes.push(("pads", ints(&pads)));
        }
    }
    if d.random.one_in(4) {
        attributes.push(("strides", ints(&vec![2; spatial])));
    }
    if d.random.one_in(8) {
        attributes.push(("dilations", ints(&vec![2; spatial])));
    }
    d.op("Conv", &inputs, &attributes)
}

fn conv_transpose(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.require_rank(x, 3..=4)?;
    let channels = d.size(x, 1)?;
    let group = if channels > 1 && d.random.one_in(3) { channels } else { 1 };
    let out = 1 + d.random.below(3);
    let kernel = 1 + d.random.below(3);
    let mut sizes = vec![channels, out];
    sizes.extend(vec![kernel; rank - 2]);
    let mut inputs = vec![x, d.weight(&sizes)];
    if d.random.one_in(2) {
        inputs.push(d.weight(&[out * group]));
    }
    let stride = 1 + d.random.below(2) as i64;
    let attributes = [("group", int(group as i64)), ("strides", ints(&vec![stride; rank - 2]))];
    let made = d.op("ConvTranspose", &inputs, &attributes)?;
    behind_channels(d, made)
}

/// What is usually merged into the convolution before it.
fn behind_channels(d: &mut Draft, x: ValueId) -> Made {
    match d.random.below(4) {
        0 => batch_norm(d, x),
        1 => activations::simple(d, x),
        2 => Ok(x),
        _ => arithmetic::affine(d, x),
    }
}

pub fn batch_norm(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    d.require_rank(x, 2..=4)?;
    let channels = [d.size(x, 1)?];
    let inputs = [x, d.weight(&channels), d.weight(&channels), d.weight(&channels), d.positive(&channels)];
    d.op("BatchNormalization", &inputs, &[])
}

fn conv_chain(d: &mut Draft, x: ValueId) -> Made {
    let mut y = conv(d, x)?;
    for _ in 0..1 + d.random.below(3) {
        y = behind_channels(d, y)?;
    }
    match d.random.below(4) {
        0 => conv(d, y),
        1 => d.op("Add", &[y, x], &[]).or(Ok(y)),
        _ => Ok(y),
    }
}

/// Batch normalisations among factors and offsets of channels, with no weights to go into.
fn norm_chain(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.require_rank(x, 2..=4)?;
    let mut column = vec![1; rank - 1];
    column[0] = d.size(x, 1)?;
    let mut y = activations::simple(d, x)?;
    for _ in 0..2 + d.random.below(2) {
        y = match d.random.below(3) {
            0 => {
                let constant = d.weight(&column);
                let name = d.random.pick(&["Add", "Sub", "Mul"]);
                let operands = if d.random.one_in(2) { [y, constant] } else { [constant, y] };
                d.op(name, &operands, &[])?
            }
            1 => arithmetic::affine(d, y)?,
            _ => batch_norm(d, y)?,
        };
    }
    Ok(y)
}

fn pad_then_conv(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.require_rank(x, 3..=4)?;
    let mut pads: Vec<i64> = (0..2 * rank).map(|_| d.random.below(2) as i64).collect();
    if !d.random.one_in(6) {
        (pads[0], pads[1], pads[rank], pads[rank + 1]) = (0, 0, 0, 0);
    }
    let pads = d.indices(&pads);
    let padded = match d.random.below(5) {
        0 => {
            let value = d.scalar(0.5);
            d.op("Pad", &[x, pads, value], &[])
        }
        1 => d.op("Pad", &[x, pads], &[("mode", text("reflect"))]),
        2 => {
            let value = d.scalar(0.0);
            d.op("Pad", &[x, pads, value], &[])
        }
        _ => d.op("Pad", &[x, pads], &[]),
    }?;
    if d.random.one_in(3) { pool(d, padded) } else { conv(d, padded) }
}

/// Two convolutions of one value, added or put behind each other.
fn conv_sum(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.require_rank(x, 3..=4)?;
    let channels = d.size(x, 1)?;
    let out = 1 + d.random.below(3);
    let (narrow, wide) = (1, if d.random.one_in(2) { 3 } else { 1 });
    let mut branches = Vec::new();
    for kernel in [narrow, wide] {
        let mut sizes = vec![out, channels];
        sizes.extend(vec![kernel; rank - 2]);
        let inputs = [x, d.weight(&sizes), d.weight(&[out])];
        let pads = vec![(kernel as i64 - 1) / 2; 2 * (rank - 2)];
        branches.push(d.op("Conv", &inputs, &[("pads", ints(&pads))])?);
    }
    match d.random.below(3) {
        0 => d.op("Concat", &branches, &[("axis", int(1))]),
        1 => {
            let left = batch_norm(d, branches[0])?;
            d.op("Add", &[left, branches[1]], &[])
        }
        _ => d.op("Add", &branches, &[]),
    }
}

fn last_size(d: &Draft, x: ValueId) -> Result<usize, OpError> {
    match d.rank(x) {
        0 => unsuited(),
        rank => d.size(x, rank - 1),
    }
}

/// A product with a constant on the right, or sometimes on the left, and a bias.
fn dense(d: &mut Draft, x: ValueId) -> Made {
    let inner = last_size(d, x)?;
    let out = 1 + d.random.below(5);
    if d.rank(x) >= 2 && d.random.one_in(8) {
        let rows = d.size(x, d.rank(x) - 2)?;
        let weights = d.weight(&[out, rows]);
        return d.op("MatMul", &[weights, x], &[]);
    }
    let weights = d.weight(&[inner, out]);
    let product = d.op("MatMul", &[x, weights], &[])?;
    if d.random.one_in(3) {
        return Ok(product);
    }
    let bias = d.weight(&[out]);
    let operands = if d.random.one_in(2) { [product, bias] } else { [bias, product] };
    d.op("Add", &operands, &[])
}

fn dense_batch(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 3..=4)?;
    let (inner, heads) = (last_size(d, x)?, d.size(x, rank - 3).unwrap_or(1));
    let weights = d.weight(&[heads, inner, 2]);
    d.op("MatMul", &[x, weights], &[])
}

fn dense_chain(d: &mut Draft, x: ValueId) -> Made {
    let mut y = dense(d, x)?;
    for _ in 0..1 + d.random.below(3) {
        y = match d.random.below(4) {
            0 => dense(d, y),
            1 => arithmetic::affine(d, y),
            2 => activations::simple(d, y),
            _ => arithmetic::last_axis_affine(d, y),
        }?;
    }
    Ok(y)
}

fn gemm(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    d.require_rank(x, 2..=2)?;
    let trans_a = d.random.one_in(6);
    let trans_b = d.random.one_in(2);
    let inner = d.size(x, usize::from(!trans_a))?;
    let out = 1 + d.random.below(5);
    let weights = if trans_b { d.weight(&[out, inner]) } else { d.weight(&[inner, out]) };
    let mut inputs = vec![x, weights];
    if !d.random.one_in(3) {
        let sizes = vec![vec![], vec![out], vec![1, out], vec![1]].swap_remove(d.random.below(4));
        inputs.push(d.weight(&sizes));
    }
    let attributes = [
        ("transA", int(i64::from(trans_a))),
        ("transB", int(i64::from(trans_b))),
        ("alpha", lehr_graph::Attribute::Float(d.random.pick(&[1.0, 1.0, 0.5]))),
        ("beta", lehr_graph::Attribute::Float(d.random.pick(&[1.0, 1.0, 2.0, 0.0]))),
    ];
    let made = d.op("Gemm", &inputs, &attributes)?;
    if d.random.one_in(2) { arithmetic::last_axis_affine(d, made) } else { batch_norm(d, made) }
}

/// A product of matrices that are transposed before it.
fn product_of_transposed(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    d.require_rank(x, 2..=2)?;
    let transpose = d.random.one_in(3);
    let inner = d.size(x, usize::from(!transpose))?;
    let a = if transpose { d.unary("Transpose", x)? } else { x };
    let weights = d.weight(&[4, inner]);
    let weights = if d.random.one_in(3) { d.op("Mul", &[x, x], &[])? } else { weights };
    let b = d.unary("Transpose", weights)?;
    if d.random.one_in(2) {
        return d.op("MatMul", &[a, b], &[]);
    }
    let alpha = lehr_graph::Attribute::Float(d.random.pick(&[1.0, 0.5]));
    d.op("Gemm", &[a, b], &[("alpha", alpha)])
}

/// Several products of one value, as queries, keys and values are.
fn parallel_products(d: &mut Draft, x: ValueId) -> Made {
    let inner = last_size(d, x)?;
    let mut made = Vec::new();
    for _ in 0..2 + d.random.below(2) {
        let weights = d.weight(&[inner, 3]);
        let product = d.op("MatMul", &[x, weights], &[])?;
        let bias = d.weight(&[3]);
        made.push(d.op("Add", &[product, bias], &[])?);
    }
    match d.random.below(3) {
        0 => d.op("Sum", &made, &[]),
        1 => {
            made.iter().for_each(|&value| d.push(value));
            d.op("Mul", &made[..2], &[])
        }
        _ => d.op("Concat", &made, &[("axis", int(-1))]),
    }
}

/// A factor before, between or behind products, and transposes around them.
fn scaled_product(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.require_rank(x, 2..=4)?;
    let mut perm: Vec<i64> = (0..rank as i64).collect();
    perm.swap(rank - 1, rank - 2);
    let factor = d.number(0.25);
    let left = if d.random.one_in(2) { d.op("Mul", &[x, factor], &[])? } else { x };
    let right = d.op("Transpose", &[x], &[("perm", ints(&perm))])?;
    let product = d.op("MatMul", &[left, right], &[])?;
    match d.random.below(3) {
        0 => d.op("Mul", &[product, factor], &[]),
        1 => d.op("Transpose", &[product], &[("perm", ints(&perm))]),
        _ => Ok(product),
    }
}

fn attention(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    d.require_rank(x, 3..=3)?;
    let inner = last_size(d, x)?;
    let mut parts = Vec::new();
    for _ in 0..3 {
        let weights = d.weight(&[inner, 4]);
        let product = d.op("MatMul", &[x, weights], &[])?;
        let shape = d.indices(&[0, 0, 2, 2]);
        let heads = d.op("Reshape", &[product, shape], &[])?;
        parts.push(d.op("Transpose", &[heads], &[("perm", ints(&[0, 2, 1, 3]))])?);
    }
    let keys = d.op("Transpose", &[parts[1]], &[("perm", ints(&[0, 1, 3, 2]))])?;
    let scores = d.op("MatMul", &[parts[0], keys], &[])?;
    let scale = d.scalar(2f64.sqrt());
    let scaled = d.op("Div", &[scores, scale], &[])?;
    let shares = d.op("Softmax", &[scaled], &[("axis", int(-1))])?;
    let mixed = d.op("MatMul", &[shares, parts[2]], &[])?;
    let back = d.op("Transpose", &[mixed], &[("perm", ints(&[0, 2, 1, 3]))])?;
    let shape = d.indices(&[0, 0, -1]);
    d.op("Reshape", &[back, shape], &[])
}

fn squeeze_excite(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    d.require_rank(x, 4..=4)?;
    let channels = d.size(x, 1)?;
    let pooled = match d.random.below(2) {
        0 => d.unary("GlobalAveragePool", x)?,
        _ => {
            let axes = d.indices(&[2, 3]);
            d.op("ReduceMean", &[x, axes], &[])?
        }
    };
    let (down, up) = (d.weight(&[2, channels, 1, 1]), d.weight(&[channels, 2, 1, 1]));
    let hidden = d.op("Conv", &[pooled, down], &[])?;
    let active = d.unary("Relu", hidden)?;
    let gate = d.op("Conv", &[active, up], &[])?;
    let gate = activations::gate(d, gate)?;
    d.op("Mul", &[x, gate], &[])
}

fn pool(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.require_rank(x, 3..=4)?;
    let spatial = rank - 2;
    let kernel = 1 + d.random.below(3) as i64;
    let pads: Vec<i64> = (0..2 * spatial).map(|_| d.random.below(kernel as usize) as i64).collect();
    let mut attributes = vec![
        ("kernel_shape", ints(&vec![kernel; spatial])),
        ("pads", ints(&pads)),
        ("strides", ints(&vec![1 + d.random.below(2) as i64; spatial])),
    ];
    match d.random.below(5) {
        0 => d.unary("GlobalAveragePool", x),
        1 => d.unary("GlobalMaxPool", x),
        2 => {
            let outputs = if d.random.one_in(3) { 2 } else { 1 };
            Ok(d.op_n("MaxPool", &[Some(x)], &attributes, outputs)?[0])
        }
        _ => {
            attributes.push(("count_include_pad", int(d.random.below(2) as i64)));
            d.op("AveragePool", &[x], &attributes)
        }
    }
}

fn resize(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.require_rank(x, 3..=4)?;
    let factor = d.random.pick(&[1.0f32, 2.0]);
    let mut scales = vec![1.0f32, 1.0];
    scales.extend(vec![factor; rank - 2]);
    let scales = d.tensor(lehr_tensor::Tensor::vector(scales));
    let attributes = [("mode", text("nearest")), ("coordinate_transformation_mode", text("asymmetric"))];
    let made = d.op_n("Resize", &[Some(x), None, Some(scales)], &attributes, 1)?[0];
    if d.random.one_in(2) { conv(d, made) } else { Ok(made) }
}
