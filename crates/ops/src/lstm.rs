//! `LSTM`: <https://onnx.ai/onnx/operators/onnx__LSTM.html>

use lehr_graph::{Cost, EvalCx, InferCx, Op, OpError, Signature, WriteCx, declare_op};

use crate::downgrade::drop_attribute;
use crate::operand::{check_shape, optional_floats};
use crate::recurrent::{Direction, RecurrentAttributes, eval_recurrent, recurrent_cost, recurrent_of};

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
            let [input, output, forget, candidate] =
                [0, 1, 2, 3].map(|gate| weights.of_both(gate, x, &state.h));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recurrent::tests::{case, names, outputs, values};
    use lehr_tensor::Tensor;

    #[test]
    fn both_ways_and_with_other_activations() {
        let op = Lstm {
            activation_alpha: None,
            activation_beta: None,
            activations: None,
            clip: None,
            direction: Direction::Bidirectional,
            hidden_size: Some(2),
            input_forget: false,
            layout: false,
        };
        let y = &[
            -0.227378, 0.0562072, 0.0535097, -0.178302, -0.0456773, -0.0106244, -0.156707, -0.225183,
            -0.187238, -0.142928, 0.0, 0.0, -0.120161, 0.00530452, 0.0, 0.0, -0.213625, -0.107329, 0.0, 0.0,
            0.0546256, -0.074503, 0.0, 0.0,
        ];
        let states: &[&[f32]] = &[
            &[-0.213625, -0.107329, 0.0535097, -0.178302, -0.0456773, -0.0106244, -0.156707, -0.225183],
            &[-0.370275, -0.323152, 0.0865508, -0.469177, -0.13352, -0.0271538, -0.413035, -0.377783],
        ];
        for constant in [false, true] {
            case(op.clone(), 4, 2, constant)
                .input(Tensor::vector(vec![3i32, 1]))
                .input(values(&[2, 2, 2], 3, 0.3))
                .input(values(&[2, 2, 2], 5, 0.2))
                .constant(values(&[2, 6], 3, 0.1))
                .expect_all(outputs(2, y, states));
        }
        let op = Lstm {
            activation_alpha: Some(vec![0.3, 1.5]),
            activation_beta: Some(vec![0.4, 0.5]),
            activations: names(&["HardSigmoid", "ScaledTanh", "Relu"]),
            clip: Some(0.4),
            direction: Direction::Reverse,
            input_forget: true,
            ..op
        };
        let y = &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let states: &[&[f32]] = &[&[0.0, 0.0, 0.0, 0.0], &[-0.163476, -0.192465, -0.129858, -0.198988]];
        case(op, 4, 1, true).expect_all(outputs(1, y, states));
    }
}
