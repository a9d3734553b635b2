//! `Resize`: <https://onnx.ai/onnx/operators/onnx__Resize.html>

use lehr_graph::{
    Dim, EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, Shape, ValueId, WriteCx, WriteInput,
    attribute_enum, declare_op,
};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::axis::resolve_axes;
use crate::movement::{AxisPicks, check_size, count, pick};
use crate::resample::{AxisPlan, Filter, Taps};
pub use crate::resample::{CoordinateMode, NearestMode};

attribute_enum! {
    /// How elements between input elements are made.
    pub enum ResizeMode {
        /// The nearest element.
        Nearest = "nearest",
        /// Linear interpolation.
        Linear = "linear",
        /// Cubic interpolation.
        Cubic = "cubic",
    }
}

attribute_enum! {
    /// What given sizes mean for the ratio of the axes.
    pub enum AspectPolicy {
        /// The sizes are met exactly.
        Stretch = "stretch",
        /// The ratio is kept and no size exceeded.
        NotLarger = "not_larger",
        /// The ratio is kept and every size reached.
        NotSmaller = "not_smaller",
    }
}

declare_op! {
    /// Resamples axes to the scales in input 2 or the sizes in input 3; input 1 is the region of interest.
    pub struct Resize("", "Resize", 19) inputs(1, 4) outputs(1, 1) flags()
    read(Self::read) {
        /// Filters are widened where the output is smaller.
        antialias: bool = false,
        /// The axes that region, scales and sizes are for; all by default.
        axes: Option<Vec<i64>> = None,
        /// How an output position becomes an input position.
        coordinate_transformation_mode: CoordinateMode = CoordinateMode::HalfPixel,
        /// Coefficient of the cubic filter.
        cubic_coeff_a: f32 = -0.75,
        /// Weights of positions outside of the input count as zero, the others are scaled to sum 1.
        exclude_outside: bool = false,
        /// What cropping puts outside of the input.
        extrapolation_value: f32 = 0.0,
        /// What given sizes mean for the ratio of the axes.
        keep_aspect_ratio_policy: AspectPolicy = AspectPolicy::Stretch,
        /// How elements between input elements are made.
        mode: ResizeMode = ResizeMode::Nearest,
        /// Which neighbour the nearest mode takes.
        nearest_mode: NearestMode = NearestMode::RoundPreferFloor,
    }
}

