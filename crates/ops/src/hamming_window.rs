//! `HammingWindow`: <https://onnx.ai/onnx/operators/onnx__HammingWindow.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::DataType;

use crate::window_function::{decompose_window, eval_window, infer_window};

declare_op! {
    /// `25/46 − 21/46·cos(2πn/N)`, as many values as input 0 says; N is that size, or one less for a symmetric window.
    pub struct HammingWindow("", "HammingWindow", 17) inputs(1, 1) outputs(1, 1) flags() {
        /// For use as a periodic function, instead of symmetric.
        periodic: bool = true,
        /// Type of the output.
        output_datatype: DataType = DataType::F32,
    }
}

impl Op for HammingWindow {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_window(cx, self.output_datatype)
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        eval_window(cx, self.output_datatype, self.periodic, COEFFICIENTS)
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        decompose_window(builder, self.output_datatype, self.periodic, COEFFICIENTS)
    }
}

const COEFFICIENTS: [f64; 3] = [25.0 / 46.0, -21.0 / 46.0, 0.0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, numbers};
    use lehr_tensor::Tensor;

    #[test]
    fn periodic_and_symmetric() {
        for (periodic, values) in [
            (true, [4.0 / 46.0, 25.0 / 46.0, 1.0, 25.0 / 46.0]),
            (false, [4.0 / 46.0, 35.5 / 46.0, 35.5 / 46.0, 4.0 / 46.0]),
        ] {
            Case::new(HammingWindow { periodic, output_datatype: DataType::F64 })
                .constant(Tensor::scalar(4i64))
                .expect(numbers(DataType::F64, &[4], &values));
        }
    }
}
