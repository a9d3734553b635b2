//! `HannWindow`: <https://onnx.ai/onnx/operators/onnx__HannWindow.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::DataType;

use crate::window_function::{decompose_window, eval_window, infer_window};

declare_op! {
    /// `0.5 − 0.5·cos(2πn/N)`, as many values as input 0 says; N is that size, or one less for a symmetric window.
    pub struct HannWindow("", "HannWindow", 17) inputs(1, 1) outputs(1, 1) flags() {
        /// For use as a periodic function, instead of symmetric.
        periodic: bool = true,
        /// Type of the output.
        output_datatype: DataType = DataType::F32,
    }
}

impl Op for HannWindow {
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

const COEFFICIENTS: [f64; 3] = [0.5, -0.5, 0.0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, numbers};
    use lehr_tensor::Tensor;

    #[test]
    fn periodic_and_symmetric() {
        for (periodic, values) in [(true, [0.0, 0.5, 1.0, 0.5]), (false, [0.0, 0.75, 0.75, 0.0])] {
            Case::new(HannWindow { periodic, output_datatype: DataType::F64 })
                .constant(Tensor::scalar(4i64))
                .expect(numbers(DataType::F64, &[4], &values));
        }
    }
}