impl Resize {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        if cx.opset() >= 11 {
            let op = Self::from_attributes(cx.attributes())?;
            return cx.emit_same(op);
        }
        let (data, scales) = (cx.require(0)?, cx.require(1)?);
        Self::read_scaled(cx, data, scales)
    }

    /// The form before opset 11: scales alone, positions divided by the scale, and of two neighbours the left one when
    /// an axis grows and the right one when it shrinks.
    pub(crate) fn read_scaled(
        cx: &mut ReadCx<'_>,
        data: ValueId,
        scales: ValueId,
    ) -> Result<ReadValues, OpError> {
        let mode = match cx.attribute::<String>("mode")?.as_deref() {
            None | Some("nearest") => ResizeMode::Nearest,
            Some("linear" | "bilinear") => ResizeMode::Linear,
            Some(other) => {
                return Err(OpError::attribute("mode", format!("is '{other}', expected nearest or linear")));
            }
        };
        let op = |nearest_mode| Self {
            mode,
            nearest_mode,
            coordinate_transformation_mode: CoordinateMode::Asymmetric,
            ..Self::default()
        };
        let known =
            cx.constant_of(scales).map(|t| Ok::<_, OpError>(t.as_slice::<f32>()?.to_vec())).transpose()?;
        let shrinks = known.as_ref().is_some_and(|s| s.iter().any(|&s| s < 1.0));
        if mode != ResizeMode::Nearest || !shrinks {
            return cx.emit(op(NearestMode::Floor), vec![Some(data), None, Some(scales)], 1);
        }
        let values = known.unwrap_or_default();
        let (down, up): (Vec<f32>, Vec<f32>) = values.iter().map(|&s| (s.min(1.0), s.max(1.0))).unzip();
        let down = cx.constant(Tensor::vector(down));
        if up.iter().all(|&s| s == 1.0) {
            return cx.emit(op(NearestMode::Ceil), vec![Some(data), None, Some(down)], 1);
        }
        let smaller = cx.emit(op(NearestMode::Ceil), vec![Some(data), None, Some(down)], 1)?;
        let up = cx.constant(Tensor::vector(up));
        cx.emit(op(NearestMode::Floor), vec![smaller.first().copied(), None, Some(up)], 1)
    }

    fn resolved_axes(&self, rank: usize) -> Result<Vec<usize>, OpError> {
        match &self.axes {
            Some(axes) => resolve_axes(axes, rank),
            None => Ok((0..rank).collect()),
        }
    }

    fn plan(&self, shape: &[usize], request: &Request) -> Result<Vec<AxisPlan>, OpError> {
        let axes = self.resolved_axes(shape.len())?;
        let mut plans: Vec<_> = shape
            .iter()
            .map(|&size| AxisPlan { input: size, output: size, scale: 1.0, roi: (0.0, 1.0) })
            .collect();
        let expect = |what: &str, got: usize| {
            if got == axes.len() {
                Ok(())
            } else {
                Err(OpError::shape(format!("{got} {what} for {} axes", axes.len())))
            }
        };
        match (&request.scales, &request.sizes) {
            (Some(scales), None) => {
                expect("scales", scales.len())?;
                for (&axis, &scale) in axes.iter().zip(scales) {
                    plans[axis].scale = f64::from(scale);
                    plans[axis].output = scaled_size(shape[axis], scale)?;
                }
            }
            (None, Some(sizes)) => {
                expect("sizes", sizes.len())?;
                self.plan_sizes(&axes, sizes, &mut plans)?;
            }
            _ => return Err(OpError::value("expected either scales or sizes")),
        }
        if self.coordinate_transformation_mode == CoordinateMode::TfCropAndResize {
            let roi = request.roi.as_deref().unwrap_or_default();
            if roi.len() != 2 * axes.len() {
                return Err(OpError::shape(format!(
                    "a region of {} numbers for {} axes",
                    roi.len(),
                    axes.len()
                )));
            }
            for (at, &axis) in axes.iter().enumerate() {
                plans[axis].roi = (roi[at], roi[at + axes.len()]);
            }
        }
        Ok(plans)
    }

    fn plan_sizes(&self, axes: &[usize], sizes: &[i64], plans: &mut [AxisPlan]) -> Result<(), OpError> {
        let mut kept: Option<f64> = None;
        for (&axis, &size) in axes.iter().zip(sizes) {
            let plan = &mut plans[axis];
            plan.output = usize::try_from(size)
                .map_err(|_| OpError::value(format!("size {size} of axis {axis}, expected at least 0")))?;
            if plan.input == 0 && plan.output > 0 {
                return Err(OpError::value(format!("axis {axis} has no elements to resize")));
            }
            plan.scale = if plan.input == 0 { 1.0 } else { plan.output as f64 / plan.input as f64 };
            kept = Some(match (kept, self.keep_aspect_ratio_policy) {
                (None, _) => plan.scale,
                (Some(scale), AspectPolicy::NotLarger) => scale.min(plan.scale),
                (Some(scale), _) => scale.max(plan.scale),
            });
        }
        if self.keep_aspect_ratio_policy != AspectPolicy::Stretch {
            for &axis in axes {
                let plan = &mut plans[axis];
                plan.scale = kept.unwrap_or(1.0);
                plan.output = (plan.scale * plan.input as f64 + 0.5) as usize;
            }
        }
        Ok(())
    }

    /// What happens to each axis of input 0.
    pub(crate) fn plans(&self, cx: &EvalCx<'_>) -> Result<Vec<AxisPlan>, OpError> {
        let x = cx.tensor(0)?;
        let plans = self.plan(x.shape(), &Request::of(cx)?)?;
        let shape: Vec<_> = plans.iter().map(|plan| plan.output).collect();
        check_size(cx.environment(), x.dtype(), &shape)?;
        Ok(plans)
    }

    /// The nearest elements along each axis.
    pub(crate) fn nearest(&self, plans: &[AxisPlan]) -> Vec<AxisPicks> {
        let pick = |plan: &AxisPlan| match plan.is_identity() {
            true => AxisPicks::identity(plan.input),
            false => plan.nearest(self.coordinate_transformation_mode, self.nearest_mode),
        };
        plans.iter().map(pick).collect()
    }

    /// The weighted sums along an axis.
    pub(crate) fn taps(&self, plan: &AxisPlan) -> Result<Taps, OpError> {
        let filter = Filter {
            cubic: (self.mode == ResizeMode::Cubic).then_some(f64::from(self.cubic_coeff_a)),
            antialias: self.antialias,
        };
        plan.taps(self.coordinate_transformation_mode, filter, self.exclude_outside)
    }

    fn interpolate(&self, x: &Tensor, plans: &[AxisPlan]) -> Result<Tensor, OpError> {
        let mut shape = x.shape().to_vec();
        let mut values = x.to_f64s()?;
        // Shrinking axes come first: what lies between is then never larger than both input and output.
        let mut order: Vec<_> = plans.iter().enumerate().filter(|(_, plan)| !plan.is_identity()).collect();
        order.sort_by(|(_, a), (_, b)| {
            (a.output as f64 / a.input as f64).total_cmp(&(b.output as f64 / b.input as f64))
        });
        for (axis, plan) in order {
            let taps = self.taps(plan)?;
            let (outer, inner) = (count(&shape[..axis]), count(&shape[axis + 1..]));
            values = taps.apply(&values, outer, inner, f64::from(self.extrapolation_value));
            shape[axis] = plan.output;
        }
        rounded(x.dtype(), &shape, values)
    }
}

