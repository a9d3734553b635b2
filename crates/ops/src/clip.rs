//! `Clip`: <https://onnx.ai/onnx/operators/onnx__Clip.html>

use lehr_graph::{
    Builder, Datum, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, Shape, SymValues, ValueId, declare_op,
};
use lehr_kernels::elementwise::UnaryOp;
use lehr_tensor::Tensor;

use crate::cast_like::CastLike;
use crate::cpu::{Kernel, RunCx};
use crate::elementwise::{Binary, binary, infer_same};
use crate::elementwise_cpu::{all_f32, cpu_op, run_unary};
use crate::max::Max;
use crate::min::Min;

declare_op! {
    /// min(max(x, input 1), input 2), either bound being optional; a NaN stays a NaN.
    pub struct Clip("", "Clip", 13) inputs(1, 3) outputs(1, 1) flags(ELEMENTWISE, MONOTONE, IDEMPOTENT)
    read(Self::read) {}
}

impl Clip {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        if cx.opset() >= 11 {
            return cx.emit_same(Self {});
        }
        let mut inputs = vec![Some(cx.require(0)?)];
        for name in ["min", "max"] {
            inputs.push(read_bound(cx, name)?);
        }
        cx.emit(Self {}, inputs, 1)
    }
}

/// A bound that was an attribute before opset 11; its default, the end of the range, is no bound.
fn read_bound(cx: &mut ReadCx<'_>, name: &str) -> Result<Option<ValueId>, OpError> {
    let x = cx.require(0)?;
    let Some(bound) = cx.attribute::<f32>(name)?.filter(|b| b.abs() < f32::MAX) else { return Ok(None) };
    let tensor = Tensor::scalar(bound);
    match cx.ty(x).dtype() {
        Some(dtype) => Ok(Some(cx.constant(tensor.cast(dtype, Default::default())?))),
        None => {
            let bound = cx.constant(tensor);
            Ok(Some(cx.emit_one(CastLike::default(), &[bound, x])?))
        }
    }
}

impl Op for Clip {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        infer_same(cx)?;
        let known = clipped(cx);
        cx.set_known(0, known);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let mut y = x.clone();
        if let Some(low) = cx.optional_tensor(1)? {
            y = binary(&y, &bound(low, 1)?, &at_least())?;
        }
        if let Some(high) = cx.optional_tensor(2)? {
            y = binary(&y, &bound(high, 2)?, &at_most())?;
        }
        cx.set(0, Datum::Tensor(y));
        Ok(())
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let mut y = builder.require(0)?;
        let (low, high) = (builder.input(1), builder.input(2));
        let scalar =
            |b: &Builder, id: Option<ValueId>| id.is_none_or(|id| b.shape(id).map(Shape::rank) == Some(0));
        if (low.is_none() && high.is_none()) || !scalar(builder, low) || !scalar(builder, high) {
            return Ok(false);
        }
        if let Some(low) = low {
            y = builder.call(Max {}, &[y, low])?;
        }
        if let Some(high) = high {
            y = builder.call(Min {}, &[y, high])?;
        }
        builder.output(0, y);
        Ok(true)
    }
}

fn at_least() -> Binary {
    Binary {
        float: |x, low| if x < low { low } else { x },
        signed: |x, low| Some(x.max(low)),
        unsigned: |x, low| Some(x.max(low)),
    }
}

fn at_most() -> Binary {
    Binary {
        float: |x, high| if x > high { high } else { x },
        signed: |x, high| Some(x.min(high)),
        unsigned: |x, high| Some(x.min(high)),
    }
}

/// A bound as a scalar: files have it as a list of one as well.
fn bound(tensor: &Tensor, index: usize) -> Result<Tensor, OpError> {
    tensor.reshape(&[]).map_err(|_| {
        OpError::shape(format!(
            "input {index}: expected a scalar, got a tensor of shape {:?}",
            tensor.shape()
        ))
    })
}

fn clipped(cx: &InferCx<'_>) -> Option<SymValues> {
    let mut known = cx.known(0)?;
    for (index, upper) in [(1, false), (2, true)] {
        if !cx.has_input(index) {
            continue;
        }
        let bound = cx.known(index)?.sole()?.clone();
        known = known.map(|x| if upper { x.minimum(&bound) } else { x.maximum(&bound) });
    }
    Some(known)
}

cpu_op!(Clip, all_f32, |_op| ClipKernel);

struct ClipKernel;

impl Kernel for ClipKernel {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let value = |index: usize, none: f32| match cx.optional_tensor(index)? {
            Some(tensor) => Ok::<f32, OpError>(bound(tensor, index)?.item()?),
            None => Ok(none),
        };
        let (low, high) = (value(1, f32::NEG_INFINITY)?, value(2, f32::INFINITY)?);
        run_unary(cx, UnaryOp::Clip { low, high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn bounds() {
        let x = f32s(&[4], &[-2.0, 0.5, 3.0, f32::NAN]);
        let (low, high) = (f32s(&[], &[-1.0]), f32s(&[], &[1.0]));
        let clip = || Case::new(Clip {}).input(x.clone());
        clip().input(low.clone()).input(high.clone()).expect(f32s(&[4], &[-1.0, 0.5, 1.0, f32::NAN]));
        clip().constant(low.clone()).constant(high.clone()).expect(f32s(&[4], &[-1.0, 0.5, 1.0, f32::NAN]));
        clip().absent().input(high.clone()).expect(f32s(&[4], &[-2.0, 0.5, 1.0, f32::NAN]));
        // The upper bound wins when the bounds are the wrong way round.
        clip().input(high).input(low).expect(f32s(&[4], &[-1.0, -1.0, -1.0, f32::NAN]));
        clip().expect(x.clone());
        clip().input(f32s(&[2], &[0.0, 1.0])).expect_error("expected a scalar");
        Case::new(Clip {})
            .constant(i64s(&[3], &[-5, 2, 9]))
            .constant(i64s(&[1], &[0]))
            .absent()
            .expect(i64s(&[3], &[0, 2, 9]));
    }
}
