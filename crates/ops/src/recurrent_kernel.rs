//! The fast way of RNN, GRU and LSTM: one matrix product for the inputs of all steps, one for the states of each step,
//! and a vectorised cell.

use std::sync::Arc;

use lehr_graph::{Op, OpError, Signature};
use lehr_kernels::elementwise::{UnaryOp, unary_in_place};
use lehr_kernels::gemm::{Bias, Epilogue, MatRef, PackedBRef, gemm};
use lehr_kernels::recurrent::{LstmOptions, gru_finish, gru_reset, gru_step, lstm_step};
use lehr_kernels::{AlignedVec, Isa};
use lehr_tensor::{Tensor, checked_len};

use crate::cpu::{CpuOp, Kernel, Packed, Recipe, RunCx, are_f32, refused, sizes_of, with_sizes};
use crate::gru::Gru;
use crate::lstm::Lstm;
use crate::operand::check_shape;
use crate::product_kernel::packed_b;
use crate::recurrent::{RecurrentAttributes, RecurrentSizes, Squash, sequence_lengths};
use crate::rnn::Rnn;

/// Which cell, with its own switches.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cell {
    Rnn(UnaryOp),
    Gru { linear_before_reset: bool },
    Lstm { input_forget: bool },
}

/// A recurrent operator with a fast cell.
trait FastRecurrence: Op + Clone {
    fn attributes_of(&self) -> RecurrentAttributes<'_>;

    /// The cell, if all activations are the ones it has.
    fn cell(&self) -> Option<Cell>;
}

impl FastRecurrence for Rnn {
    fn attributes_of(&self) -> RecurrentAttributes<'_> {
        self.recurrence()
    }

    fn cell(&self) -> Option<Cell> {
        let squashes = self.recurrence().squashes().ok()?;
        let same = |wanted: Squash| squashes.iter().flatten().all(|s| *s == wanted);
        let known = [
            (Squash::Tanh, UnaryOp::Tanh),
            (Squash::Relu, UnaryOp::Relu),
            (Squash::Sigmoid, UnaryOp::Sigmoid),
        ];
        known.into_iter().find(|(squash, _)| same(*squash)).map(|(_, op)| Cell::Rnn(op))
    }
}

impl FastRecurrence for Gru {
    fn attributes_of(&self) -> RecurrentAttributes<'_> {
        self.recurrence()
    }

    fn cell(&self) -> Option<Cell> {
        let squashes = self.recurrence().squashes().ok()?;
        let usual = squashes.iter().all(|s| s[..] == [Squash::Sigmoid, Squash::Tanh]);
        usual.then_some(Cell::Gru { linear_before_reset: self.linear_before_reset })
    }
}

impl FastRecurrence for Lstm {
    fn attributes_of(&self) -> RecurrentAttributes<'_> {
        self.recurrence()
    }

    fn cell(&self) -> Option<Cell> {
        let squashes = self.recurrence().squashes().ok()?;
        let usual = squashes.iter().all(|s| s[..] == [Squash::Sigmoid, Squash::Tanh, Squash::Tanh]);
        usual.then_some(Cell::Lstm { input_forget: self.input_forget })
    }
}

macro_rules! recurrent_cpu_op {
    ($($op:ty),*) => {$(
        impl CpuOp for $op {
            fn choose(&self, io: &Signature<'_>, _isa: Isa) -> Option<Recipe> {
                choose(self, io)
            }

            fn pack(&self, recipe: &Recipe, constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
                pack(self, recipe, constants)
            }

            fn packed_inputs(&self, recipe: &Recipe) -> Vec<usize> {
                if recipe.get("w") > 0 { vec![1, 2] } else { Vec::new() }
            }

            fn bind(&self, recipe: &Recipe, packed: Arc<Packed>) -> Result<Box<dyn Kernel>, OpError> {
                let cell = self.cell().ok_or_else(|| OpError::value("the recipe does not fit the activations"))?;
                let (w, r) = (sizes_of(recipe, "w"), sizes_of(recipe, "r"));
                if w.is_empty() != packed.blocks.is_empty() {
                    return Err(OpError::value("the packed weights do not belong to this recipe"));
                }
                Ok(Box::new(RecurrentKernel { op: self.clone(), cell, w, r, packed }))
            }
        }
    )*};
}
recurrent_cpu_op!(Rnn, Gru, Lstm);