impl Default for Resize {
    fn default() -> Self {
        Self {
            antialias: false,
            axes: None,
            coordinate_transformation_mode: CoordinateMode::HalfPixel,
            cubic_coeff_a: -0.75,
            exclude_outside: false,
            extrapolation_value: 0.0,
            keep_aspect_ratio_policy: AspectPolicy::Stretch,
            mode: ResizeMode::Nearest,
            nearest_mode: NearestMode::RoundPreferFloor,
        }
    }
}

/// What the inputs ask for.
struct Request {
    roi: Option<Vec<f64>>,
    scales: Option<Vec<f32>>,
    sizes: Option<Vec<i64>>,
}

impl Request {
    fn of(cx: &EvalCx<'_>) -> Result<Self, OpError> {
        let given = |index| Ok::<_, OpError>(cx.optional_tensor(index)?.filter(|t| !t.is_empty()));
        Ok(Self {
            roi: given(1)?.map(Tensor::to_f64s).transpose()?,
            scales: given(2)?.map(|t| t.as_slice::<f32>().map(|s| s.to_vec())).transpose()?,
            sizes: given(3)?.map(Tensor::to_i64s).transpose()?,
        })
    }
}

/// Numbers as `dtype`: integers rounded to nearest even and clamped to the type's range.
fn rounded(dtype: DataType, shape: &[usize], values: Vec<f64>) -> Result<Tensor, OpError> {
    if dtype.is_float() {
        return Ok(Tensor::narrow(dtype, shape, Wide::F(values))?);
    }
    let bits = i32::try_from(dtype.bits()).unwrap_or(64);
    let values = values.into_iter().map(f64::round_ties_even);
    let wide = if dtype.is_signed_int() {
        let half = 2f64.powi(bits - 1);
        Wide::I(values.map(|v| v.clamp(-half, half - 1.0) as i64).collect())
    } else if dtype.is_unsigned_int() {
        let most = 2f64.powi(bits) - 1.0;
        Wide::U(values.map(|v| v.clamp(0.0, most) as u64).collect())
    } else {
        return Err(OpError::input_type(0, "a type that can be interpolated", dtype));
    };
    Ok(Tensor::narrow(dtype, shape, wide)?)
}

/// The scaled size rounded down; the product is a single-precision one, as other implementations agree.
fn scaled_size(size: usize, scale: f32) -> Result<usize, OpError> {
    let scaled = (size as f32 * scale).floor();
    if scale > 0.0 && scaled < 9e15 {
        return Ok(scaled as usize);
    }
    Err(OpError::value(format!("scale {scale}, expected a number above 0")))
}

/// The same of a symbolic size; unknown where the scale is no fraction with a small power of two below.
fn scaled_dim(dim: &Dim, scale: f32) -> Result<Dim, OpError> {
    if let Some(size) = dim.as_fixed() {
        return Ok(Dim::from(scaled_size(size, scale)?));
    }
    scaled_size(1, scale)?;
    let fraction = scale * 64.0;
    if fraction != fraction.trunc() || fraction > 1e6 {
        return Ok(Dim::Unknown);
    }
    let (mut numerator, mut denominator) = (fraction as u64, 64);
    while numerator % 2 == 0 && denominator > 1 {
        (numerator, denominator) = (numerator / 2, denominator / 2);
    }
    Ok(dim.mul(&Dim::Fixed(numerator)).floor_div(&Dim::Fixed(denominator)))
}

