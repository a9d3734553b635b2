//! `MatMulNBits`: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits>

use lehr_graph::{Builder, Cost, Dim, EvalCx, InferCx, Op, OpError, Signature, declare_op};
use lehr_tensor::{DataType, Tensor, Wide};

use super::normalized::cast;
use crate::add::Add;
use crate::heads::floats;
use crate::matmul::MatMul;
use crate::matrix_product::{ProductShape, product};
use crate::transpose::Transpose;

declare_op! {
    /// `A·Wᵀ + bias` with weights W of N × K that are stored in blocks of few bits: `(q − zero)·scale`.
    ///
    /// Inputs: A, the bits (`u8`, N × blocks × bytes of a block, low bits first), scales (N × blocks), zero points
    /// (N × blocks numbers, or packed bits row by row; 2^(bits − 1) by default), block of each k, bias (N). Bits without
    /// elements stand for an absent projection: the result is the bias.
    #[allow(non_snake_case, reason = "the attribute names of the specification")]
    pub struct MatMulNBits("com.microsoft", "MatMulNBits", 1) inputs(3, 6) outputs(1, 1) flags() {
        /// Features of the input.
        K: i64,
        /// Features of the output.
        N: i64,
        /// A hint for the precision of A.
        accuracy_level: i64 = 0,
        /// Bits of a weight: 2, 4 or 8.
        bits: i64 = 4,
        /// Weights of a row that share a scale.
        block_size: i64,
        /// A layout of another device (not handled).
        weight_prepacked: i64 = 0,
    }
}

/// The checked attributes.
#[derive(Clone, Copy, Debug)]
struct Layout {
    k: usize,
    n: usize,
    bits: usize,
    block: usize,
    blocks: usize,
}

impl MatMulNBits {
    fn layout(&self) -> Result<Layout, OpError> {
        if self.weight_prepacked != 0 {
            return Err(OpError::Unsupported("weights packed for another device".into()));
        }
        let size = |name: &str, value: i64| match usize::try_from(value) {
            Ok(size) if size > 0 => Ok(size),
            _ => Err(OpError::attribute(name, format!("expected a positive size, got {value}"))),
        };
        let (k, n, block) = (size("K", self.K)?, size("N", self.N)?, size("block_size", self.block_size)?);
        if !matches!(self.bits, 2 | 4 | 8) {
            return Err(OpError::attribute("bits", format!("expected 2, 4 or 8, got {}", self.bits)));
        }
        if !block.is_power_of_two() || block < 16 {
            return Err(OpError::attribute(
                "block_size",
                format!("expected a power of 2 from 16 on, got {block}"),
            ));
        }
        Ok(Layout { k, n, bits: size("bits", self.bits)?, block, blocks: k.div_ceil(block) })
    }
}

impl Layout {
    /// Number `at` of a run of packed numbers.
    fn unpack(&self, bytes: &[u8], at: usize) -> u8 {
        let per_byte = 8 / self.bits;
        let byte = bytes.get(at / per_byte).copied().unwrap_or(0);
        // All bits of a byte when a number fills it.
        let mask = (0xffu16 >> (8 - self.bits)) as u8;
        byte >> (at % per_byte * self.bits) & mask
    }

    fn expected(&self, index: usize, got: usize, expected: usize) -> Result<(), OpError> {
        if got == expected {
            return Ok(());
        }
        Err(OpError::shape(format!("input {index}: expected {expected} elements, got {got}")))
    }

    /// One zero point per row and block.
    fn zero_points(&self, tensor: Option<&Tensor>) -> Result<Vec<f64>, OpError> {
        let count = self.n.saturating_mul(self.blocks);
        let Some(tensor) = tensor else { return Ok(vec![f64::from(1u8 << (self.bits - 1)); count]) };
        if tensor.dtype().is_float() {
            self.expected(3, tensor.len(), count)?;
            return floats(tensor, 3);
        }
        let row = (self.blocks * self.bits).div_ceil(8);
        self.expected(3, tensor.len(), self.n.saturating_mul(row))?;
        let bytes = tensor.as_slice::<u8>()?;
        let row_of = |n: usize| &bytes[n * row..(n + 1) * row];
        Ok((0..self.n)
            .flat_map(|n| (0..self.blocks).map(move |b| f64::from(self.unpack(row_of(n), b))))
            .collect())
    }