fn choose(op: &impl FastRecurrence, io: &Signature<'_>) -> Option<Recipe> {
    op.cell()?;
    if !are_f32(io, &[0, 1, 2, 3, 5, 6, 7]) {
        return None;
    }
    let recipe = Recipe::new("steps");
    let constant =
        |index: usize| io.constants.get(index).copied().flatten().filter(|t| t.rank() == 3 && !t.is_empty());
    match (constant(1), constant(2)) {
        (Some(w), Some(r)) => Some(with_sizes(with_sizes(recipe, "w", w.shape()), "r", r.shape())),
        _ => Some(recipe),
    }
}

fn pack(op: &impl FastRecurrence, recipe: &Recipe, constants: &[Option<&Tensor>]) -> Result<Packed, OpError> {
    let (w_sizes, r_sizes) = (sizes_of(recipe, "w"), sizes_of(recipe, "r"));
    if w_sizes.is_empty() {
        return Ok(Packed::default());
    }
    let constant =
        |index: usize| constants.get(index).copied().flatten().ok_or(OpError::MissingInput { index });
    let (w, r) = (constant(1)?, constant(2)?);
    check_shape(1, w, &w_sizes)?;
    check_shape(2, r, &r_sizes)?;
    let sizes = op.attributes_of().sizes(&[0, 0, w_sizes[2]], &w_sizes, &r_sizes)?;
    Ok(Packed { blocks: pack_weights(&op.attributes_of(), &sizes, w, r)? })
}

/// Per direction: the input's weights, the state's weights but for those of the last gate, and these.
fn pack_weights(
    attributes: &RecurrentAttributes<'_>,
    sizes: &RecurrentSizes,
    w: &Tensor,
    r: &Tensor,
) -> Result<Vec<AlignedVec>, OpError> {
    let (w, r) = (w.as_slice::<f32>()?, r.as_slice::<f32>()?);
    let RecurrentSizes { input, hidden, directions, .. } = *sizes;
    let (rows, first) = (attributes.gates * hidden, (attributes.gates - 1) * hidden);
    let mut blocks = Vec::with_capacity(3 * directions);
    for d in 0..directions {
        let (w, r) = (&w[d * rows * input..][..rows * input], &r[d * rows * hidden..][..rows * hidden]);
        blocks.push(packed_b(input, rows, MatRef::transposed(w, input))?);
        let (gates, last) = r.split_at(first * hidden);
        blocks.push(packed_b(hidden, first, MatRef::transposed(gates, hidden))?);
        blocks.push(packed_b(hidden, hidden, MatRef::transposed(last, hidden))?);
    }
    Ok(blocks)
}

struct RecurrentKernel<T> {
    op: T,
    cell: Cell,
    /// Sizes of the packed weights; empty when they come at run time.
    w: Vec<usize>,
    r: Vec<usize>,
    packed: Arc<Packed>,
}

