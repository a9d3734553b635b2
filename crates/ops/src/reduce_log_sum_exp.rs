//! `ReduceLogSumExp`: <https://onnx.ai/onnx/operators/onnx__ReduceLogSumExp.html>

use lehr_graph::{
    AxisMap, Builder, Cost, EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues,
    Signature, WriteCx, declare_op,
};
use lehr_tensor::DataType;

use crate::cast::Cast;
use crate::exp::Exp;
use crate::log::Log;
use crate::reduce_sum::ReduceSum;
use crate::reduction::{self, Modes, Reduction};

declare_op! {
    /// The natural logarithm of the sum of exponentials over axes, without overflow.
    pub struct ReduceLogSumExp("", "ReduceLogSumExp", 28) inputs(1, 2) outputs(1, 1) flags()
    read(Self::read) {
        /// Reduced axes stay with size 1.
        keepdims: bool = true,
        /// An absent or empty list of axes means none, instead of all.
        noop_with_empty_axes: bool = false,
    }
}

impl ReduceLogSumExp {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let op = Self::from_attributes(cx.attributes())?;
        reduction::read(cx, op)
    }

    fn modes(&self) -> Modes {
        Modes { keepdims: self.keepdims, noop_with_empty_axes: self.noop_with_empty_axes }
    }
}

impl Op for ReduceLogSumExp {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        reduction::infer(cx, self.modes())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        reduction::eval(
            cx,
            self.modes(),
            &Reduction {
                float: log_sum_exp,
                signed: |group| Some(log_sum_exp(&group.iter().map(|&x| x as f64).collect::<Vec<_>>()) as i64),
                unsigned: |group| {
                    Some(log_sum_exp(&group.iter().map(|&x| x as f64).collect::<Vec<_>>()) as u64)
                },
                truth: None,
            },
        )
    }

    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let x = builder.require(0)?;
        let dtype = builder.dtype(x)?;
        if !dtype.is_float() {
            return Ok(false);
        }
        // In double precision, as the standard's own function body: `f32` would overflow from 89 on.
        let x = builder.call(Cast::to(DataType::F64), &[x])?;
        let x = builder.call(Exp {}, &[x])?;
        let op = ReduceSum { keepdims: self.keepdims, noop_with_empty_axes: self.noop_with_empty_axes };
        let y = reduction::call(builder, op, x)?;
        let y = builder.call(Log {}, &[y])?;
        let y = builder.call(Cast::to(dtype), &[y])?;
        builder.output(0, y);
        Ok(true)
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        reduction::write(cx, self.modes(), 18)
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        reduction::cost(io)
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        reduction::axes(io, self.modes())
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        reduction::permuted(io, order, self.modes())
    }
}

fn log_sum_exp(group: &[f64]) -> f64 {
    let greatest = group.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if greatest.is_infinite() {
        return group.iter().map(|x| x.exp()).sum::<f64>().ln();
    }
    greatest + group.iter().map(|x| (x - greatest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn over_one_all_and_no_axes() {
        let x = f32s(&[2, 3], &[1.0, -2.0, 3.0, 4.0, 5.0, -6.0]);
        let row = i64s(&[1], &[-1]);
        Case::new(ReduceLogSumExp { keepdims: true, noop_with_empty_axes: false })
            .input(x.clone())
            .constant(row.clone())
            .expect(f32s(&[2, 1], &[3.132_845_2, 5.313_274]));
        Case::new(ReduceLogSumExp { keepdims: true, noop_with_empty_axes: false })
            .input(x.clone())
            .input(row)
            .expect(f32s(&[2, 1], &[3.132_845_2, 5.313_274]));
        Case::new(ReduceLogSumExp { keepdims: false, noop_with_empty_axes: false })
            .input(x.clone())
            .expect(f32s(&[], &[5.420_326_7]));
        Case::new(ReduceLogSumExp { keepdims: true, noop_with_empty_axes: true })
            .input(x)
            .expect(f32s(&[2, 3], &[1.0, -2.0, 3.0, 4.0, 5.0, -6.0]));
        let far = f32s(&[2], &[100.0, 100.0]);
        Case::new(ReduceLogSumExp { keepdims: true, noop_with_empty_axes: false })
            .input(far)
            .expect(f32s(&[1], &[100.693_15]));
    }
}
