//! `RNN`: <https://onnx.ai/onnx/operators/onnx__RNN.html>

use lehr_graph::{Cost, EvalCx, InferCx, Op, OpError, Signature, WriteCx, declare_op};

use crate::downgrade::drop_attribute;
use crate::recurrent::{Direction, RecurrentAttributes, eval_recurrent, recurrent_cost, recurrent_of};

declare_op! {
    /// Elman network: `h = f(W·x + Wb + R·h + Rb)`; gives all outputs and the last one.
    pub struct Rnn("", "RNN", 22) inputs(3, 6) outputs(0, 2) flags() {
        /// First parameters of the activations that have one.
        activation_alpha: Option<Vec<f32>> = None,
        /// Second parameters of the activations that have one.
        activation_beta: Option<Vec<f32>> = None,
        /// Activation of each direction; Tanh when absent.
        activations: Option<Vec<String>> = None,
        /// Bounds what goes into the activations.
        clip: Option<f32> = None,
        /// Which way the sequences are walked.
        direction: Direction = Direction::Forward,
        /// Number of units; that of the weights when absent.
        hidden_size: Option<i64> = None,
        /// Batch first instead of steps first.
        layout: bool = false,
    }
}

impl Rnn {
    pub(crate) fn recurrence(&self) -> RecurrentAttributes<'_> {
        recurrent_of!(self, 1, &["Tanh"])
    }
}

impl Op for Rnn {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        self.recurrence().infer(cx, 1)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let attributes = self.recurrence();
        let squashes = attributes.squashes()?;
        eval_recurrent(&attributes, cx, false, |weights, direction, x, state| {
            let f = squashes[direction][0];
            let gate = weights.of_both(0, x, &state.h);
            state.h = gate.into_iter().map(|v| f.apply(attributes.clipped(v))).collect();
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
        let op = Rnn {
            activation_alpha: None,
            activation_beta: None,
            activations: None,
            clip: None,
            direction: Direction::Bidirectional,
            hidden_size: Some(2),

            layout: false,
        };
        let y = &[
            0.0649086, -0.0499584, -0.940227, -0.485381, -0.615155, -0.572786, -0.0399787, -0.52629,
            -0.813554, -0.085002, 0.0, 0.0, -0.235413, -0.223139, 0.0, 0.0, 0.171563, -0.208408, 0.0, 0.0,
            -0.202176, -0.825868, 0.0, 0.0,
        ];
        let states: &[&[f32]] =
            &[&[0.171563, -0.208408, -0.940227, -0.485381, -0.615155, -0.572786, -0.0399787, -0.52629]];
        for constant in [false, true] {
            case(op.clone(), 1, 2, constant)
                .input(Tensor::vector(vec![3i32, 1]))
                .input(values(&[2, 2, 2], 3, 0.3))
                .expect_all(outputs(2, y, states));
        }
        let op = Rnn {
            activation_alpha: Some(vec![0.25]),
            activation_beta: None,
            activations: names(&["LeakyRelu"]),
            clip: Some(0.4),
            direction: Direction::Reverse,

            ..op
        };
        let y = &[
            -0.0440957,
            -0.0733643,
            -0.1,
            -0.016333,
            -0.1,
            -0.0138281,
            -0.1,
            -0.00132813,
            -0.05625,
            -0.1,
            -0.05625,
            -0.1,
        ];
        let states: &[&[f32]] = &[&[-0.0440957, -0.0733643, -0.1, -0.016333]];
        case(op, 1, 1, true).expect_all(outputs(1, y, states));
    }
}