impl<T: FastRecurrence> Kernel for RecurrentKernel<T> {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let attributes = self.op.attributes_of();
        let x_tensor = cx.tensor(0)?;
        let constant = !self.w.is_empty();
        let sizes = if constant {
            attributes.sizes(x_tensor.shape(), &self.w, &self.r)?
        } else {
            attributes.sizes(x_tensor.shape(), cx.tensor(1)?.shape(), cx.tensor(2)?.shape())?
        };
        let repacked;
        let blocks = if constant {
            &self.packed.blocks
        } else {
            repacked = pack_weights(&attributes, &sizes, cx.tensor(1)?, cx.tensor(2)?)?;
            &repacked
        };
        let lstm = matches!(self.cell, Cell::Lstm { .. });
        let mut state = States {
            y: cx.buffers.take(checked_len(&sizes.y_shape())?),
            h: initial(cx, 5, &sizes)?,
            c: if lstm { initial(cx, 6, &sizes)? } else { Vec::new() },
        };
        state.y.fill(0.0);
        let lengths = sequence_lengths(cx.optional_tensor(4)?, &sizes)?;
        let rows = attributes.gates * sizes.hidden;
        let bias = match cx.optional_tensor(3)? {
            Some(bias) => {
                check_shape(3, bias, &[sizes.directions, 2 * rows])?;
                bias.as_slice::<f32>()?.to_vec()
            }
            None => vec![0.0; sizes.directions * 2 * rows],
        };
        let peephole = match cx.optional_tensor(7)?.filter(|_| lstm) {
            Some(p) => {
                check_shape(7, p, &[sizes.directions, 3 * sizes.hidden])?;
                Some(p.as_slice::<f32>()?.to_vec())
            }
            None => None,
        };
        let x = x_tensor.as_slice::<f32>()?;
        for direction in 0..sizes.directions {
            let way = Way {
                cx,
                sizes: &sizes,
                cell: self.cell,
                gates: attributes.gates,
                clip: attributes.clip.filter(|clip| *clip > 0.0),
                direction,
                reversed: attributes.reversed(direction),
                blocks: blocks.get(3 * direction..3 * direction + 3).unwrap_or_default(),
                bias: &bias[direction * 2 * rows..][..2 * rows],
                peephole: peephole.as_ref().map(|p| &p[direction * 3 * sizes.hidden..][..3 * sizes.hidden]),
                lengths: &lengths,
            };
            way.walk(&x, &mut state)?;
        }
        let (y_shape, state_shape) = (sizes.y_shape(), sizes.state_shape());
        cx.set(0, Tensor::from_vec(&y_shape, state.y)?);
        cx.set(1, Tensor::from_vec(&state_shape, state.h)?);
        if lstm {
            cx.set(2, Tensor::from_vec(&state_shape, state.c)?);
        }
        Ok(())
    }
}

fn initial(cx: &RunCx<'_>, index: usize, sizes: &RecurrentSizes) -> Result<Vec<f32>, OpError> {
    match cx.optional_tensor(index)? {
        Some(tensor) => {
            check_shape(index, tensor, &sizes.state_shape())?;
            Ok(tensor.as_slice::<f32>()?.to_vec())
        }
        None => Ok(vec![0.0; checked_len(&sizes.state_shape())?]),
    }
}

/// All outputs and the running states, in the layout of the operator.
struct States {
    y: Vec<f32>,
    h: Vec<f32>,
    c: Vec<f32>,
}

/// One direction of one run.
struct Way<'a, 'r> {
    cx: &'a RunCx<'r>,
    sizes: &'a RecurrentSizes,
    cell: Cell,
    gates: usize,
    clip: Option<f32>,
    direction: usize,
    reversed: bool,
    blocks: &'a [AlignedVec],
    bias: &'a [f32],
    peephole: Option<&'a [f32]>,
    lengths: &'a [usize],
}

impl Way<'_, '_> {
    fn walk(&self, x: &[f32], states: &mut States) -> Result<(), OpError> {
        let RecurrentSizes { steps, batch, input, hidden, .. } = *self.sizes;
        let rows = self.gates * hidden;
        let first = rows - hidden;
        for b in (0..batch).filter(|&b| self.lengths[b] == 0) {
            let at = self.sizes.state_at(self.direction, b);
            states.h[at..at + hidden].fill(0.0);
            states.c.get_mut(at..at + hidden).into_iter().for_each(|c| c.fill(0.0));
        }
        if hidden == 0 || steps == 0 || batch == 0 {
            return Ok(());
        }
        let [w, r_gates, r_last] = self.blocks else {
            return Err(OpError::value("a direction has no weights"));
        };
        let (w_bias, r_bias) = self.bias.split_at(rows);
        // The state's bias of the last gate of a GRU is added after the reset gate; everything else at once.
        let linear = self.cell == Cell::Gru { linear_before_reset: true };
        let bias: Vec<f32> =
            (0..rows).map(|i| if linear && i >= first { w_bias[i] } else { w_bias[i] + r_bias[i] }).collect();
        let of_input = Epilogue { bias: Bias::PerCol(&bias), ..Epilogue::default() };
        let mut x_gates = self.cx.buffers.take(checked_len(&[steps, batch, rows])?);
        self.product(steps * batch, input, rows, x, w, &mut x_gates, rows, &of_input)?;
        let mut h = vec![0.0; batch * hidden];
        let mut h_gates = vec![0.0; batch * rows];
        let mut reset = vec![0.0; batch * hidden];
        let of_last = if linear {
            Epilogue { bias: Bias::PerCol(&r_bias[first..]), ..Epilogue::default() }
        } else {
            Epilogue::default()
        };
        let split = matches!(self.cell, Cell::Gru { linear_before_reset: false });
        for i in 0..steps {
            for b in 0..batch {
                let at = self.sizes.state_at(self.direction, b);
                h[b * hidden..][..hidden].copy_from_slice(&states.h[at..at + hidden]);
            }
            if first > 0 {
                self.product(batch, hidden, first, &h, r_gates, &mut h_gates, rows, &Epilogue::default())?;
            }
            if split {
                for b in 0..batch {
                    let Some(t) = self.step_of(i, b) else { continue };
                    let gates = &mut h_gates[b * rows..][..rows];
                    let x = &x_gates[self.sizes.x_row(t, b) * rows..][..first];
                    gates.iter_mut().zip(x).for_each(|(g, x)| *g += x);
                    let (h, reset) = (&h[b * hidden..][..hidden], &mut reset[b * hidden..][..hidden]);
                    gru_reset(self.cx.isa, self.clip, gates, h, reset);
                }
                self.product(batch, hidden, hidden, &reset, r_last, &mut h_gates[first..], rows, &of_last)?;
            } else {
                self.product(batch, hidden, hidden, &h, r_last, &mut h_gates[first..], rows, &of_last)?;
            }
            for b in 0..batch {
                let Some(t) = self.step_of(i, b) else { continue };
                let x = &x_gates[self.sizes.x_row(t, b) * rows..][..rows];
                let gates = &mut h_gates[b * rows..][..rows];
                self.advance(x, gates, &h[b * hidden..][..hidden], b, t, states);
            }
        }
        self.cx.buffers.give(x_gates);
        Ok(())
    }

