//! `RoiAlign`: <https://onnx.ai/onnx/operators/onnx__RoiAlign.html>

use lehr_graph::{
    Attribute, Dim, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, WriteCx, attribute_enum, declare_op,
};

use crate::operand::{bounded_len, check_shape, floats, rounded};
use crate::window::image_shape;

attribute_enum! {
    /// How the samples of a cell become one value.
    pub enum RoiMode {
        /// Mean.
        Average = "avg",
        /// Largest weighted neighbour.
        Maximum = "max",
    }
}

attribute_enum! {
    /// Where the centres of elements lie.
    pub enum RoiCoordinates {
        /// Half an element from the corner.
        HalfPixel = "half_pixel",
        /// On the corner; regions are at least one element large.
        OutputHalfPixel = "output_half_pixel",
    }
}

declare_op! {
    /// Samples a grid over each region of interest `[x1, y1, x2, y2]` (input 1) of the image that input 2 names, linear
    /// between elements.
    pub struct RoiAlign("", "RoiAlign", 22) inputs(3, 3) outputs(1, 1) flags() read(Self::read) {
        /// Where the centres of elements lie.
        coordinate_transformation_mode: RoiCoordinates = RoiCoordinates::HalfPixel,
        /// How samples are combined.
        mode: RoiMode = RoiMode::Average,
        /// Height of the grid.
        output_height: i64 = 1,
        /// Width of the grid.
        output_width: i64 = 1,
        /// Samples of a cell along each axis; as many as it has elements when 0.
        sampling_ratio: i64 = 0,
        /// From coordinates of the regions to those of x.
        spatial_scale: f32 = 1.0,
    }
}

/// Most samples of one cell, so that a region of absurd size does not stop the evaluation.
const MAX_SAMPLES: f64 = 1e7;

impl RoiAlign {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let mut op = Self::from_attributes(cx.attributes())?;
        if cx.opset() < 16 {
            op.coordinate_transformation_mode = RoiCoordinates::OutputHalfPixel;
        }
        cx.emit_same(op)
    }

    fn grid(&self) -> Result<[usize; 2], OpError> {
        let size = |name: &str, value: i64| {
            usize::try_from(value)
                .ok()
                .filter(|&v| v > 0)
                .ok_or_else(|| OpError::attribute(name, format!("expected at least 1, got {value}")))
        };
        Ok([size("output_height", self.output_height)?, size("output_width", self.output_width)?])
    }
}

/// The image that a region names.
pub(crate) fn image_index(number: f64, images: usize) -> Result<usize, OpError> {
    if number >= 0.0 && number < images as f64 {
        return Ok(number as usize);
    }
    Err(OpError::value(format!("a region of image {number}: expected 0 to {}", images.saturating_sub(1))))
}

impl Op for RoiAlign {
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
        let regions = match (cx.shape(1), cx.shape(2)) {
            (Some(shape), _) if shape.rank() != 2 || shape.dims()[1].equal(&Dim::Fixed(4)) == Some(false) => {
                return Err(OpError::shape(format!("input 1: expected shape [n, 4], got {shape}")));
            }
            (_, Some(shape)) if shape.rank() != 1 => {
                return Err(OpError::shape(format!("input 2: expected rank 1, got {shape}")));
            }
            (Some(shape), _) | (None, Some(shape)) => shape.dims()[0].clone(),
            (None, None) => Dim::Unknown,
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
        let &[regions, 4] = cx.tensor(1)?.shape() else {
            return Err(OpError::shape(format!(
                "input 1: expected shape [n, 4], got {:?}",
                cx.tensor(1)?.shape()
            )));
        };
        check_shape(2, cx.tensor(2)?, &[regions])?;
        let shape = [regions, channels, grid_h, grid_w];
        let mut y = Vec::with_capacity(bounded_len(cx, x.dtype(), &shape)?);
        let values = floats(cx, 0)?;
        for (region, image) in floats(cx, 1)?.chunks_exact(4).zip(cx.ints(2)?) {
            let image = image_index(image as f64, images)?;
            let [x1, y1, x2, y2] = [region[0], region[1], region[2], region[3]];
            let rows = self.samples(y1, y2, grid_h)?;
            let cols = self.samples(x1, x2, grid_w)?;
            if rows.len() as f64 / grid_h as f64 * cols.len() as f64 / grid_w as f64 > MAX_SAMPLES {
                return Err(OpError::value(format!("region {region:?} asks for too many samples")));
            }
            let (per_row, per_col) = (rows.len() / grid_h, cols.len() / grid_w);
            for c in 0..channels {
                let plane = &values[(image * channels + c) * height * width..][..height * width];
                for cell in 0..grid_h * grid_w {
                    let ys = &rows[cell / grid_w * per_row..][..per_row];
                    let xs = &cols[cell % grid_w * per_col..][..per_col];
                    y.push(self.cell(plane, height, width, ys, xs));
                }
            }
        }
        let y = rounded(x.dtype(), &shape, y)?;
        cx.set(0, y);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() >= 16 {
            return Ok(());
        }
        match cx.attributes_mut().remove("coordinate_transformation_mode") {
            Some(Attribute::String(mode)) if mode != "output_half_pixel" => Err(OpError::Unsupported(
                format!("before opset 16 regions are 'output_half_pixel', got '{mode}'"),
            )),
            _ => Ok(()),
        }
    }
}

