//! `GRU`: <https://onnx.ai/onnx/operators/onnx__GRU.html>

use lehr_graph::{Cost, EvalCx, InferCx, Op, OpError, Signature, WriteCx, declare_op};

use crate::downgrade::drop_attribute;
use crate::recurrent::{Direction, RecurrentAttributes, eval_recurrent, recurrent_cost, recurrent_of};

declare_op! {
    /// Gated recurrent unit with the gates z (update), r (reset) and h (candidate); gives all outputs and the last one.
    pub struct Gru("", "GRU", 22) inputs(3, 6) outputs(0, 2) flags() {
        /// First parameters of the activations that have one.
        activation_alpha: Option<Vec<f32>> = None,
        /// Second parameters of the activations that have one.
        activation_beta: Option<Vec<f32>> = None,
        /// Activations of gates and candidate of each direction; Sigmoid and Tanh when absent.
        activations: Option<Vec<String>> = None,
        /// Bounds what goes into the activations.
        clip: Option<f32> = None,
        /// Which way the sequences are walked.
        direction: Direction = Direction::Forward,
        /// Number of units; that of the weights when absent.
        hidden_size: Option<i64> = None,
        /// Batch first instead of steps first.
        layout: bool = false,
        /// The reset gate multiplies the transformed state instead of the state.
        linear_before_reset: bool = false,
    }
}

impl Gru {
    pub(crate) fn recurrence(&self) -> RecurrentAttributes<'_> {
        recurrent_of!(self, 3, &["Sigmoid", "Tanh"])
    }
}

impl Op for Gru {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        self.recurrence().infer(cx, 1)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let attributes = self.recurrence();
        let squashes = attributes.squashes()?;
        eval_recurrent(&attributes, cx, false, |weights, direction, x, state| {
            let (f, g) = (squashes[direction][0], squashes[direction][1]);
            let gate = |gate, h: &[f64]| -> Vec<f64> {
                weights.of_both(gate, x, h).into_iter().map(|v| f.apply(attributes.clipped(v))).collect()
            };
            let (z, r) = (gate(0, &state.h), gate(1, &state.h));
            let inner: Vec<f64> = if self.linear_before_reset {
                weights.of_state(2, &state.h).iter().zip(&r).map(|(v, r)| v * r).collect()
            } else {
                let reset: Vec<f64> = state.h.iter().zip(&r).map(|(h, r)| h * r).collect();
                weights.of_state(2, &reset)
            };
            let candidate = weights.of_input(2, x);
            for (i, h) in state.h.iter_mut().enumerate() {
                let new = g.apply(attributes.clipped(candidate[i] + inner[i]));
                *h = (1.0 - z[i]) * new + z[i] * *h;
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
        let op = Gru {
            activation_alpha: None,
            activation_beta: None,
            activations: None,
            clip: None,
            direction: Direction::Bidirectional,
            hidden_size: Some(2),
            linear_before_reset: true,
            layout: false,
        };
        let y = &[
            -0.536199, 0.0458859, 0.377638, -0.349582, -0.245923, 0.0832891, 0.239611, 0.307454, -0.197272,
            -0.413326, 0.0, 0.0, -0.0633739, 0.292316, 0.0, 0.0, -0.129053, 0.0955474, 0.0, 0.0, 0.117592,
            0.113853, 0.0, 0.0,
        ];
        let states: &[&[f32]] =
            &[&[-0.129053, 0.0955474, 0.377638, -0.349582, -0.245923, 0.0832891, 0.239611, 0.307454]];
        for constant in [false, true] {
            case(op.clone(), 3, 2, constant)
                .input(Tensor::vector(vec![3i32, 1]))
                .input(values(&[2, 2, 2], 3, 0.3))
                .expect_all(outputs(2, y, states));
        }
        let op = Gru {
            activation_alpha: Some(vec![0.3]),
            activation_beta: Some(vec![0.4]),
            activations: names(&["HardSigmoid", "Softsign"]),
            clip: Some(0.4),
            direction: Direction::Reverse,
            linear_before_reset: false,
            ..op
        };
        let y = &[
            -0.177977, -0.203575, 0.106224, -0.267253, 0.0189429, -0.200797, -0.0956967, -0.219779,
            -0.0444768, 0.017561, -0.117092, -0.0502326,
        ];
        let states: &[&[f32]] = &[&[-0.177977, -0.203575, 0.106224, -0.267253]];
        case(op, 3, 1, true).expect_all(outputs(1, y, states));
    }
}
