//! `PRelu`: <https://onnx.ai/onnx/operators/onnx__PRelu.html>

use lehr_graph::{Builder, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, Shape, declare_op};
use lehr_kernels::elementwise::BinaryOp;
use lehr_tensor::broadcast_shapes;

use crate::cpu::{Kernel, RunCx};
use crate::elementwise::{Binary, binary, common_dtype};
use crate::elementwise_cpu::{cpu_op, run_arithmetic, two_f32};
use crate::formula::Formula;
use crate::unsqueeze::Unsqueeze;

declare_op! {
    /// x, and slope·x below 0; the slope (input 1) broadcasts to x.
    pub struct PRelu("", "PRelu", 16) inputs(2, 2) outputs(1, 1) flags(ELEMENTWISE)
    read(Self::read) {}
}

impl PRelu {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let (x, slope) = (cx.require(0)?, cx.require(1)?);
        if cx.opset() >= 7 {
            return cx.emit_same(Self {});
        }
        // Before opset 7, a list of slopes belongs to axis 1.
        let rank = cx.ty(x).shape().map(Shape::rank);
        let one_slope = cx.ty(slope).shape().map(|s| s.numel().as_fixed() == Some(1));
        match (rank, one_slope) {
            (_, Some(true)) | (Some(..=2), _) => cx.emit_same(Self {}),
            (Some(rank), _) => {
                let axes: Vec<i64> = (1..).take(rank - 2).collect();
                let axes = cx.ints(&axes);
                let slope = cx.emit_one(Unsqueeze {}, &[slope, axes])?;
                cx.emit(Self {}, vec![Some(x), Some(slope)], 1)
            }
            (None, _) => {
                Err(OpError::Unsupported("a list of slopes before opset 7 for an unknown rank".into()))
            }
        }
    }
}

impl Op for PRelu {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = common_dtype(cx)?;
        if let (Some(x), Some(slope)) = (cx.shape(0), cx.shape(1))
            && slope.rank() > x.rank()
        {
            return Err(OpError::shape(format!("the slope's shape {slope} does not broadcast to {x}")));
        }
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (x, slope) = (cx.tensor(0)?, cx.tensor(1)?);
        let y = binary(
            x,
            slope,
            &Binary {
                float: |x, slope| if x < 0.0 { slope * x } else { x },
                signed: |x, slope| Some(if x < 0 { slope.wrapping_mul(x) } else { x }),
                unsigned: |x, _| Some(x),
            },
        )?;
        if y.shape() != x.shape() {
            return Err(OpError::shape(format!(
                "the slope's shape {:?} does not broadcast to {:?}",
                slope.shape(),
                x.shape()
            )));
        }
        cx.set(0, y);
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let (mut f, x) = Formula::on(builder, 0)?;
        let slope = f.input(1)?;
        let negative = f.mul(slope, x)?;
        let y = f.select_negative(x, negative, x)?;
        f.finish(y)
    }
}

cpu_op!(PRelu, two_f32, |_op| PReluKernel);

struct PReluKernel;

impl Kernel for PReluKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let (x, slope) = (cx.tensor(0)?, cx.tensor(1)?);
        if broadcast_shapes(&[x.shape(), slope.shape()])? != x.shape() {
            return Err(OpError::shape(format!(
                "the slope's shape {:?} does not broadcast to {:?}",
                slope.shape(),
                x.shape()
            )));
        }
        run_arithmetic(cx, BinaryOp::PRelu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn slope_per_column() {
        let x = f32s(&[2, 2], &[-1.0, -2.0, 3.0, -4.0]);
        let slope = f32s(&[2], &[0.5, 0.25]);
        Case::new(PRelu {}).input(x.clone()).input(slope).expect(f32s(&[2, 2], &[-0.5, -0.5, 3.0, -1.0]));
        Case::new(PRelu {}).input(x).input(f32s(&[1, 1, 1], &[1.0])).expect_error("broadcast");
    }
}
