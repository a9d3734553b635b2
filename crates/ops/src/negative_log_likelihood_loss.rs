//! `NegativeLogLikelihoodLoss`: <https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html>

use lehr_graph::{EvalCx, InferCx, Op, OpError, Shape, attribute_enum, declare_op};
use lehr_tensor::checked_len;

use crate::operand::{check_shape, floats, optional_floats, rounded};

attribute_enum! {
    /// What is made of the losses of all elements.
    pub enum LossReduction {
        /// All of them.
        None = "none",
        /// Weighted mean.
        Mean = "mean",
        /// Sum.
        Sum = "sum",
    }
}

declare_op! {
    /// `-weight[target] · x[target]` for log probabilities `[N, C, …]` and class numbers `[N, …]`, reduced.
    pub struct NegativeLogLikelihoodLoss("", "NegativeLogLikelihoodLoss", 22)
    inputs(2, 3) outputs(1, 1) flags() {
        /// Targets of this value do not count.
        ignore_index: Option<i64> = None,
        /// What is made of the losses.
        reduction: LossReduction = LossReduction::Mean,
    }
}

impl Op for NegativeLogLikelihoodLoss {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = loss_shape(cx, self.reduction)?;
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = floats(cx, 0)?;
        let (shape, loss) = losses(cx, &x, self.ignore_index, self.reduction)?;
        let y = rounded(cx.tensor(0)?.dtype(), &shape, loss)?;
        cx.set(0, y);
        Ok(())
    }
}

/// Shape of the reduced loss.
pub(crate) fn loss_shape(cx: &InferCx<'_>, reduction: LossReduction) -> Result<Option<Shape>, OpError> {
    if let Some(shape) = cx.shape(0).filter(|shape| shape.rank() < 2) {
        return Err(OpError::shape(format!("input 0: expected at least rank 2, got {shape}")));
    }
    if reduction != LossReduction::None {
        return Ok(Some(Shape::new()));
    }
    Ok(match (cx.shape(1), cx.shape(0)) {
        (Some(target), _) => Some(target.clone()),
        (None, Some(x)) => {
            Some(x.dims().iter().enumerate().filter(|(axis, _)| *axis != 1).map(|(_, d)| d.clone()).collect())
        }
        (None, None) => None,
    })
}

/// The reduced losses of log probabilities `x` of the shape of input 0, and their shape.
pub(crate) fn losses(
    cx: &EvalCx<'_>,
    x: &[f64],
    ignore_index: Option<i64>,
    reduction: LossReduction,
) -> Result<(Vec<usize>, Vec<f64>), OpError> {
    let (scores, target) = (cx.tensor(0)?, cx.tensor(1)?);
    let [batch, classes, rest @ ..] = scores.shape() else {
        return Err(OpError::shape(format!("input 0: expected at least rank 2, got {:?}", scores.shape())));
    };
    let expected: Vec<usize> = std::iter::once(batch).chain(rest).copied().collect();
    check_shape(1, target, &expected)?;
    let weight = optional_floats(cx, 2)?;
    if weight.is_some() {
        check_shape(2, cx.tensor(2)?, &[*classes])?;
    }
    let plane = checked_len(rest)?;
    let (mut all, mut total) = (Vec::new(), 0.0);
    for (at, class) in target.to_i64s()?.into_iter().enumerate() {
        if Some(class) == ignore_index {
            all.push(0.0);
            continue;
        }
        let class = usize::try_from(class).ok().filter(|class| class < classes).ok_or_else(|| {
            OpError::value(format!("class {class}: expected 0 to {}", classes.saturating_sub(1)))
        })?;
        let weight = weight.as_ref().map_or(1.0, |weight| weight[class]);
        total += weight;
        all.push(-weight * x[(at / plane * classes + class) * plane + at % plane]);
    }
    Ok(match reduction {
        LossReduction::None => (expected, all),
        LossReduction::Sum => (Vec::new(), vec![all.iter().sum()]),
        LossReduction::Mean => (Vec::new(), vec![all.iter().sum::<f64>() / total]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn reductions_weights_and_ignored_targets() {
        let x = f32s(&[1, 2, 3], &[1., 2., 2., 4., 5., 6.]);
        let target = i64s(&[1, 3], &[0, 1, 1]);
        let weight = f32s(&[2], &[1., 3.]);
        let op = |reduction, ignore_index| NegativeLogLikelihoodLoss { ignore_index, reduction };
        let case = |op: NegativeLogLikelihoodLoss| {
            Case::new(op).input(x.clone()).input(target.clone()).input(weight.clone())
        };
        case(op(LossReduction::None, None)).expect(f32s(&[1, 3], &[-1., -15., -18.]));
        case(op(LossReduction::Sum, None)).expect(f32s(&[], &[-34.]));
        case(op(LossReduction::Mean, Some(1))).expect(f32s(&[], &[-1.]));
        Case::new(op(LossReduction::Mean, None))
            .input(x.clone())
            .input(target.clone())
            .expect(f32s(&[], &[-4.]));
        Case::new(op(LossReduction::Mean, None))
            .input(x.clone())
            .input(i64s(&[1, 3], &[0, 2, 1]))
            .expect_error("class 2");
    }
}
