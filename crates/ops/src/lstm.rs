//! `LSTM`: <https://onnx.ai/onnx/operators/onnx__LSTM.html>

use lehr_graph::{Cost, EvalCx, InferCx, Op, OpError, Signature, WriteCx, declare_op};

use crate::downgrade::drop_attribute;
use crate::operand::{check_shape, optional_floats};
use crate::recurrent::{
    Direction, RecurrentAttributes, eval_recurrent, recurrent_cost, recurrent_of,
};

declare_op! {
    /// Long short-term memory with the gates i (input), o (output), f (forget) and c (candidate) and optional peepholes;
    /// gives all outputs, the last one and the last cell.
    pub struct Lstm("", "LSTM", 22) inputs(3, 8) outputs(0, 3) flags() {
        /// First parameters of the activations that have one.
        activation_alpha: Option<Vec<f32>> = None,
        /// Second parameters of the activations that have one.
        activation_beta: Option<Vec<f32>> = None,
        /// Activations of gates, candidate and cell of each direction; Sigmoid, Tanh and Tanh when absent.
        activations: Option<Vec<String>> = None,
        /// Bounds what goes into the activations.
        clip: Option<f32> = None,
        /// Which way the sequences are walked.
        direction: Direction = Direction::Forward,
        /// Number of units; that of the weights when absent.
        hidden_size: Option<i64> = None,
        /// The forget gate is one minus the input gate.
        input_forget: bool = false,
        /// Batch first instead of steps first.
        layout: bool = false,
    }
}

impl Lstm {
    pub(crate) fn recurrence(&self) -> RecurrentAttributes<'_> {
        recurrent_of!(self, 4, &["Sigmoid", "Tanh", "Tanh"])
    }
}

impl Op for Lstm {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        self.recurrence().infer(cx, 2)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let attributes = self.recurrence();
        let squashes = attributes.squashes()?;
        let peepholes = optional_floats(cx, 7)?;
        if peepholes.is_some() {
            let hidden = cx.tensor(2)?.shape().get(2).copied().unwrap_or(0);
            check_shape(7, cx.tensor(7)?, &[attributes.directions(), hidden.saturating_mul(3)])?;
        }
        eval_recurrent(&attributes, cx, true, |weights, direction, x, state| {
            let [f, g, h] = squashes[direction][..] else { return Ok(()) };
            let hidden = state.h.len();
            let peephole = |gate: usize, i: usize, c: f64| {
                peepholes.as_ref().map_or(0.0, |p| p[(direction * 3 + gate) * hidden + i] * c)
            };
            let [input, output, forget, candidate] = [0, 1, 2, 3].map(|gate| weights.of_both(gate, x, &state.h));
            for i in 0..hidden {
                let old = state.c[i];
                let it = f.apply(attributes.clipped(input[i] + peephole(0, i, old)));
                let ft = if self.input_forget {
                    1.0 - it
                } else {
                    f.apply(attributes.clipped(forget[i] + peephole(2, i, old)))
                };
                let new = ft * old + it * g.apply(attributes.clipped(candidate[i]));
                let ot = f.apply(attributes.clipped(output[i] + peephole(1, i, new)));
                state.c[i] = new;
                state.h[i] = ot * h.apply(new);
            }
            Ok(())
        })
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        recurrent_cost(io)
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        drop_attribute(cx, "layout", 14, !self.layout)
    }
}
