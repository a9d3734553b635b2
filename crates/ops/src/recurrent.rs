//! What the recurrent operators share: sizes, activations, layouts and the walk over sequences.

use lehr_graph::{Cost, Dim, EvalCx, InferCx, OpError, Shape, Signature, attribute_enum};
use lehr_tensor::Tensor;

use crate::operand::{bounded_len, check_dtype, check_shape, floats, optional_floats, rounded};

attribute_enum! {
    /// Which way a recurrent operator walks its sequences.
    pub enum Direction {
        /// From the first step on.
        Forward = "forward",
        /// From the last step back.
        Reverse = "reverse",
        /// Both, with weights for each.
        Bidirectional = "bidirectional",
    }
}

/// The attributes that all recurrent operators have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecurrentAttributes<'a> {
    pub(crate) direction: Direction,
    pub(crate) hidden_size: Option<i64>,
    /// Batch first.
    pub(crate) layout: bool,
    pub(crate) activations: Option<&'a [String]>,
    pub(crate) alpha: Option<&'a [f32]>,
    pub(crate) beta: Option<&'a [f32]>,
    pub(crate) clip: Option<f32>,
    /// Gates of a cell.
    pub(crate) gates: usize,
    /// The customary activations of one direction.
    pub(crate) defaults: &'static [&'static str],
}

/// The [`RecurrentAttributes`] of an operator with the customary fields.
macro_rules! recurrent_of {
    ($op:expr, $gates:expr, $defaults:expr) => {
        $crate::recurrent::RecurrentAttributes {
            direction: $op.direction,
            hidden_size: $op.hidden_size,
            layout: $op.layout,
            activations: $op.activations.as_deref(),
            alpha: $op.activation_alpha.as_deref(),
            beta: $op.activation_beta.as_deref(),
            clip: $op.clip,
            gates: $gates,
            defaults: $defaults,
        }
    };
}
pub(crate) use recurrent_of;

/// An activation with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Squash {
    Affine(f64, f64),
    Elu(f64),
    HardSigmoid(f64, f64),
    LeakyRelu(f64),
    Relu,
    ScaledTanh(f64, f64),
    Sigmoid,
    Softplus,
    Softsign,
    Tanh,
    ThresholdedRelu(f64),
}

impl Squash {
    pub(crate) fn apply(self, x: f64) -> f64 {
        match self {
            Self::Affine(a, b) => a * x + b,
            Self::Elu(a) => {
                if x >= 0.0 {
                    x
                } else {
                    a * x.exp_m1()
                }
            }
            Self::HardSigmoid(a, b) => (a * x + b).clamp(0.0, 1.0),
            Self::LeakyRelu(a) => {
                if x >= 0.0 {
                    x
                } else {
                    a * x
                }
            }
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::ScaledTanh(a, b) => a * (b * x).tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Softplus => {
                if x > 0.0 {
                    x + (-x).exp().ln_1p()
                } else {
                    x.exp().ln_1p()
                }
            }
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Tanh => x.tanh(),
            Self::ThresholdedRelu(a) => {
                if x > a {
                    x
                } else {
                    0.0
                }
            }
        }
    }
}

/// Sizes of a recurrent operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecurrentSizes {
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) input: usize,
    pub(crate) hidden: usize,
    pub(crate) directions: usize,
    layout: bool,
}

impl RecurrentSizes {
    /// Row of the input vector of a step.
    pub(crate) fn x_row(&self, step: usize, batch: usize) -> usize {
        if self.layout { batch * self.steps + step } else { step * self.batch + batch }
    }

    /// Position of the output vector of a step.
    pub(crate) fn y_at(&self, step: usize, direction: usize, batch: usize) -> usize {
        let row = if self.layout {
            (batch * self.steps + step) * self.directions + direction
        } else {
            (step * self.directions + direction) * self.batch + batch
        };
        row * self.hidden
    }

    /// Position of a state vector.
    pub(crate) fn state_at(&self, direction: usize, batch: usize) -> usize {
        let row =
            if self.layout { batch * self.directions + direction } else { direction * self.batch + batch };
        row * self.hidden
    }

    /// Shape of all outputs of all steps.
    pub(crate) fn y_shape(&self) -> [usize; 4] {
        if self.layout {
            [self.batch, self.steps, self.directions, self.hidden]
        } else {
            [self.steps, self.directions, self.batch, self.hidden]
        }
    }

