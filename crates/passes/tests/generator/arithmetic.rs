//! Elementwise arithmetic with constants in all orders and broadcast shapes, and identities of algebra.

use lehr_graph::{OpError, ValueId};

use super::Motif;
use super::draft::{Draft, unsuited};

type Made = Result<ValueId, OpError>;

pub const MOTIFS: &[Motif] = &[
    affine,
    affine,
    affine_chain,
    affine_chain,
    neutral,
    shared_factor,
    cancelling,
    powers,
    repeated,
    sums,
    nested_bounds,
    selection,
    negations,
    with_other,
    casts,
    absorbed_scale,
];

/// A constant whose shape broadcasts into that of `x`.
fn broadcast_constant(d: &mut Draft, x: ValueId, is_divisor: bool) -> Made {
    let shape = d.shape(x);
    let mut sizes: Vec<usize> = shape.iter().map(|dim| dim.as_fixed().unwrap_or(1)).collect();
    match d.random.below(6) {
        0 => sizes.clear(),
        1 => sizes = vec![1],
        // One number for each channel.
        2 | 3 if sizes.len() > 2 => {
            sizes.iter_mut().enumerate().filter(|(axis, _)| *axis != 1).for_each(|(_, size)| *size = 1);
            if d.random.one_in(2) {
                sizes.remove(0);
            }
        }
        4 if !sizes.is_empty() => sizes = sizes.split_off(sizes.len() - 1),
        _ => {
            for size in &mut sizes {
                if d.random.one_in(2) {
                    *size = 1;
                }
            }
        }
    }
    if !is_divisor {
        return Ok(d.weight(&sizes));
    }
    Ok(d.positive(&sizes))
}

/// One of the four operations with a constant on either side.
pub fn affine(d: &mut Draft, x: ValueId) -> Made {
    let name = d.random.pick(&["Add", "Sub", "Mul", "Mul", "Add", "Div"]);
    let is_divisor = name == "Div";
    if is_divisor && !d.is_float() {
        return unsuited();
    }
    let constant = broadcast_constant(d, x, is_divisor)?;
    if is_divisor && d.random.one_in(4) {
        // Away from zero, where quotients are not sensitive.
        let size = d.unary("Abs", x)?;
        let one = d.number(1.0);
        let divisor = d.op("Add", &[size, one], &[])?;
        return d.op("Div", &[constant, divisor], &[]);
    }
    let operands = if is_divisor || d.random.one_in(2) { [x, constant] } else { [constant, x] };
    d.op(name, &operands, &[])
}

pub fn last_axis_affine(d: &mut Draft, x: ValueId) -> Made {
    let rank = d.rank(x);
    if rank == 0 {
        return unsuited();
    }
    let size = d.size(x, rank - 1)?;
    let constant = d.weight(&[size]);
    let name = d.random.pick(&["Add", "Mul", "Sub"]);
    let operands = if d.random.one_in(2) { [x, constant] } else { [constant, x] };
    d.op(name, &operands, &[])
}

fn affine_chain(d: &mut Draft, x: ValueId) -> Made {
    (0..2 + d.random.below(3)).try_fold(x, |x, _| affine(d, x))
}

/// Operations that do nothing, or nearly.
fn neutral(d: &mut Draft, x: ValueId) -> Made {
    let (name, value) = d.random.pick(&[
        ("Add", 0.0),
        ("Add", -0.0),
        ("Sub", 0.0),
        ("Mul", 1.0),
        ("Div", 1.0),
        ("Mul", 0.0),
        ("Mul", -1.0),
    ]);
    let number = d.number(value);
    if name != "Div" && d.random.one_in(3) {
        return d.op(name, &[number, x], &[]);
    }
    d.op(name, &[x, number], &[])
}

/// `a·x + b·x`, `a·x + a·y`, `x + c·x`.
fn shared_factor(d: &mut Draft, x: ValueId) -> Made {
    let y = d.pick_value();
    let (a, b) = (d.number(0.5), d.number(-0.75));
    let left = d.op("Mul", &[x, a], &[])?;
    let right = match d.random.below(3) {
        0 => d.op("Mul", &[b, x], &[])?,
        1 => d.op("Mul", &[y, a], &[])?,
        _ => x,
    };
    let name = d.random.pick(&["Add", "Sub"]);
    d.op(name, &[left, right], &[])
}

/// `(x + y) - y`, `x - x`, `(x · 2) / 2`.
fn cancelling(d: &mut Draft, x: ValueId) -> Made {
    let c = broadcast_constant(d, x, true)?;
    let (there, back) = d.random.pick(&[("Add", "Sub"), ("Sub", "Add"), ("Mul", "Div"), ("Sub", "Sub")]);
    if (there, back) == ("Sub", "Sub") {
        return d.op("Sub", &[x, x], &[]);
    }
    let y = d.op(there, &[x, c], &[])?;
    d.op(back, &[y, c], &[])
}

