//! `MaxRoiPool`: <https://onnx.ai/onnx/operators/onnx__MaxRoiPool.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, declare_op};

use crate::operand::{bounded_len, floats, rounded};
use crate::window::{image_shape, kernel_sizes};

declare_op! {
    /// Largest element in each cell of a grid over each region of interest, a row `[image, x1, y1, x2, y2]` of input 1.
    pub struct MaxRoiPool("", "MaxRoiPool", 22) inputs(2, 2) outputs(1, 1) flags() {
        /// Height and width of the grid.
        pooled_shape: Vec<i64>,
        /// From coordinates of the regions to those of x.
        spatial_scale: f32 = 1.0,
    }
}

impl MaxRoiPool {
    fn grid(&self) -> Result<[usize; 2], OpError> {
        match kernel_sizes(&self.pooled_shape)?[..] {
            [h, w] => Ok([h, w]),
            _ => Err(OpError::attribute(
                "pooled_shape",
                format!("expected 2 sizes, got {:?}", self.pooled_shape),
            )),
        }
    }
}

impl Op for MaxRoiPool {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let grid = self.grid()?;
        let channels = match cx.shape(0) {
            Some(shape) if shape.rank() != 4 => {
                return Err(OpError::shape(format!("input 0: expected rank 4, got {shape}")));
            }
            Some(shape) => shape.dims()[1].clone(),
            None => Dim::Unknown,
        };
        let regions = match cx.shape(1) {
            Some(shape) if shape.rank() != 2 || shape.dims()[1].equal(&Dim::Fixed(5)) == Some(false) => {
                return Err(OpError::shape(format!("input 1: expected shape [n, 5], got {shape}")));
            }
            Some(shape) => shape.dims()[0].clone(),
            None => Dim::Unknown,
        };
        cx.set_tensor(0, dtype, Some(image_shape(&regions, channels, grid.map(Dim::from).to_vec())));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let [grid_h, grid_w] = self.grid()?;
        let &[images, channels, height, width] = x.shape() else {
            return Err(OpError::shape(format!("input 0: expected rank 4, got {:?}", x.shape())));
        };
        let &[regions, 5] = cx.tensor(1)?.shape() else {
            return Err(OpError::shape(format!(
                "input 1: expected shape [n, 5], got {:?}",
                cx.tensor(1)?.shape()
            )));
        };
        let shape = [regions, channels, grid_h, grid_w];
        let mut y = Vec::with_capacity(bounded_len(cx, x.dtype(), &shape)?);
        let values = floats(cx, 0)?;
        let scale = f64::from(self.spatial_scale);
        for region in floats(cx, 1)?.chunks_exact(5) {
            let image = crate::roi_align::image_index(region[0], images)?;
            let [x1, y1, x2, y2] = [1, 2, 3, 4].map(|i| (region[i] * scale).round());
            let rows = cells(y1, y2, grid_h, height);
            let cols = cells(x1, x2, grid_w, width);
            for c in 0..channels {
                let plane = &values[(image * channels + c) * height * width..][..height * width];
                for &(top, bottom) in &rows {
                    for &(left, right) in &cols {
                        let inside =
                            (top..bottom).flat_map(|r| plane[r * width..][left..right].iter().copied());
                        let largest = inside.reduce(|a, b| if b > a || b.is_nan() { b } else { a });
                        y.push(largest.unwrap_or(0.0));
                    }
                }
            }
        }
        let y = rounded(x.dtype(), &shape, y)?;
        cx.set(0, y);
        Ok(())
    }
}

/// The stretches of the cells from `first` to `last` inside `0..size`.
fn cells(first: f64, last: f64, count: usize, size: usize) -> Vec<(usize, usize)> {
    let each = (last - first + 1.0).max(1.0) / count as f64;
    let inside = |v: f64| (v + first).clamp(0.0, size as f64) as usize;
    let cell = |i: usize| {
        let start = inside((i as f64 * each).floor());
        (start, inside(((i + 1) as f64 * each).ceil()).max(start))
    };
    (0..count).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn grids_over_regions() {
        let x = f32s(&[1, 1, 6, 6], &(0..36).map(|i| i as f32).collect::<Vec<_>>());
        let regions = f32s(&[2, 5], &[0., 0., 0., 3.5, 4.2, 0., 1.3, 2.1, 7.7, 5.9]);
        let y = [7., 8., 9., 19., 20., 21., 20., 22., 23., 26., 28., 29.];
        Case::new(MaxRoiPool { pooled_shape: vec![2, 3], spatial_scale: 0.75 })
            .input(x)
            .input(regions)
            .expect(f32s(&[2, 1, 2, 3], &y));
    }
}