    /// Shape of a state.
    pub(crate) fn state_shape(&self) -> [usize; 3] {
        if self.layout {
            [self.batch, self.directions, self.hidden]
        } else {
            [self.directions, self.batch, self.hidden]
        }
    }
}

impl RecurrentAttributes<'_> {
    pub(crate) fn directions(&self) -> usize {
        if self.direction == Direction::Bidirectional { 2 } else { 1 }
    }

    /// Whether direction `index` walks from the last step back.
    pub(crate) fn reversed(&self, index: usize) -> bool {
        self.direction == Direction::Reverse || index == 1
    }

    /// Sets the types of Y and of `states` final states.
    pub(crate) fn infer(&self, cx: &mut InferCx<'_>, states: usize) -> Result<(), OpError> {
        let mut dtype = None;
        for index in 0..3 {
            dtype = dtype.or(cx.dtype(index)?);
        }
        let hidden = self.hidden_dim(cx)?;
        let directions = Dim::from(self.directions());
        let (steps, batch) = match cx.shape(0) {
            Some(shape) => match shape.dims() {
                [batch, steps, _] if self.layout => (steps.clone(), batch.clone()),
                [steps, batch, _] => (steps.clone(), batch.clone()),
                _ => return Err(OpError::shape(format!("input 0: expected rank 3, got {shape}"))),
            },
            None => (Dim::Unknown, Dim::Unknown),
        };
        let (y, state) = if self.layout {
            ([batch.clone(), steps, directions.clone(), hidden.clone()], [batch, directions, hidden])
        } else {
            ([steps, directions.clone(), batch.clone(), hidden.clone()], [directions, batch, hidden])
        };
        cx.set_tensor(0, dtype, Some(Shape::from(y)));
        for index in 1..=states {
            cx.set_tensor(index, dtype, Some(Shape::from(state.clone())));
        }
        Ok(())
    }

    fn hidden_dim(&self, cx: &InferCx<'_>) -> Result<Dim, OpError> {
        let attribute = match self.hidden_size {
            Some(size) => Some(Dim::Fixed(u64::try_from(size).map_err(|_| {
                OpError::attribute("hidden_size", format!("expected at least 0, got {size}"))
            })?)),
            None => None,
        };
        let of_weights = match cx.shape(2) {
            Some(shape) if shape.rank() != 3 => {
                return Err(OpError::shape(format!("input 2: expected rank 3, got {shape}")));
            }
            Some(shape) => shape.dims()[2].clone(),
            None => Dim::Unknown,
        };
        match attribute {
            Some(size) if size.equal(&of_weights) == Some(false) => Err(OpError::attribute(
                "hidden_size",
                format!("expected {of_weights}, the last size of the recurrence weights, got {size}"),
            )),
            Some(size) => Ok(size),
            None => Ok(of_weights),
        }
    }

    /// Sizes from the shapes of x, W and R, which must fit each other.
    pub(crate) fn sizes(&self, x: &[usize], w: &[usize], r: &[usize]) -> Result<RecurrentSizes, OpError> {
        let (&[first, second, input], &[directions, _, hidden]) = (x, r) else {
            return Err(OpError::shape(format!("inputs 0 and 2: expected rank 3, got {x:?} and {r:?}")));
        };
        let rows = self.gates.saturating_mul(hidden);
        let expected = self.directions();
        let fits = directions == expected && w == [expected, rows, input] && r == [expected, rows, hidden];
        let named = self.hidden_size.is_none_or(|size| usize::try_from(size) == Ok(hidden));
        if !fits || !named {
            return Err(OpError::shape(format!(
                "weights {w:?} and {r:?} do not fit {expected} directions, {} gates and an input of shape {x:?}",
                self.gates
            )));
        }
        let (steps, batch) = if self.layout { (second, first) } else { (first, second) };
        Ok(RecurrentSizes { steps, batch, input, hidden, directions, layout: self.layout })
    }

    /// The activations of each direction.
    pub(crate) fn squashes(&self) -> Result<Vec<Vec<Squash>>, OpError> {
        let (each, directions) = (self.defaults.len(), self.directions());
        let given = self.activations.unwrap_or_default();
        let mut names: Vec<&str> = given.iter().map(String::as_str).collect();
        // Files may name the activations of the first direction alone, or of both where there is one.
        if names.is_empty() {
            names = self.defaults.to_vec();
        }
        if names.len() == each {
            names = names.repeat(directions);
        }
        if names.len() < each * directions {
            return Err(OpError::attribute(
                "activations",
                format!("expected {} names, got {}", each * directions, names.len()),
            ));
        }
        let mut alpha = self.alpha.unwrap_or_default().iter().copied();
        let mut beta = self.beta.unwrap_or_default().iter().copied();
        let all = names.iter().take(each * directions).map(|name| squash(name, &mut alpha, &mut beta));
        let all: Vec<Squash> = all.collect::<Result<_, _>>()?;
        Ok(all.chunks(each).map(<[_]>::to_vec).collect())
    }

    /// The value bounded by the clip.
    pub(crate) fn clipped(&self, value: f64) -> f64 {
        match self.clip.map(f64::from) {
            Some(clip) if clip > 0.0 => value.max(-clip).min(clip),
            _ => value,
        }
    }
}

