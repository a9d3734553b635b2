//! `Col2Im`: <https://onnx.ai/onnx/operators/onnx__Col2Im.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::{Tensor, Wide, row_major_strides};

use crate::movement::{check_size, count};

declare_op! {
    /// Adds up the columns of input 0 `[N, C·block, L]` as overlapping blocks (of the shape in input 2) of an image (of
    /// the shape in input 1): `[N, C, image…]`.
    pub struct Col2Im("", "Col2Im", 18) inputs(3, 3) outputs(1, 1) flags() {
        /// Distance of elements in a block, per axis; 1 by default.
        dilations: Option<Vec<i64>> = None,
        /// Padding before all axes, then behind all axes; 0 by default.
        pads: Option<Vec<i64>> = None,
        /// Distance of blocks, per axis; 1 by default.
        strides: Option<Vec<i64>> = None,
    }
}

impl Op for Col2Im {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let image = cx.known(1).and_then(|v| v.to_shape());
        let block = cx.known(2).and_then(|v| v.to_shape()).map(|s| s.numel());
        let shape = image.map(|image| {
            let input = |axis: usize| cx.shape(0).and_then(|s| s.get(axis).cloned()).unwrap_or(Dim::Unknown);
            let channels = block.map_or(Dim::Unknown, |block| input(1).div_exact(&block));
            [input(0), channels].into_iter().chain(image).collect::<Shape>()
        });
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let &[n, rows, length] = x.shape() else {
            return Err(OpError::shape(format!("expected 3 axes, got {:?}", x.shape())));
        };
        let geometry = Geometry::new(self, &cx.ints(1)?, &cx.ints(2)?)?;
        let block = count(&geometry.block);
        if block == 0 || rows % block != 0 || length != count(&geometry.steps) {
            return Err(OpError::shape(format!(
                "expected a multiple of {block} rows and {} columns, got {rows} and {length}",
                count(&geometry.steps)
            )));
        }
        let channels = rows / block;
        let shape: Vec<usize> = [n, channels].into_iter().chain(geometry.image.iter().copied()).collect();
        let len = check_size(cx.environment(), x.dtype(), &shape)?;
        let Wide::F(values) = x.widen() else {
            let values = x.to_f64s()?;
            let sums = geometry.add_up(&values, len, n * channels);
            let y = Tensor::vector(sums).cast(x.dtype(), Default::default())?.reshape(&shape)?;
            cx.set(0, y);
            return Ok(());
        };
        let y = Tensor::narrow(x.dtype(), &shape, Wide::F(geometry.add_up(&values, len, n * channels)))?;
        cx.set(0, y);
        Ok(())
    }
}

struct Geometry {
    image: Vec<usize>,
    block: Vec<usize>,
    dilations: Vec<usize>,
    strides: Vec<usize>,
    before: Vec<usize>,
    /// How many blocks lie along each axis.
    steps: Vec<usize>,
}

impl Geometry {
    fn new(op: &Col2Im, image: &[i64], block: &[i64]) -> Result<Self, OpError> {
        let rank = image.len();
        let sizes = |name: &str, values: &[i64], least: i64, len: usize| -> Result<Vec<usize>, OpError> {
            let ok = values.len() == len && values.iter().all(|&v| v >= least && v < 1 << 40);
            if !ok {
                return Err(OpError::value(format!(
                    "{name} is {values:?}, expected {len} numbers from {least}"
                )));
            }
            Ok(values.iter().map(|&v| usize::try_from(v).unwrap_or(0)).collect())
        };
        let given = |name: &str, values: &Option<Vec<i64>>, default: i64, len: usize| match values {
            Some(values) => sizes(name, values, default, len),
            None => sizes(name, &vec![default; len], default, len),
        };
        let (image, block) =
            (sizes("the image shape", image, 0, rank)?, sizes("the block shape", block, 1, rank)?);
        let dilations = given("dilations", &op.dilations, 1, rank)?;
        let strides = given("strides", &op.strides, 1, rank)?;
        let pads = given("pads", &op.pads, 0, 2 * rank)?;
        let steps = (0..rank)
            .map(|axis| {
                let padded = image[axis] + pads[axis] + pads[axis + rank];
                let reach = dilations[axis].saturating_mul(block[axis] - 1).saturating_add(1);
                padded.checked_sub(reach).map_or(0, |rest| rest / strides[axis] + 1)
            })
            .collect();
        Ok(Self { image, block, dilations, strides, before: pads[..rank].to_vec(), steps })
    }

    fn add_up(&self, columns: &[f64], len: usize, planes: usize) -> Vec<f64> {
        let mut out = vec![0.0; len];
        let (block, steps, size) = (count(&self.block), count(&self.steps), count(&self.image));
        let image_strides = row_major_strides(&self.image);
        for plane in 0..planes {
            for element in 0..block {
                for step in 0..steps {
                    if let Some(at) = self.place(element, step, &image_strides) {
                        out[plane * size + at] += columns[(plane * block + element) * steps + step];
                    }
                }
            }
        }
        out
    }

    /// Where an element of a block lies in the image; `None` in the padding.
    fn place(&self, mut element: usize, mut step: usize, image_strides: &[usize]) -> Option<usize> {
        let mut at = 0;
        for axis in (0..self.image.len()).rev() {
            let (e, s) = (element % self.block[axis], step % self.steps[axis]);
            (element, step) = (element / self.block[axis], step / self.steps[axis]);
            let index = (s * self.strides[axis] + e * self.dilations[axis]).checked_sub(self.before[axis])?;
            if index >= self.image[axis] {
                return None;
            }
            at += index * image_strides[axis];
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn overlapping_blocks_add_up() {
        Case::new(Col2Im { dilations: None, pads: None, strides: None })
            .input(f32s(&[1, 2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
            .constant(i64s(&[2], &[1, 4]))
            .constant(i64s(&[2], &[1, 2]))
            .expect(f32s(&[1, 1, 1, 4], &[1.0, 6.0, 8.0, 6.0]));
    }
}