impl Op for Resize {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = cx.dtype(0)?;
        let shape = match cx.shape(0) {
            Some(shape) => Some(self.infer_shape(cx, shape)?),
            None => None,
        };
        cx.set_tensor(0, dtype, shape);
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let x = cx.tensor(0)?;
        let plans = self.plans(cx)?;
        let shape: Vec<_> = plans.iter().map(|plan| plan.output).collect();
        let y = if shape.contains(&0) {
            Tensor::zeros(x.dtype(), &shape)?
        } else if x.is_empty() {
            return Err(OpError::value("there are no elements to resize"));
        } else if self.mode == ResizeMode::Nearest {
            let picks = self.nearest(&plans);
            let fill = match self.coordinate_transformation_mode {
                CoordinateMode::TfCropAndResize => {
                    Some(Tensor::scalar(self.extrapolation_value).cast(x.dtype(), Default::default())?)
                }
                _ => None,
            };
            pick(x, &picks, fill.as_ref())?
        } else {
            self.interpolate(x, &plans)?
        };
        cx.set(0, y);
        Ok(())
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        use CoordinateMode::{HalfPixel, HalfPixelSymmetric, TfHalfPixelForNn};
        let mode = self.coordinate_transformation_mode;
        if mode == TfHalfPixelForNn {
            if (self.mode, self.nearest_mode) != (ResizeMode::Nearest, NearestMode::Floor) {
                return Err(OpError::Unsupported("'tf_half_pixel_for_nn' exists in opset 11 only".into()));
            }
            let same = Self {
                coordinate_transformation_mode: HalfPixel,
                nearest_mode: NearestMode::RoundPreferCeil,
                ..self.clone()
            };
            *cx.attributes_mut() = lehr_graph::OpMeta::attributes(&same);
        }
        if cx.opset() < 19 && mode == HalfPixelSymmetric {
            return Err(OpError::Unsupported("before opset 19, there is no 'half_pixel_symmetric'".into()));
        }
        if cx.opset() >= 18 {
            return Ok(());
        }
        if self.antialias || self.keep_aspect_ratio_policy != AspectPolicy::Stretch {
            return Err(OpError::Unsupported(
                "before opset 18, Resize neither filters against aliasing nor keeps the aspect ratio".into(),
            ));
        }
        for name in ["antialias", "keep_aspect_ratio_policy", "axes"] {
            cx.attributes_mut().remove(name);
        }
        if self.axes.is_some() { self.write_all_axes(cx) } else { Ok(()) }
    }
}

impl Resize {
    fn infer_shape(&self, cx: &InferCx<'_>, shape: &Shape) -> Result<Shape, OpError> {
        let axes = self.resolved_axes(shape.rank())?;
        let mut resized = shape.clone();
        let scales = cx.constant(2).filter(|t| !t.is_empty());
        if let Some(scales) = scales {
            let scales = scales.as_slice::<f32>()?;
            if scales.len() != axes.len() {
                return Err(OpError::shape(format!("{} scales for {} axes", scales.len(), axes.len())));
            }
            for (&axis, &scale) in axes.iter().zip(scales.iter()) {
                resized.dims_mut()[axis] = scaled_dim(&shape.dims()[axis], scale)?;
            }
            return Ok(resized);
        }
        axes.iter().for_each(|&axis| resized.dims_mut()[axis] = Dim::Unknown);
        let Some(sizes) = cx.known(3).filter(|s| s.rank() == 1 && s.len() == axes.len()) else {
            return Ok(resized);
        };
        if self.keep_aspect_ratio_policy == AspectPolicy::Stretch {
            for (&axis, size) in axes.iter().zip(sizes.values()) {
                resized.dims_mut()[axis] = size.to_dim();
            }
        } else if let (Some(fixed), Some(sizes)) = (shape.as_fixed(), sizes.as_constants()) {
            let mut plans: Vec<_> = fixed
                .iter()
                .map(|&size| AxisPlan { input: size, output: size, scale: 1.0, roi: (0.0, 1.0) })
                .collect();
            self.plan_sizes(&axes, &sizes, &mut plans)?;
            axes.iter().for_each(|&axis| resized.dims_mut()[axis] = Dim::from(plans[axis].output));
        }
        Ok(resized)
    }

