//! `RNN`: <https://onnx.ai/onnx/operators/onnx__RNN.html>

use lehr_graph::{Cost, EvalCx, InferCx, Op, OpError, Signature, WriteCx, declare_op};

use crate::downgrade::drop_attribute;
use crate::recurrent::{
    Direction, RecurrentAttributes, eval_recurrent, recurrent_cost, recurrent_of,
};

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