fn powers(d: &mut Draft, x: ValueId) -> Made {
    d.require_float()?;
    let size = d.unary("Abs", x)?;
    let one = d.number(1.0);
    let base = d.op("Add", &[size, one], &[])?;
    match d.random.below(8) {
        0 => d.op("Mul", &[x, x], &[]),
        1 => {
            let root = d.unary("Sqrt", base)?;
            d.op("Mul", &[root, root], &[])
        }
        2 => {
            let root = d.unary("Sqrt", base)?;
            d.unary("Reciprocal", root)
        }
        3 => {
            let root = d.unary("Sqrt", base)?;
            d.op("Div", &[x, root], &[])
        }
        4 => {
            let inverse = d.unary("Reciprocal", base)?;
            d.op("Mul", &[inverse, x], &[])
        }
        5 => {
            let log = d.unary("Log", base)?;
            d.unary("Exp", log)
        }
        6 => {
            let square = d.op("Mul", &[x, x], &[])?;
            d.unary("Sqrt", square)
        }
        _ => {
            let exponent = d.random.pick(&[2.0, 3.0, 1.0, 0.5, -1.0, 0.0]);
            let exponent = d.scalar(exponent);
            d.op("Pow", &[base, exponent], &[])
        }
    }
}

/// The same twice: idempotent and self-inverse operators, and equal nodes.
fn repeated(d: &mut Draft, x: ValueId) -> Made {
    let name = d.random.pick(&["Relu", "Abs", "Neg", "Identity", "Floor", "Sign"]);
    let once = d.unary(name, x)?;
    match d.random.below(3) {
        0 => d.unary(name, once),
        1 => {
            let same = d.unary(name, x)?;
            d.op("Add", &[once, same], &[])
        }
        _ => d.op("Max", &[once, once], &[]),
    }
}

fn sums(d: &mut Draft, x: ValueId) -> Made {
    let y = d.pick_value();
    let c = d.number(0.5);
    match d.random.below(4) {
        0 => d.op("Sum", &[x, c, x], &[]),
        1 => d.op("Mean", &[x, y], &[]),
        2 => {
            let left = d.op("Add", &[x, c], &[])?;
            let right = d.op("Add", &[y, c], &[])?;
            d.op("Add", &[left, right], &[])
        }
        _ => d.op("Add", &[x, x], &[]),
    }
}

/// Bounds inside bounds, overlapping or not.
fn nested_bounds(d: &mut Draft, x: ValueId) -> Made {
    let mut y = x;
    for _ in 0..1 + d.random.below(3) {
        let (low, high) = d.random.pick(&[(-0.5, 0.5), (0.0, 6.0), (0.0, 1.0), (0.25, 0.5), (0.5, -0.5)]);
        let (low, high) = (d.scalar(low), d.scalar(high));
        y = match d.random.below(6) {
            0 => d.unary("Relu", y)?,
            1 => d.op("Max", &[y, low], &[])?,
            2 => d.op("Min", &[high, y], &[])?,
            3 => d.op_n("Clip", &[Some(y), None, Some(high)], &[], 1)?[0],
            4 => d.op("Clip", &[y, low], &[])?,
            _ => d.op("Clip", &[y, low, high], &[])?,
        };
    }
    Ok(y)
}

fn selection(d: &mut Draft, x: ValueId) -> Made {
    let zero = d.number(0.0);
    let name = d.random.pick(&["Greater", "Less", "GreaterOrEqual", "LessOrEqual"]);
    let mut condition = d.op(name, &[x, zero], &[])?;
    for _ in 0..d.random.below(3) {
        condition = d.unary("Not", condition)?;
    }
    if d.random.one_in(4) {
        let flag = lehr_tensor::Tensor::narrow(
            lehr_tensor::DataType::Bool,
            &[],
            lehr_tensor::Wide::B(vec![d.random.one_in(2)]),
        );
        condition = d.tensor(flag.expect("one flag"));
    }
    let other = match d.random.below(3) {
        0 => zero,
        1 => x,
        _ => d.unary("Neg", x)?,
    };
    d.op("Where", &[condition, x, other], &[])
}

fn negations(d: &mut Draft, x: ValueId) -> Made {
    let y = d.pick_value();
    let minus = d.unary("Neg", x)?;
    match d.random.below(5) {
        0 => d.op("Add", &[y, minus], &[]),
        1 => d.op("Sub", &[y, minus], &[]),
        2 => d.op("Mul", &[minus, minus], &[]),
        3 => {
            let c = d.number(-2.0);
            d.op("Mul", &[minus, c], &[])
        }
        _ => d.unary("Abs", minus),
    }
}

fn with_other(d: &mut Draft, x: ValueId) -> Made {
    let y = d.pick_value();
    let name = d.random.pick(&["Add", "Mul", "Sub", "Max", "Min"]);
    d.op(name, &[x, y], &[])
}

fn casts(d: &mut Draft, x: ValueId) -> Made {
    use lehr_tensor::DataType;
    let there = if d.is_float() { DataType::F64 } else { DataType::I64 };
    let to = |dtype: DataType| [("to", super::draft::int(i64::from(dtype.to_onnx())))];
    let wide = d.op("Cast", &[x], &to(there))?;
    d.op("Cast", &[wide], &to(d.dtype))
}

/// A positive factor before and behind what keeps it.
fn absorbed_scale(d: &mut Draft, x: ValueId) -> Made {
    let factor = broadcast_constant(d, x, true)?;
    let scaled = d.op("Mul", &[x, factor], &[])?;
    let name = d.random.pick(&["Relu", "Abs", "Neg"]);
    let active = d.unary(name, scaled)?;
    let inverse = d.op("Mul", &[active, factor], &[])?;
    if d.random.one_in(2) { Ok(inverse) } else { d.op("Add", &[inverse, factor], &[]) }
}
