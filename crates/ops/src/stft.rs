//! `STFT`: <https://onnx.ai/onnx/operators/onnx__STFT.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{Tensor, Wide};

use crate::fourier::transform;
use crate::heads::floats;
use crate::window_function::{check_bytes, scalar_size};

declare_op! {
    /// Fourier transforms of windows that slide over the signal: batch, frames, bins, parts.
    ///
    /// Inputs: signal (batch, length, 1 or 2 parts), step, window (ones by default), frame length (that of the window
    /// or of the signal by default). There are `(length − frame)/step + 1` frames.
    pub struct Stft("", "STFT", 17) inputs(2, 4) outputs(1, 1) flags() {
        /// Give only the first half and one of the bins.
        onesided: bool = true,
    }
}

impl Stft {
    fn infer_frame(&self, cx: &InferCx<'_>, length: &Dim) -> Dim {
        if let Some(known) = cx.known(3).and_then(|v| v.sole().map(|n| n.to_dim())) {
            return known;
        }
        if cx.has_input(2) {
            return cx.shape(2).and_then(|s| s.get(0)).cloned().unwrap_or(Dim::Unknown);
        }
        if cx.has_input(3) { Dim::Unknown } else { length.clone() }
    }
}

impl Op for Stft {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let Some(shape) = cx.shape(0) else {
            cx.set_tensor(0, dtype, Some(lehr_graph::Shape::unknown(4)));
            return Ok(());
        };
        let [batch, length, ..] = shape.dims() else {
            return Err(OpError::shape(format!("input 0: expected rank 3, got {shape}")));
        };
        let frame = self.infer_frame(cx, length);
        let one = Dim::Fixed(1);
        let frames = match cx.known(1).and_then(|v| v.sole().map(|n| n.to_dim())) {
            Some(step) => length.sub(&frame).floor_div(&step).add(&one),
            None => Dim::Unknown,
        };
        let bins = if self.onesided { frame.floor_div(&Dim::Fixed(2)).add(&one) } else { frame };
        let dims = [batch.clone(), frames, bins, Dim::Fixed(2)];
        cx.set_tensor(0, dtype, Some(dims.into_iter().collect()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let (batch, length, parts) = match *x.shape() {
            [batch, length] => (batch, length, 1),
            [batch, length, parts @ 1..=2] => (batch, length, parts),
            _ => {
                return Err(OpError::shape(format!(
                    "input 0: expected a signal of shape [batch, length, 1 or 2], got {:?}",
                    x.shape()
                )));
            }
        };
        let window = cx.optional_tensor(2)?.map(|w| floats(w, 2)).transpose()?;
        let frame = match (cx.optional_tensor(3)?, &window) {
            (Some(_), _) => scalar_size(cx, 3)?,
            (None, Some(window)) => window.len(),
            (None, None) => length,
        };
        if let Some(window) = window.as_ref().filter(|w| w.len() != frame) {
            return Err(OpError::shape(format!("expected a window of {frame} values, got {}", window.len())));
        }
        let step = scalar_size(cx, 1)?;
        if step == 0 {
            return Err(OpError::value("the step between frames needs to be positive, got 0"));
        }
        let frames = length.checked_sub(frame).map_or(0, |rest| rest / step + 1);
        let bins = if self.onesided { frame / 2 + 1 } else { frame };
        let shape = [batch, frames, bins, 2];
        check_bytes(cx, &shape, x.dtype())?;
        let data = floats(x, 0)?;
        let weight = |t: usize| window.as_ref().map_or(1.0, |w| w[t]);
        let mut out = Vec::with_capacity(lehr_tensor::checked_len(&shape)?);
        for b in 0..batch {
            for f in 0..frames {
                cx.environment().check()?;
                let part = |t: usize, p: usize| {
                    let at = (b * length + f * step + t) * parts;
                    if p < parts { data[at + p] * weight(t) } else { 0.0 }
                };
                let signal: Vec<_> = (0..frame).map(|t| [part(t, 0), part(t, 1)]).collect();
                let mut spectrum = transform(&signal, frame, false, bins);
                spectrum.resize(bins, [0.0; 2]);
                out.extend(spectrum.into_iter().flatten());
            }
        }
        cx.set(0, Tensor::narrow(x.dtype(), &shape, Wide::F(out))?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn slides_a_window() {
        Case::new(Stft { onesided: true })
            .tolerance(1e-6, 1e-6)
            .input(f32s(&[1, 5, 1], &[1.0, 2.0, 3.0, 4.0, 5.0]))
            .constant(Tensor::scalar(2i64))
            .input(f32s(&[2], &[1.0, 0.5]))
            .expect(f32s(&[1, 2, 2, 2], &[2.0, 0.0, 0.0, 0.0, 5.0, 0.0, 1.0, 0.0]));
    }
}
