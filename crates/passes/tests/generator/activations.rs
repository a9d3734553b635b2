//! Activations, whole and taken apart as exporters write them.

use lehr_graph::{Attribute, OpError, ValueId};

use super::Motif;
use super::draft::{Draft, int, unsuited};

type Made = Result<ValueId, OpError>;

pub const MOTIFS: &[Motif] = &[
    simple,
    simple,
    gelu_erf,
    gelu_erf,
    gelu_tanh,
    swish,
    swish,
    hard_swish,
    hard_swish,
    hard_sigmoid,
    mish,
    leaky,
    softplus,
    sigmoid_formula,
    tanh_formula,
    relu6,
    elu,
    p_relu,
    softsign,
];

/// A single activation.
pub fn simple(d: &mut Draft, x: ValueId) -> Made {
    if !d.is_float() {
        return d.unary("Relu", x);
    }
    let name = d.random.pick(&[
        "Relu",
        "Relu",
        "Sigmoid",
        "Tanh",
        "LeakyRelu",
        "HardSigmoid",
        "HardSwish",
        "Softplus",
        "Elu",
        "Selu",
        "Celu",
        "Softsign",
        "Erf",
        "Mish",
        "Gelu",
        "Identity",
        "Dropout",
        "Sin",
    ]);
    d.unary(name, x)
}

/// What closes a gate.
pub fn gate(d: &mut Draft, x: ValueId) -> Made {
    match d.random.below(3) {
        0 => d.unary("Sigmoid", x),
        1 => d.unary("HardSigmoid", x),
        _ => hard_sigmoid(d, x),
    }
}

/// Either order of the operands.
fn either(d: &mut Draft, name: &str, a: ValueId, b: ValueId) -> Made {
    let operands = if d.random.one_in(2) { [a, b] } else { [b, a] };
    d.op(name, &operands, &[])
}

/// `x · 0.5 · (1 + erf(x / √2))`, multiplied in any order.
fn gelu_erf(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let inner = if d.random.one_in(2) {
        let root = d.number(2f64.sqrt());
        d.op("Div", &[x, root], &[])?
    } else {
        let root = d.number(0.5f64.sqrt());
        either(d, "Mul", x, root)?
    };
    let erf = d.unary("Erf", inner)?;
    let one = d.number(1.0);
    let sum = either(d, "Add", erf, one)?;
    halved_product(d, x, sum)
}

fn halved_product(d: &mut Draft, x: ValueId, sum: ValueId) -> Made {
    let half = if d.random.one_in(6) { d.number(0.25) } else { d.number(0.5) };
    match d.random.below(3) {
        0 => {
            let product = either(d, "Mul", x, sum)?;
            either(d, "Mul", product, half)
        }
        1 => {
            let halved = either(d, "Mul", x, half)?;
            either(d, "Mul", halved, sum)
        }
        _ => {
            let halved = either(d, "Mul", sum, half)?;
            either(d, "Mul", x, halved)
        }
    }
}

/// `0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))`.
fn gelu_tanh(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let cube = if d.random.one_in(2) {
        let three = d.scalar(3.0);
        d.op("Pow", &[x, three], &[])?
    } else {
        let square = d.op("Mul", &[x, x], &[])?;
        either(d, "Mul", square, x)?
    };
    let small = d.number(0.044_715);
    let term = either(d, "Mul", cube, small)?;
    let sum = either(d, "Add", x, term)?;
    let factor = d.number((2.0 / std::f64::consts::PI).sqrt());
    let scaled = either(d, "Mul", sum, factor)?;
    let tanh = d.unary("Tanh", scaled)?;
    let one = d.number(1.0);
    let sum = either(d, "Add", tanh, one)?;
    halved_product(d, x, sum)
}

fn swish(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let inner = if d.random.one_in(3) {
        let factor = d.number(1.702);
        either(d, "Mul", x, factor)?
    } else {
        x
    };
    let gate = match d.random.below(3) {
        0 => sigmoid_formula(d, inner)?,
        _ => d.unary("Sigmoid", inner)?,
    };
    either(d, "Mul", x, gate)
}

/// `clip(x + 3, 0, 6)`, by Clip, by Min and Max, or by Relu and Min.
fn shifted_clip(d: &mut Draft, x: ValueId) -> Made {
    let three = d.number(3.0);
    let shifted = either(d, "Add", x, three)?;
    let (zero, six) = (d.scalar(0.0), d.scalar(6.0));
    match d.random.below(3) {
        0 => {
            let low = either(d, "Max", shifted, zero)?;
            either(d, "Min", low, six)
        }
        1 => {
            let low = d.unary("Relu", shifted)?;
            either(d, "Min", low, six)
        }
        _ => d.op("Clip", &[shifted, zero, six], &[]),
    }
}

