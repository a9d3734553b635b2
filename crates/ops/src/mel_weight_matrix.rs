//! `MelWeightMatrix`: <https://onnx.ai/onnx/operators/onnx__MelWeightMatrix.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};
use lehr_tensor::{CastOptions, DataType, Tensor};

use crate::window_function::{check_bytes, scalar_size};

declare_op! {
    /// Triangles of height 1 that gather the bins of a spectrum into bands of equal width on the scale
    /// `mel(f) = 2595·log₁₀(1 + f/700)`: a matrix of `dft_length/2 + 1` bins × bands.
    ///
    /// Inputs: number of bands, DFT length, sample rate, lowest and highest frequency. The edges of the triangles are
    /// `bands + 2` points from the lowest frequency on, a `(highest − lowest)/(bands + 2)` apart in mel, each rounded
    /// down to a bin.
    pub struct MelWeightMatrix("", "MelWeightMatrix", 17) inputs(5, 5) outputs(1, 1) flags() {
        /// Type of the output.
        output_datatype: DataType = DataType::F32,
    }
}

impl Op for MelWeightMatrix {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let known = |index| cx.known(index).and_then(|v| v.sole().map(|n| n.to_dim()));
        let bands = known(0).unwrap_or(Dim::Unknown);
        let bins = known(1).map_or(Dim::Unknown, |n| n.floor_div(&Dim::Fixed(2)).add(&Dim::Fixed(1)));
        cx.set_tensor(0, Some(self.output_datatype), Some([bins, bands].into_iter().collect()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (bands, length, rate) = (scalar_size(cx, 0)?, scalar_size(cx, 1)?, scalar_size(cx, 2)?);
        let (low, high) = (frequency(cx, 3)?, frequency(cx, 4)?);
        let bins = length / 2 + 1;
        check_bytes(cx, &[bins, bands], self.output_datatype)?;
        let edges = edges(bands, length, rate, low, high);
        if let Some(edge) = edges.iter().find(|e| !(0.0..bins as f64).contains(*e)) {
            return Err(OpError::value(format!("frequencies reach bin {edge}, outside the {bins} bins")));
        }
        let mut out = vec![0.0; bins * bands];
        for (band, edge) in edges.windows(3).enumerate() {
            // Checked above to be whole numbers in range.
            let [left, center, right] = [edge[0] as usize, edge[1] as usize, edge[2] as usize];
            if left == center {
                out[center * bands + band] = 1.0;
            }
            for bin in left..=center {
                if left < center {
                    out[bin * bands + band] = (bin - left) as f64 / (center - left) as f64;
                }
            }
            for bin in center..right {
                out[bin * bands + band] = (right - bin) as f64 / (right - center) as f64;
            }
        }
        let y = Tensor::from_vec(&[bins, bands], out)?.cast(self.output_datatype, CastOptions::default())?;
        cx.set(0, y);
        Ok(())
    }
}

/// The bins of the `bands + 2` edges.
fn edges(bands: usize, length: usize, rate: usize, low: f64, high: f64) -> Vec<f64> {
    let mel = |f: f64| 2595.0 * (1.0 + f / 700.0).log10();
    let hertz = |m: f64| 700.0 * (10f64.powf(m / 2595.0) - 1.0);
    let step = (mel(high) - mel(low)) / (bands as f64 + 2.0);
    let bin = |i: usize| ((length as f64 + 1.0) * hertz(mel(low) + i as f64 * step) / rate as f64).floor();
    (0..bands + 2).map(bin).collect()
}

fn frequency(cx: &EvalCx<'_>, index: usize) -> Result<f64, OpError> {
    match cx.tensor(index)?.to_f64s()?[..] {
        [f] => Ok(f),
        ref other => Err(OpError::shape(format!("input {index}: expected one number, got {}", other.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn triangles_on_the_mel_scale() {
        // Edges at bins 0, 1, 2, 3: numbers of the ONNX reference.
        Case::new(MelWeightMatrix { output_datatype: DataType::F32 })
            .constant(Tensor::scalar(2i64))
            .constant(Tensor::scalar(8i64))
            .input(Tensor::scalar(16i64))
            .input(Tensor::scalar(0f32))
            .input(Tensor::scalar(8f32))
            .expect(f32s(&[5, 2], &[0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]));
    }
}
