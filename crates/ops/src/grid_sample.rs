//! `GridSample`: <https://onnx.ai/onnx/operators/onnx__GridSample.html>

use lehr_graph::{
    Attribute, Dim, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, Shape, WriteCx, attribute_enum,
    declare_op,
};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::movement::{Movement, check_size, count, move_elements};
use crate::resample::cubic;

attribute_enum! {
    /// How values between elements are made.
    pub enum SampleMode {
        /// Linear interpolation.
        Linear = "linear",
        /// The nearest element.
        Nearest = "nearest",
        /// Cubic interpolation.
        Cubic = "cubic",
    }
}

attribute_enum! {
    /// What stands outside of the input.
    pub enum SamplePadding {
        /// Zeros.
        Zeros = "zeros",
        /// The border elements.
        Border = "border",
        /// The input mirrored at its border.
        Reflection = "reflection",
    }
}

declare_op! {
    /// Samples input 0 `[N, C, D…]` at the positions in input 1 `[N, d…, r]`, whose last axis holds coordinates from
    /// -1 to 1, the one of the last input axis first.
    pub struct GridSample("", "GridSample", 22) inputs(2, 2) outputs(1, 1) flags()
    read(Self::read) {
        /// -1 and 1 are the centres of the outermost elements instead of their outer edges.
        align_corners: bool = false,
        /// How values between elements are made.
        mode: SampleMode = SampleMode::Linear,
        /// What stands outside of the input.
        padding_mode: SamplePadding = SamplePadding::Zeros,
    }
}

impl GridSample {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let mut attributes = cx.attributes().clone();
        // Before opset 20 the modes were named after two axes.
        let renamed = match attributes.get("mode") {
            Some(Attribute::String(mode)) if mode == "bilinear" => Some("linear"),
            Some(Attribute::String(mode)) if mode == "bicubic" => Some("cubic"),
            _ => None,
        };
        if let Some(mode) = renamed {
            attributes.set("mode", Attribute::String(mode.into()));
        }
        cx.emit_same(Self::from_attributes(&attributes)?)
    }
}

fn wrong_shapes(x: &dyn std::fmt::Debug, grid: &dyn std::fmt::Debug) -> OpError {
    OpError::shape(format!("expected [N,C,D…] and [N,d…,r], got {x:?} and {grid:?}"))
}

impl Op for GridSample {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        cx.dtype(1)?;
        let shape = match (cx.shape(0), cx.shape(1)) {
            (Some(x), Some(grid)) => {
                let (Some([n, c]), true) = (x.dims().get(..2), x.rank() == grid.rank() && x.rank() > 2)
                else {
                    return Err(wrong_shapes(x, grid));
                };
                let inner: &[Dim] = &grid.dims()[1..grid.rank() - 1];
                Some([n.clone(), c.clone()].into_iter().chain(inner.iter().cloned()).collect::<Shape>())
            }
            (Some(x), None) => Some(Shape::unknown(x.rank())),
            (None, Some(grid)) => Some(Shape::unknown(grid.rank())),
            (None, None) => None,
        };
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (x, grid) = (cx.tensor(0)?, cx.tensor(1)?);
        let wrong = || wrong_shapes(&x.shape(), &grid.shape());
        let (&[n, c, ref sizes @ ..], &[batch, ref places @ .., r]) = (x.shape(), grid.shape()) else {
            return Err(wrong());
        };
        if n != batch || sizes.is_empty() || sizes.len() != r || places.len() != r {
            return Err(wrong());
        }
        let shape: Vec<usize> = [n, c].into_iter().chain(places.iter().copied()).collect();
        check_size(cx.environment(), x.dtype(), &shape)?;
        let y = if shape.contains(&0) {
            Tensor::zeros(x.dtype(), &shape)?
        } else if sizes.contains(&0) {
            return Err(OpError::value("there are no elements to sample"));
        } else {
            let single = grid.dtype() != DataType::F64;
            let sampler = Sampler { op: self, sizes, single };
            let taps = sampler.all_taps(&grid.to_f64s()?);
            let layout = Layout { n, c, plane: count(sizes), places: count(places) };
            sample(x, &shape, &taps, layout, self.mode)?
        };
        cx.set(0, y);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        if cx.opset() >= 20 {
            return Ok(());
        }
        if cx.io().input_shape(0).is_some_and(|s| s.rank() != 4) {
            return Err(OpError::Unsupported("before opset 20, GridSample takes 4 axes".into()));
        }
        let mode = match self.mode {
            SampleMode::Linear => "bilinear",
            SampleMode::Nearest => "nearest",
            SampleMode::Cubic => "bicubic",
        };
        cx.attributes_mut().set("mode", Attribute::String(mode.into()));
        Ok(())
    }
}

/// Input elements within a plane (`None` is zero) and their weights, for one output place.
type Place = Vec<(Option<usize>, f64)>;

struct Sampler<'a> {
    op: &'a GridSample,
    sizes: &'a [usize],
    single: bool,
}