/// An activation by name; parameters are taken from the lists in order, where the activation has any.
fn squash(
    name: &str,
    alpha: &mut impl Iterator<Item = f32>,
    beta: &mut impl Iterator<Item = f32>,
) -> Result<Squash, OpError> {
    let mut a = |default: f64| alpha.next().map_or(default, f64::from);
    let mut b = |default: f64| beta.next().map_or(default, f64::from);
    Ok(match name.to_ascii_lowercase().as_str() {
        "affine" => Squash::Affine(a(1.0), b(0.0)),
        "elu" => Squash::Elu(a(1.0)),
        "hardsigmoid" => Squash::HardSigmoid(a(0.2), b(0.5)),
        "leakyrelu" => Squash::LeakyRelu(a(0.01)),
        "relu" => Squash::Relu,
        "scaledtanh" => Squash::ScaledTanh(a(1.0), b(1.0)),
        "sigmoid" => Squash::Sigmoid,
        "softplus" => Squash::Softplus,
        "softsign" => Squash::Softsign,
        "tanh" => Squash::Tanh,
        "thresholdedrelu" => Squash::ThresholdedRelu(a(1.0)),
        _ => return Err(OpError::attribute("activations", format!("'{name}' is not an activation"))),
    })
}

/// Number of steps of each sequence: input `index`, or all.
pub(crate) fn sequence_lengths(
    tensor: Option<&Tensor>,
    sizes: &RecurrentSizes,
) -> Result<Vec<usize>, OpError> {
    let Some(tensor) = tensor else { return Ok(vec![sizes.steps; sizes.batch]) };
    check_shape(4, tensor, &[sizes.batch])?;
    let check = |&len: &i64| match usize::try_from(len) {
        Ok(len) if len <= sizes.steps => Ok(len),
        _ => Err(OpError::value(format!("sequence length {len}: expected 0 to {}", sizes.steps))),
    };
    tensor.to_i64s()?.iter().map(check).collect()
}

/// The weights of one direction.
pub(crate) struct Weights<'a> {
    input: usize,
    hidden: usize,
    w: &'a [f64],
    r: &'a [f64],
    w_bias: &'a [f64],
    r_bias: &'a [f64],
}

impl Weights<'_> {
    /// Gate `gate` of the input vector: `W·x + Wb`.
    pub(crate) fn of_input(&self, gate: usize, x: &[f64]) -> Vec<f64> {
        gate_values(self.w, self.w_bias, self.input, self.hidden, gate, x)
    }

    /// Gate `gate` of the state: `R·h + Rb`.
    pub(crate) fn of_state(&self, gate: usize, h: &[f64]) -> Vec<f64> {
        gate_values(self.r, self.r_bias, self.hidden, self.hidden, gate, h)
    }

    /// Both.
    pub(crate) fn of_both(&self, gate: usize, x: &[f64], h: &[f64]) -> Vec<f64> {
        let mut sum = self.of_input(gate, x);
        sum.iter_mut().zip(self.of_state(gate, h)).for_each(|(s, v)| *s += v);
        sum
    }
}