fn sixth(d: &mut Draft, x: ValueId) -> Made {
    if d.random.one_in(2) {
        let six = d.number(6.0);
        return d.op("Div", &[x, six], &[]);
    }
    let sixth = d.number(1.0 / 6.0);
    either(d, "Mul", x, sixth)
}

fn hard_sigmoid(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let clipped = shifted_clip(d, x)?;
    sixth(d, clipped)
}

fn hard_swish(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let clipped = match d.random.below(4) {
        0 => {
            let gate = d.op(
                "HardSigmoid",
                &[x],
                &[("alpha", Attribute::Float(1.0 / 6.0)), ("beta", Attribute::Float(0.5))],
            )?;
            return either(d, "Mul", x, gate);
        }
        1 => {
            let gate = hard_sigmoid(d, x)?;
            return either(d, "Mul", gate, x);
        }
        _ => shifted_clip(d, x)?,
    };
    let product = either(d, "Mul", x, clipped)?;
    sixth(d, product)
}

fn mish(d: &mut Draft, x: ValueId) -> Made {
    let soft = softplus(d, x)?;
    let tanh = d.unary("Tanh", soft)?;
    either(d, "Mul", x, tanh)
}

fn softplus(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    if d.random.one_in(2) {
        return d.unary("Softplus", x);
    }
    let exp = d.unary("Exp", x)?;
    let one = d.number(1.0);
    let sum = either(d, "Add", exp, one)?;
    d.unary("Log", sum)
}

fn sigmoid_formula(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let minus = d.unary("Neg", x)?;
    let exp = d.unary("Exp", minus)?;
    let one = d.number(1.0);
    let sum = either(d, "Add", exp, one)?;
    if d.random.one_in(2) { d.unary("Reciprocal", sum) } else { d.op("Div", &[one, sum], &[]) }
}

/// `2·σ(2x) - 1`.
fn tanh_formula(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let (two, one) = (d.number(2.0), d.number(1.0));
    let double = either(d, "Mul", x, two)?;
    let gate = d.unary("Sigmoid", double)?;
    let double = either(d, "Mul", gate, two)?;
    d.op("Sub", &[double, one], &[])
}

/// `max(x, αx)`, `relu(x) - α·relu(-x)`, or by selection.
fn leaky(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let slope = d.random.pick(&[0.1, 0.25, 1.5]);
    let slope = d.number(slope);
    let scaled = either(d, "Mul", x, slope)?;
    match d.random.below(3) {
        0 => either(d, "Max", x, scaled),
        1 => {
            let zero = d.number(0.0);
            let condition = d.op("Greater", &[x, zero], &[])?;
            d.op("Where", &[condition, x, scaled], &[])
        }
        _ => {
            let minus = d.unary("Neg", x)?;
            let (up, down) = (d.unary("Relu", x)?, d.unary("Relu", minus)?);
            let down = either(d, "Mul", down, slope)?;
            d.op("Sub", &[up, down], &[])
        }
    }
}

fn relu6(d: &mut Draft, x: ValueId) -> Made {
    let (zero, six) = (d.scalar(0.0), d.scalar(6.0));
    match d.random.below(3) {
        0 => {
            let high = either(d, "Min", x, six)?;
            either(d, "Max", high, zero)
        }
        1 => {
            let low = d.unary("Relu", x)?;
            d.op("Clip", &[low, zero, six], &[])
        }
        _ => {
            let clipped = d.op_n("Clip", &[Some(x), None, Some(six)], &[], 1)?[0];
            d.unary("Relu", clipped)
        }
    }
}

/// `x` where positive, else `exp(x) - 1`.
fn elu(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let (one, zero) = (d.number(1.0), d.number(0.0));
    let exp = d.unary("Exp", x)?;
    let less = d.op("Sub", &[exp, one], &[])?;
    let condition = d.op("Greater", &[x, zero], &[])?;
    d.op("Where", &[condition, x, less], &[])
}

fn p_relu(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let rank = d.rank(x);
    if rank < 2 {
        return unsuited();
    }
    let mut sizes = vec![1; rank - 1];
    sizes[0] = d.size(x, 1)?;
    let slope = if d.random.one_in(2) { d.number(0.25) } else { d.weight(&sizes) };
    d.op("PRelu", &[x, slope], &[])
}

fn softsign(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let size = d.unary("Abs", x)?;
    let one = d.number(1.0);
    let sum = either(d, "Add", size, one)?;
    if d.random.one_in(8) {
        return d.op("Softmax", &[sum], &[("axis", int(0))]);
    }
    d.op("Div", &[x, sum], &[])
}