    /// The step that sequence `b` takes at turn `i`.
    fn step_of(&self, i: usize, b: usize) -> Option<usize> {
        let len = self.lengths[b];
        if i >= len {
            return None;
        }
        Some(if self.reversed { len - 1 - i } else { i })
    }

    /// The cell: from gates to the new state and the output.
    fn advance(&self, x: &[f32], gates: &mut [f32], old: &[f32], b: usize, t: usize, states: &mut States) {
        let hidden = self.sizes.hidden;
        let isa = self.cx.isa;
        let at = self.sizes.state_at(self.direction, b);
        let y_at = self.sizes.y_at(t, self.direction, b);
        let h = &mut states.h[at..at + hidden];
        match self.cell {
            Cell::Rnn(op) => {
                gates.iter_mut().zip(x).for_each(|(g, x)| *g += x);
                if let Some(clip) = self.clip {
                    gates.iter_mut().for_each(|g| *g = g.max(-clip).min(clip));
                }
                unary_in_place(self.cx.team, isa, op, gates);
                h.copy_from_slice(gates);
            }
            Cell::Gru { linear_before_reset: true } => {
                h.copy_from_slice(old);
                gru_step(isa, self.clip, x, gates, h);
            }
            Cell::Gru { linear_before_reset: false } => {
                let first = 2 * hidden;
                gates[first..].iter_mut().zip(&x[first..]).for_each(|(g, x)| *g += x);
                h.copy_from_slice(old);
                gru_finish(isa, self.clip, gates, h);
            }
            Cell::Lstm { input_forget } => {
                gates.iter_mut().zip(x).for_each(|(g, x)| *g += x);
                let options = LstmOptions { peephole: self.peephole, clip: self.clip, input_forget };
                lstm_step(isa, &options, gates, &mut states.c[at..at + hidden], h);
            }
        }
        states.y[y_at..y_at + hidden].copy_from_slice(&states.h[at..at + hidden]);
    }

    #[allow(clippy::too_many_arguments, reason = "the customary parameters of a matrix product")]
    fn product(
        &self,
        m: usize,
        k: usize,
        n: usize,
        a: &[f32],
        b: &AlignedVec,
        c: &mut [f32],
        ldc: usize,
        epilogue: &Epilogue<'_>,
    ) -> Result<(), OpError> {
        let b = PackedBRef::new(b.as_slice(), k, n).map_err(refused)?;
        gemm(self.cx.team, self.cx.isa, m, n, k, MatRef::rows(a, k), b, c, ldc, epilogue, &mut []);
        Ok(())
    }
}