impl RoiAlign {
    /// Coordinates of the samples along one axis, those of one cell after the other.
    fn samples(&self, first: f64, last: f64, cells: usize) -> Result<Vec<f64>, OpError> {
        let scale = f64::from(self.spatial_scale);
        let half_pixel = self.coordinate_transformation_mode == RoiCoordinates::HalfPixel;
        let offset = if half_pixel { 0.5 } else { 0.0 };
        let start = first * scale - offset;
        let mut size = last * scale - offset - start;
        if !half_pixel {
            size = size.max(1.0);
        }
        let cell = size / cells as f64;
        // Single precision decides how many samples there are, as in the reference.
        let wanted = if self.sampling_ratio > 0 {
            self.sampling_ratio as f64
        } else {
            f64::from((cell as f32).ceil())
        };
        if wanted.is_nan() || wanted * cells as f64 > MAX_SAMPLES {
            return Err(OpError::value(format!(
                "a region from {first} to {last} asks for {wanted} samples per cell"
            )));
        }
        let count = wanted.max(0.0) as usize;
        let sample = |i: usize| {
            let (at, part) = (i / count, i % count);
            start + at as f64 * cell + (part as f64 + 0.5) * cell / count as f64
        };
        Ok((0..cells * count).map(sample).collect())
    }

    fn cell(&self, plane: &[f64], height: usize, width: usize, ys: &[f64], xs: &[f64]) -> f64 {
        let count = ys.len() * xs.len();
        if count == 0 || plane.is_empty() {
            return 0.0;
        }
        let samples = ys.iter().flat_map(|&y| xs.iter().map(move |&x| (y, x)));
        let corners = samples.map(|(y, x)| match (between(y, height), between(x, width)) {
            (Some(y), Some(x)) => weighted(plane, width, y, x),
            _ => [0.0; 4],
        });
        match self.mode {
            RoiMode::Average => corners.map(|c| c.iter().sum::<f64>()).sum::<f64>() / count as f64,
            RoiMode::Maximum => corners.flatten().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// The two elements around a coordinate and the share of the second; `None` far outside.
fn between(at: f64, size: usize) -> Option<(usize, usize, f64)> {
    if !(-1.0..=size as f64).contains(&at) {
        return None;
    }
    let at = at.max(0.0);
    let low = at as usize;
    if low + 1 >= size { Some((size - 1, size - 1, 0.0)) } else { Some((low, low + 1, at - low as f64)) }
}

/// The four elements around a sample times their weights.
fn weighted(plane: &[f64], width: usize, y: (usize, usize, f64), x: (usize, usize, f64)) -> [f64; 4] {
    let at = |row: usize, col: usize| plane[row * width + col];
    let (v, u) = (y.2, x.2);
    [
        (1.0 - v) * (1.0 - u) * at(y.0, x.0),
        (1.0 - v) * u * at(y.0, x.1),
        v * (1.0 - u) * at(y.1, x.0),
        v * u * at(y.1, x.1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn grids_over_regions() {
        let op = RoiAlign {
            coordinate_transformation_mode: RoiCoordinates::HalfPixel,
            mode: RoiMode::Average,
            output_height: 2,
            output_width: 2,
            sampling_ratio: 0,
            spatial_scale: 0.75,
        };
        let corners =
            RoiAlign { coordinate_transformation_mode: RoiCoordinates::OutputHalfPixel, ..op.clone() };
        let largest = RoiAlign { mode: RoiMode::Maximum, sampling_ratio: 2, ..op.clone() };
        let x = f32s(&[1, 1, 6, 6], &(0..36).map(|i| i as f32).collect::<Vec<_>>());
        let case = |op: RoiAlign| {
            let regions = f32s(&[2, 4], &[0., 0., 3.5, 4.2, 1.3, 2.1, 7.7, 5.9]);
            Case::new(op).input(x.clone()).constant(regions).constant(i64s(&[2], &[0, 0]))
        };
        let case = |op| case(op).tolerance(1e-5, 1e-5);
        case(op).expect(f32s(
            &[2, 1, 2, 2],
            &[2.285_937_5, 3.5125, 11.417_188, 12.643_75, 12.4, 14.8, 20.95, 23.35],
        ));
        case(corners).expect(f32s(
            &[2, 1, 2, 2],
            &[5.38125, 6.69375, 14.83125, 16.14375, 15.9, 18.175, 24.45, 26.725],
        ));
        case(largest).expect(f32s(
            &[2, 1, 2, 2],
            &[4.0875, 4.342_969, 8.925, 8.309_08, 10.296_43, 9.825_46, 15.048_64, 13.293_34],
        ));
    }
}
