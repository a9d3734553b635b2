//! `Dropout`: <https://onnx.ai/onnx/operators/onnx__Dropout.html>

use lehr_graph::{
    EvalCx, InferCx, Op, OpError, Permutation, Permuted, ReadCx, ReadValues, Signature, declare_op,
};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::cast::Cast;
use crate::operand::bounded_len;
use crate::random::Generator;
use crate::renamed_axes::has_input;

declare_op! {
    /// Input 0 as it is; when input 2 says that this is training, with the share of input 1 (0.5 without it) set to zero and
    /// the rest scaled up. Output 1 says which elements were kept.
    pub struct Dropout("", "Dropout", 22) inputs(1, 3) outputs(1, 2) flags(TRAINING)
    read(Self::read) {
        /// Seed; that of the run without it.
        seed: Option<i64> = None,
    }
}

impl Dropout {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        if cx.opset() >= 12 {
            return cx.emit_same(Self { seed: cx.attribute("seed")? });
        }
        // The ratio was an attribute and matters in training only, and training was never on from opset 7 on. Before, it was
        // on unless `is_test` was set; runtimes ignore that, since models are exported for inference.
        let x = cx.require(0)?;
        let n = cx.n_outputs();
        let mut inputs = vec![Some(x)];
        if let Some(ratio) = cx.attribute::<f32>("ratio")? {
            inputs.push(Some(cx.constant(Tensor::scalar(ratio))));
        }
        let mut values = cx.emit(Self { seed: None }, inputs, n)?;
        // Before opset 10 the mask had the type of the data.
        if let (true, Some(mask), Some(dtype)) = (cx.opset() < 10, values.get_mut(1), cx.ty(x).dtype()) {
            *mask = cx.emit_one(Cast::to(dtype), &[*mask])?;
        }
        Ok(values)
    }
}

impl Op for Dropout {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        cx.set_tensor(0, dtype, cx.shape(0).cloned());
        cx.set_tensor(1, Some(DataType::Bool), cx.shape(0).cloned());
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        bounded_len(cx, DataType::F64, x.shape())?;
        let training = match cx.optional_tensor(2)? {
            Some(flag) => flag.item::<bool>()?,
            None => false,
        };
        let ratio = match cx.optional_tensor(1)?.map(Tensor::to_f64s).transpose()?.as_deref() {
            None => 0.5,
            Some([ratio]) if (0.0..1.0).contains(ratio) || !training => *ratio,
            Some(other) => return Err(OpError::value(format!("expected one ratio in 0..1, got {other:?}"))),
        };
        if !training || ratio == 0.0 {
            cx.set(0, x.clone());
            cx.set(1, Tensor::from_vec(x.shape(), vec![true; x.len()])?);
            return Ok(());
        }
        let Wide::F(mut values) = x.widen() else {
            return Err(OpError::input_type(0, "a floating-point type", x.dtype()));
        };
        let seed = self.seed.map_or(cx.environment().seed(), i64::cast_unsigned);
        let mut generator = Generator::from_seed(seed);
        let kept: Vec<bool> = values.iter().map(|_| generator.uniform() >= ratio).collect();
        for (value, kept) in values.iter_mut().zip(&kept) {
            *value = if *kept { *value / (1.0 - ratio) } else { 0.0 };
        }
        cx.set(0, Tensor::narrow(x.dtype(), x.shape(), Wide::F(values))?);
        cx.set(1, Tensor::from_vec(x.shape(), kept)?);
        Ok(())
    }

    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        // What training drops depends on the place.
        (!has_input(io, 2)).then(|| Permuted::unary(io, None, order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};
    use lehr_graph::Datum;

    #[test]
    fn passes_through_or_drops_about_the_ratio() {
        let x = f32s(&[1000], &[1.0; 1000]);
        let mask = Tensor::vector(vec![true; 1000]);
        Case::new(Dropout { seed: None }).input(x.clone()).expect_all(vec![x.clone().into(), mask.into()]);
        let training = Case::new(Dropout { seed: Some(1) })
            .input(x.clone())
            .input(Tensor::scalar(0.25f32))
            .input(Tensor::scalar(true));
        let outputs = training.run(2).unwrap();
        let Some(Some(Datum::Tensor(y))) = outputs[0].1.first() else { panic!("no output") };
        let kept = y.to_f64s().unwrap().iter().filter(|v| **v > 1.3).count();
        assert!((700..800).contains(&kept), "{kept} of 1000 were kept");
        Case::new(Dropout { seed: Some(1) })
            .input(x)
            .input(Tensor::scalar(1.0f32))
            .input(Tensor::scalar(true))
            .expect_error("ratio");
    }
}