    /// Scales, sizes and region for all axes, for opsets that have no `axes`.
    fn write_all_axes(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        let unsupported =
            || OpError::Unsupported("before opset 18, Resize of some axes needs constants".into());
        let shape = cx.io().input_shape(0).cloned().ok_or_else(unsupported)?;
        let axes = self.resolved_axes(shape.rank())?;
        for index in 1..cx.inputs_mut().len() {
            let WriteInput::Node(position) = cx.inputs_mut()[index] else { continue };
            let constant =
                cx.io().constants.get(position).copied().flatten().cloned().ok_or_else(unsupported)?;
            if constant.is_empty() {
                continue;
            }
            let spread = |mut all: Vec<f64>| -> Result<Vec<f64>, OpError> {
                let own = constant.to_f64s()?;
                for (at, &axis) in axes.iter().enumerate() {
                    for part in 0..own.len() / axes.len().max(1) {
                        let to = all.get_mut(axis + part * shape.rank()).ok_or_else(unsupported)?;
                        *to = own.get(at + part * axes.len()).copied().ok_or_else(unsupported)?;
                    }
                }
                Ok(all)
            };
            let rank = shape.rank();
            let all = match index {
                1 => spread([vec![0.0; rank], vec![1.0; rank]].concat())?,
                2 => spread(vec![1.0; rank])?,
                _ => {
                    let sizes = shape.as_fixed().ok_or_else(unsupported)?;
                    spread(sizes.into_iter().map(|s| s as f64).collect())?
                }
            };
            let wide = Tensor::vector(all);
            cx.inputs_mut()[index] = WriteInput::Constant(wide.cast(constant.dtype(), Default::default())?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    fn scaled(op: Resize, x: Tensor, scales: &[f32]) -> Case {
        Case::new(op).input(x).absent().constant(f32s(&[scales.len()], scales))
    }

    #[test]
    fn nearest_linear_and_cubic() {
        let x = f32s(&[1, 1, 1, 4], &[1.0, 2.0, 3.0, 4.0]);
        let op = |mode| Resize { mode, ..Resize::default() };
        scaled(op(ResizeMode::Nearest), x.clone(), &[1.0, 1.0, 1.0, 0.6])
            .expect(f32s(&[1, 1, 1, 2], &[1.0, 3.0]));
        scaled(op(ResizeMode::Linear), x.clone(), &[1.0, 1.0, 1.0, 2.0])
            .expect(f32s(&[1, 1, 1, 8], &[1.0, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.0]));
        // From the ONNX reference evaluator.
        scaled(op(ResizeMode::Cubic), x.clone(), &[1.0, 1.0, 1.0, 1.5])
            .expect(f32s(&[1, 1, 1, 6], &[0.913_194_4, 1.40625, 2.212_963, 2.787_037, 3.59375, 4.086_806]));
        Case::new(Resize {
            axes: Some(vec![3]),
            mode: ResizeMode::Linear,
            antialias: true,
            ..Resize::default()
        })
        .input(x)
        .absent()
        .absent()
        .constant(i64s(&[1], &[2]))
        .expect(f32s(&[1, 1, 1, 2], &[1.625, 3.375]));
    }

    #[test]
    fn keeps_the_aspect_ratio() {
        let x = f32s(&[2, 4], &[0.0; 8]);
        for (policy, want) in [(AspectPolicy::NotLarger, [4, 8]), (AspectPolicy::NotSmaller, [7, 14])] {
            Case::new(Resize { keep_aspect_ratio_policy: policy, ..Resize::default() })
                .input(x.clone())
                .absent()
                .absent()
                .constant(i64s(&[2], &[7, 8]))
                .expect(Tensor::zeros(DataType::F32, &want).unwrap());
        }
    }

    #[test]
    fn symbolic_sizes_under_scales() {
        for (scale, want) in [(2.0, "2*N"), (0.5, "N//2"), (1.0, "N"), (0.3, "?")] {
            let got = scaled_dim(&Dim::symbol("N"), scale).unwrap();
            assert_eq!(got.to_string(), want, "{scale}");
        }
    }
}