    /// The weights, K × N.
    fn weights(
        &self,
        bits: &Tensor,
        scales: &Tensor,
        zeros: Option<&Tensor>,
        groups: Option<Vec<i64>>,
    ) -> Result<Vec<f64>, OpError> {
        let bytes_of_block = self.block * self.bits / 8;
        let row = self.blocks.saturating_mul(bytes_of_block);
        self.expected(1, bits.len(), self.n.saturating_mul(row))?;
        self.expected(2, scales.len(), self.n.saturating_mul(self.blocks))?;
        let (bytes, scales, zeros) = (bits.as_slice::<u8>()?, floats(scales, 2)?, self.zero_points(zeros)?);
        let group = |k: usize| match &groups {
            // The list may be padded to whole blocks.
            Some(groups) => match groups.get(k).map(|&g| usize::try_from(g)) {
                Some(Ok(group)) if group < self.blocks => Ok(group),
                _ => Err(OpError::value(format!("input 4: no block below {} for row {k}", self.blocks))),
            },
            None => Ok(k / self.block),
        };
        let mut out = vec![0.0; self.k.saturating_mul(self.n)];
        for k in 0..self.k {
            let group = group(k)?;
            for n in 0..self.n {
                let q = self.unpack(&bytes[n * row..(n + 1) * row], k);
                let at = n * self.blocks + group;
                out[k * self.n + n] = (f64::from(q) - zeros[at]) * scales[at];
            }
        }
        Ok(out)
    }
}