fn gate_values(
    weights: &[f64],
    bias: &[f64],
    cols: usize,
    hidden: usize,
    gate: usize,
    x: &[f64],
) -> Vec<f64> {
    (gate * hidden..(gate + 1) * hidden)
        .map(|row| {
            let products = weights[row * cols..][..cols].iter().zip(x).map(|(w, x)| w * x);
            bias[row] + products.sum::<f64>()
        })
        .collect()
}

/// State of one sequence.
pub(crate) struct State {
    pub(crate) h: Vec<f64>,
    /// Cell of an LSTM; empty for the others.
    pub(crate) c: Vec<f64>,
}

/// Evaluates a recurrent operator whose `step` computes the next state from the weights of a direction, the direction,
/// an input vector and the state. `cell` says that input 6 and output 2 are the cell's.
pub(crate) fn eval_recurrent(
    attributes: &RecurrentAttributes<'_>,
    cx: &mut EvalCx<'_>,
    cell: bool,
    step: impl Fn(&Weights<'_>, usize, &[f64], &mut State) -> Result<(), OpError>,
) -> Result<(), OpError> {
    let x_tensor = cx.tensor(0)?;
    let dtype = x_tensor.dtype();
    let sizes = attributes.sizes(x_tensor.shape(), cx.tensor(1)?.shape(), cx.tensor(2)?.shape())?;
    check_dtype(1, cx.tensor(1)?, dtype)?;
    check_dtype(2, cx.tensor(2)?, dtype)?;
    let RecurrentSizes { steps, batch, input, hidden, directions, .. } = sizes;
    let (x, w, r) = (floats(cx, 0)?, floats(cx, 1)?, floats(cx, 2)?);
    let rows = attributes.gates * hidden;
    let bias = bias_or_zeros(cx, directions, rows)?;
    let lengths = sequence_lengths(cx.optional_tensor(4)?, &sizes)?;
    let mut h = initial(cx, 5, &sizes)?;
    let mut c = if cell { initial(cx, 6, &sizes)? } else { Vec::new() };
    let mut y = vec![0.0; bounded_len(cx, dtype, &sizes.y_shape())?];
    for direction in 0..directions {
        let (w_bias, r_bias) = bias[direction * 2 * rows..][..2 * rows].split_at(rows);
        let (w, r) = (&w[direction * rows * input..], &r[direction * rows * hidden..]);
        let weights = Weights { input, hidden, w, r, w_bias, r_bias };
        for (b, &len) in lengths.iter().enumerate().take(batch) {
            let at = sizes.state_at(direction, b);
            let of = |states: &[f64]| states.get(at..at + hidden).map(<[f64]>::to_vec).unwrap_or_default();
            let mut state = State { h: of(&h), c: of(&c) };
            if len == 0 {
                // The standard leaves an empty sequence open; ONNX Runtime forgets its initial state.
                state = State { h: vec![0.0; hidden], c: vec![0.0; state.c.len()] };
            }
            for i in 0..len.min(steps) {
                let t = if attributes.reversed(direction) { len - 1 - i } else { i };
                step(&weights, direction, &x[sizes.x_row(t, b) * input..][..input], &mut state)?;
                y[sizes.y_at(t, direction, b)..][..hidden].copy_from_slice(&state.h);
            }
            h[at..at + hidden].copy_from_slice(&state.h);
            if cell {
                c[at..at + hidden].copy_from_slice(&state.c);
            }
        }
    }
    cx.set(0, rounded(dtype, &sizes.y_shape(), y)?);
    cx.set(1, rounded(dtype, &sizes.state_shape(), h)?);
    if cell {
        cx.set(2, rounded(dtype, &sizes.state_shape(), c)?);
    }
    Ok(())
}

fn bias_or_zeros(cx: &EvalCx<'_>, directions: usize, rows: usize) -> Result<Vec<f64>, OpError> {
    match optional_floats(cx, 3)? {
        Some(bias) => {
            check_shape(3, cx.tensor(3)?, &[directions, 2 * rows])?;
            Ok(bias)
        }
        None => Ok(vec![0.0; directions * 2 * rows]),
    }
}

fn initial(cx: &EvalCx<'_>, index: usize, sizes: &RecurrentSizes) -> Result<Vec<f64>, OpError> {
    let len = bounded_len(cx, lehr_tensor::DataType::F64, &sizes.state_shape())?;
    match optional_floats(cx, index)? {
        Some(values) => {
            check_shape(index, cx.tensor(index)?, &sizes.state_shape())?;
            Ok(values)
        }
        None => Ok(vec![0.0; len]),
    }
}

/// Multiply-accumulates: every step multiplies both weight matrices.
pub(crate) fn recurrent_cost(io: &Signature<'_>) -> Cost {
    let steps =
        io.input_shape(0).filter(|s| s.rank() == 3).map_or(Dim::Unknown, |s| s.dims()[0].mul(&s.dims()[1]));
    let weights = |index| io.input_shape(index).map_or(Dim::Unknown, Shape::numel);
    Cost::of_macs(io, steps.mul(&weights(1).add(&weights(2))))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    /// Values that look random and are easily made again elsewhere: `(i · a mod 7) · b - 1/2`.
    pub(crate) fn values(shape: &[usize], a: usize, b: f32) -> Tensor {
        let len = shape.iter().product();
        f32s(shape, &(0..len).map(|i| (i * a % 7) as f32 * b - 0.5).collect::<Vec<_>>())
    }

    /// Three steps of two sequences, two units; the weights constant or not.
    pub(crate) fn case(op: impl lehr_graph::Op, gates: usize, directions: usize, constant: bool) -> Case {
        let w = values(&[directions, gates * 2, 2], 5, 0.2);
        let r = values(&[directions, gates * 2, 2], 4, 0.15);
        let b = values(&[directions, gates * 4], 2, 0.1);
        let case = Case::new(op).input(values(&[3, 2, 2], 3, 0.25)).tolerance(1e-4, 2e-6);
        if constant { case.constant(w).constant(r).constant(b) } else { case.input(w).input(r).input(b) }
    }

    pub(crate) fn outputs(directions: usize, y: &[f32], states: &[&[f32]]) -> Vec<lehr_graph::Datum> {
        let y = f32s(&[3, directions, 2, 2], y).into();
        std::iter::once(y).chain(states.iter().map(|s| f32s(&[directions, 2, 2], s).into())).collect()
    }

    pub(crate) fn names(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|n| (*n).to_owned()).collect())
    }

    #[test]
    fn batch_first_is_the_same_transposed() {
        let op = |layout| crate::rnn::Rnn {
            activation_alpha: None,
            activation_beta: None,
            activations: None,
            clip: None,
            direction: Direction::Forward,
            hidden_size: None,
            layout,
        };
        let swap = |t: &Tensor| {
            let data = t.as_slice::<f32>().unwrap();
            let order: Vec<usize> = [1, 0].into_iter().chain(2..t.rank()).collect();
            let view = lehr_tensor::View::new(&data, t.shape()).unwrap().permute(&order).unwrap();
            Tensor::from_vec(view.shape(), view.to_vec()).unwrap()
        };
        let (x, w, r) =
            (values(&[3, 2, 2], 3, 0.25), values(&[1, 2, 2], 5, 0.2), values(&[1, 2, 2], 4, 0.15));
        let steps_first = Case::new(op(false)).input(x.clone()).input(w.clone()).input(r.clone());
        let (_, results) = steps_first.run(2).unwrap().remove(0);
        let [Some(y), Some(h)] = &results[..] else { panic!("two outputs") };
        let y = y.as_tensor().unwrap().reshape(&[3, 2, 2]).unwrap();
        let expected = vec![
            swap(&y).reshape(&[2, 3, 1, 2]).unwrap().into(),
            h.as_tensor().unwrap().reshape(&[2, 1, 2]).unwrap().into(),
        ];
        Case::new(op(true)).input(swap(&x)).input(w).input(r).expect_all(expected);
    }

    #[test]
    fn misfits() {
        let op = crate::rnn::Rnn {
            activation_alpha: None,
            activation_beta: None,
            activations: names(&["Sinus"]),
            clip: None,
            direction: Direction::Forward,
            hidden_size: None,
            layout: false,
        };
        case(op.clone(), 1, 1, false).expect_error("'Sinus'");
        case(crate::rnn::Rnn { activations: None, ..op.clone() }, 2, 1, false).expect_error("do not fit");
        case(crate::rnn::Rnn { activations: None, ..op }, 1, 1, false)
            .input(Tensor::vector(vec![4i32, 1]))
            .expect_error("sequence length 4");
    }
}