impl Sampler<'_> {
    fn all_taps(&self, grid: &[f64]) -> Vec<Place> {
        grid.chunks(self.sizes.len()).map(|coordinates| self.place(coordinates)).collect()
    }

    fn place(&self, coordinates: &[f64]) -> Place {
        let mut place: Place = vec![(Some(0), 1.0)];
        for (&size, &coordinate) in self.sizes.iter().zip(coordinates.iter().rev()) {
            let taps = self.axis(coordinate, size);
            let combine = |&(at, weight): &(Option<usize>, f64)| {
                let own = taps
                    .iter()
                    .map(move |&(index, w)| (at.zip(index).map(|(a, i)| a * size + i), weight * w));
                own.collect::<Vec<_>>()
            };
            place = place.iter().flat_map(combine).collect();
        }
        place
    }

    fn axis(&self, coordinate: f64, size: usize) -> Vec<(Option<usize>, f64)> {
        let length = size as f64;
        let (low, high) = if self.op.align_corners { (0.0, length - 1.0) } else { (-0.5, length - 0.5) };
        let mut x = match self.op.align_corners {
            true => (coordinate + 1.0) / 2.0 * (length - 1.0),
            false => ((coordinate + 1.0) * length - 1.0) / 2.0,
        };
        if self.single {
            x = f64::from(x as f32);
        }
        if self.op.mode == SampleMode::Nearest {
            x = x.round_ties_even();
        }
        // Positions beyond this are outside of every input; they must not overflow as indices.
        x = if x.is_nan() { -1.0 } else { x.clamp(-1e12, 1e12) };
        if x < low || x > high {
            x = match self.op.padding_mode {
                SamplePadding::Zeros => x,
                SamplePadding::Border => x.clamp(0.0, length - 1.0),
                SamplePadding::Reflection => reflect(x, low, high),
            };
        }
        let floor = x.floor();
        let ratio = x - floor;
        let at = |offset: i64| self.element(floor as i64 + offset, size, low, high);
        match self.op.mode {
            SampleMode::Nearest => vec![(self.element(x as i64, size, low, high), 1.0)],
            SampleMode::Linear => vec![(at(0), 1.0 - ratio), (at(1), ratio)],
            SampleMode::Cubic => {
                (-1..3).map(|offset| (at(offset), cubic((ratio - offset as f64).abs(), -0.75))).collect()
            }
        }
    }

    fn element(&self, index: i64, size: usize, low: f64, high: f64) -> Option<usize> {
        let last = size as i64 - 1;
        let inside = match self.op.padding_mode {
            SamplePadding::Zeros => index,
            SamplePadding::Border => index.clamp(0, last),
            SamplePadding::Reflection => (reflect(index as f64, low, high) as i64).clamp(0, last),
        };
        usize::try_from(inside).ok().filter(|&i| i < size)
    }
}

/// `x` mirrored at both borders until it lies between them.
fn reflect(x: f64, low: f64, high: f64) -> f64 {
    let range = high - low;
    if range <= 0.0 {
        return low;
    }
    let distance = if x < low {
        low - x
    } else if x > high {
        x - high
    } else {
        return x;
    };
    let turns = (distance / range).trunc();
    let rest = distance - turns * range;
    let from_low = (x < low) == (turns % 2.0 == 0.0);
    if from_low { low + rest } else { high - rest }
}

#[derive(Clone, Copy)]
struct Layout {
    n: usize,
    c: usize,
    plane: usize,
    places: usize,
}

fn sample(
    x: &Tensor,
    shape: &[usize],
    taps: &[Place],
    layout: Layout,
    mode: SampleMode,
) -> Result<Tensor, OpError> {
    if mode == SampleMode::Nearest {
        return move_elements(&[x], shape, &NearestElements { taps, layout });
    }
    let values = x.to_f64s()?;
    let mut out = Vec::with_capacity(count(shape));
    for n in 0..layout.n {
        for c in 0..layout.c {
            let plane = &values[(n * layout.c + c) * layout.plane..][..layout.plane];
            out.extend(taps[n * layout.places..][..layout.places].iter().map(|place| {
                place.iter().map(|&(at, weight)| at.map_or(0.0, |at| plane[at] * weight)).sum::<f64>()
            }));
        }
    }
    let wide = match x.widen() {
        Wide::F(_) => Wide::F(out),
        Wide::I(_) => Wide::I(out.into_iter().map(|v| v as i64).collect()),
        Wide::U(_) => Wide::U(out.into_iter().map(|v| v as u64).collect()),
        _ => return Err(OpError::input_type(0, "a type that can be interpolated", x.dtype())),
    };
    Ok(Tensor::narrow(x.dtype(), shape, wide)?)
}

struct NearestElements<'a> {
    taps: &'a [Place],
    layout: Layout,
}

impl Movement for NearestElements<'_> {
    fn apply<T: Clone + Default>(&self, sources: &[&[T]]) -> Result<Vec<T>, OpError> {
        let [source] = sources else { return Err(OpError::MissingInput { index: 0 }) };
        let Layout { n, c, plane, places } = self.layout;
        let mut out = Vec::with_capacity(n * c * places);
        for (number, plane) in source.chunks(plane).enumerate() {
            let taps = &self.taps[number / c * places..][..places];
            out.extend(taps.iter().map(|place| {
                let at = place.first().and_then(|(at, _)| *at);
                at.map_or_else(T::default, |at| plane[at].clone())
            }));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s};

    #[test]
    fn modes_and_padding() {
        let x = f32s(&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let grid = f32s(&[1, 1, 3, 2], &[0.0, 0.0, -1.0, -1.0, 3.0, 0.5]);
        for (mode, padding_mode, want) in [
            (SampleMode::Linear, SamplePadding::Zeros, [2.5, 0.25, 0.0]),
            (SampleMode::Linear, SamplePadding::Border, [2.5, 1.0, 4.0]),
            (SampleMode::Nearest, SamplePadding::Reflection, [1.0, 1.0, 3.0]),
        ] {
            Case::new(GridSample { align_corners: false, mode, padding_mode })
                .input(x.clone())
                .input(grid.clone())
                .expect(f32s(&[1, 1, 1, 3], &want));
        }
    }
}