impl Op for MatMulNBits {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let layout = self.layout()?;
        let dtype = cx.dtype(0)?;
        let mut shape = cx.shape(0).cloned();
        if let Some(last) = shape.as_mut().and_then(|s| s.dims_mut().last_mut()) {
            if last.equal(&Dim::Fixed(layout.k as u64)) == Some(false) {
                return Err(OpError::shape(format!("input 0: expected {} features, got {last}", layout.k)));
            }
            *last = Dim::Fixed(layout.n as u64);
        }
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let layout = self.layout()?;
        let a = cx.tensor(0)?;
        let shape = ProductShape::new(a.shape(), &[layout.k, layout.n])?;
        crate::window_function::check_bytes(cx, &[layout.k, layout.n], DataType::F64)?;
        crate::window_function::check_bytes(cx, &shape.output, a.dtype())?;
        let bits = cx.tensor(1)?;
        let mut y = if bits.is_empty() {
            vec![0.0; lehr_tensor::checked_len(&shape.output)?]
        } else {
            let groups = cx.optional_ints(4)?;
            let w = layout.weights(bits, cx.tensor(2)?, cx.optional_tensor(3)?, groups)?;
            product(&shape, &floats(a, 0)?, &w, |c: f64, a, b| c + a * b)
        };
        if let Some(bias) = cx.optional_tensor(5)? {
            layout.expected(5, bias.len(), layout.n)?;
            let bias = floats(bias, 5)?;
            y.chunks_mut(layout.n).for_each(|row| row.iter_mut().zip(&bias).for_each(|(y, b)| *y += b));
        }
        cx.set(0, Tensor::narrow(a.dtype(), &shape.output, Wide::F(y))?);
        Ok(())
    }

    /// With constant weights: their codes in a tensor of few bits, dequantised block by block.
    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let layout = self.layout()?;
        let (a, bits, scales) = (builder.require(0)?, builder.require(1)?, builder.require(2)?);
        let Some(bits) = builder.constant_of(bits).filter(|b| !b.is_empty()).cloned() else {
            return Ok(false);
        };
        let narrow = match layout.bits {
            2 => DataType::U2,
            4 => DataType::U4,
            _ => DataType::U8,
        };
        let zeros = match builder.input(3) {
            None => layout.zero_points(None)?,
            Some(zeros) => match builder.constant_of(zeros) {
                // Zero points that are no whole numbers have no such form.
                Some(zeros) if !zeros.dtype().is_float() => layout.zero_points(Some(zeros))?,
                _ => return Ok(false),
            },
        };
        if builder.input(4).is_some() {
            return Ok(false);
        }
        let row = layout.blocks * layout.block * layout.bits / 8;
        layout.expected(1, bits.len(), layout.n.saturating_mul(row))?;
        let bytes = bits.as_slice::<u8>()?;
        let codes: Vec<u8> = (0..layout.n)
            .flat_map(|n| {
                let own = &bytes[n * row..(n + 1) * row];
                (0..layout.k).map(move |k| layout.unpack(own, k))
            })
            .collect();
        let codes = builder.constant(Tensor::from_codes(narrow, &[layout.n, layout.k], &codes)?);
        let zeros: Vec<u8> = zeros.into_iter().map(|z| z as u8).collect();
        let grid = [layout.n, layout.blocks];
        let zeros = builder.constant(Tensor::from_codes(narrow, &grid, &zeros)?);
        let grid = builder.vector(&grid.map(|d| d as i64));
        let scales = builder.call(crate::reshape::Reshape { allowzero: false }, &[scales, grid])?;
        let op = crate::dequantize_linear::DequantizeLinear {
            axis: 1,
            block_size: self.block_size,
            output_dtype: None,
        };
        let w = builder.call(op, &[codes, scales, zeros])?;
        let w = builder.call(Transpose { perm: Some(vec![1, 0]) }, &[w])?;
        let dtype = builder.dtype(a)?;
        let w = cast(builder, w, dtype)?;
        let mut y = builder.call(MatMul {}, &[a, w])?;
        if let Some(bias) = builder.input(5) {
            y = builder.call(Add {}, &[y, bias])?;
        }
        builder.output(0, y);
        Ok(true)
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        let elements = io.output_shape(0).map_or(Dim::Unknown, lehr_graph::Shape::numel);
        Cost::of_macs(io, elements.mul(&u64::try_from(self.K).map_or(Dim::Unknown, Dim::Fixed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    fn case(bits: usize) -> Case {
        let a: Vec<f32> = (0..32).map(|i| ((i * 7) % 5 - 2) as f32).collect();
        let bytes: Vec<u8> = (0..8 * bits).map(|i| ((i * 37 + 11) % 256) as u8).collect();
        let op = MatMulNBits {
            K: 32,
            N: 2,
            accuracy_level: 0,
            bits: bits as i64,
            block_size: 16,
            weight_prepacked: 0,
        };
        Case::new(op)
            .tolerance(1e-5, 2e-5)
            .input(f32s(&[1, 32], &a))
            .constant(Tensor::from_vec(&[2, 2, 2 * bits], bytes).unwrap())
            .constant(f32s(&[2, 2], &[0.1, 0.2, 0.3, 0.4]))
    }

    // Numbers of ONNX Runtime.
    #[test]
    fn bits_and_zero_points() {
        let rows = [
            (2, [1.5, 0.0], [1.7, -1.2], [1.3, 0.6]),
            (4, [-5.6, -4.5], [-5.8, -2.1], [-7.0, -7.5]),
            (8, [-15.1, 200.1], [-39.3, 191.1], [0.0; 2]),
        ];
        for (bits, plain, packed, real) in rows {
            case(bits).expect(f32s(&[1, 2], &plain));
            let row = (2 * bits).div_ceil(8);
            let zeros: Vec<u8> = (0..2 * row).map(|i| ((i * 53 + 7) % 256) as u8).collect();
            let zeros = Tensor::from_vec(&[2, row], zeros).unwrap();
            case(bits).constant(zeros).expect(f32s(&[1, 2], &packed));
            if bits < 8 {
                case(bits).constant(f32s(&[2, 2], &[1.0, 2.0, 3.0, 0.5])).expect(f32s(&[1, 2], &real));
            }
            let biased = [plain[0] + 1.0, plain[1] - 1.0];
            case(bits).absent().absent().input(f32s(&[2], &[1.0, -1.0])).expect(f32s(&[1, 2], &biased));
        }
    }
}
