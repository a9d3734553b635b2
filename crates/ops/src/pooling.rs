//! What the pooling operators share: shapes, axes and the walk over windows.

use lehr_graph::{AxisMap, AxisRole, Cost, Dim, EvalCx, InferCx, OpError, Shape, Signature};
use lehr_tensor::{DataType, checked_len};

use crate::operand::bounded_len;
use crate::window::{Window, WindowAttributes, image_shape, kernel_sizes};

/// Shape of the output of a pooling of input 0, as far as known.
pub(crate) fn pooled_shape(
    attributes: &WindowAttributes<'_>,
    kernel_shape: &[i64],
    cx: &InferCx<'_>,
) -> Result<Option<Shape>, OpError> {
    let kernel = kernel_sizes(kernel_shape)?;
    let Some(input) = cx.shape(0) else { return Ok(Some(Shape::unknown(kernel.len() + 2))) };
    let [batch, channels, spatial @ ..] = input.dims() else { return Err(low_rank(&input.to_string())) };
    let spatial = attributes.output_dims(Some(&kernel), spatial)?;
    Ok(Some(image_shape(batch, channels.clone(), spatial)))
}

#[cold]
fn low_rank(shape: &str) -> OpError {
    OpError::shape(format!("input 0: expected at least rank 3, got {shape}"))
}

/// A pooling of known sizes.
pub(crate) struct Pooling {
    /// Batch times channels.
    pub(crate) planes: usize,
    pub(crate) window: Window,
    /// Shape of the output.
    pub(crate) output: Vec<usize>,
}

impl Pooling {
    /// For an input of the given shape.
    pub(crate) fn new(
        attributes: &WindowAttributes<'_>,
        kernel_shape: &[i64],
        input: &[usize],
    ) -> Result<Self, OpError> {
        let [batch, channels, spatial @ ..] = input else { return Err(low_rank(&format!("{input:?}"))) };
        let window = attributes.fit(&kernel_sizes(kernel_shape)?, spatial)?;
        let output = [*batch, *channels].into_iter().chain(window.output()).collect();
        Ok(Self { planes: checked_len(&[*batch, *channels])?, window, output })
    }

    /// Refuses outputs beyond the environment's bound.
    pub(crate) fn check_size(&self, cx: &EvalCx<'_>, dtype: DataType) -> Result<(), OpError> {
        bounded_len(cx, dtype, &self.output).map(|_| ())
    }

    /// The outputs `f(values in the window, window index)`, row-major; `values` are positions in the whole input.
    pub(crate) fn map<R: Clone + Default>(
        &self,
        f: impl Fn(&mut dyn Iterator<Item = usize>, &[usize]) -> R,
    ) -> Vec<R> {
        let (input, output) = (self.window.input_len(), self.window.output_len());
        let mut out = vec![R::default(); self.planes.saturating_mul(output)];
        self.window.for_each(|at, index, taps| {
            for plane in 0..self.planes {
                let mut positions = taps.iter().map(|tap| plane * input + tap.input);
                out[plane * output + at] = f(&mut positions, index);
            }
        });
        out
    }
}

/// Output 0 is input 0 with all spatial axes reduced to one element.
pub(crate) fn infer_global(cx: &mut InferCx<'_>) -> Result<(), OpError> {
    let dtype = cx.dtype(0)?;
    let shape = match cx.shape(0) {
        Some(shape) => {
            let [batch, channels, spatial @ ..] = shape.dims() else {
                return Err(low_rank(&shape.to_string()));
            };
            Some(image_shape(batch, channels.clone(), vec![Dim::Fixed(1); spatial.len()]))
        }
        None => None,
    };
    cx.set_tensor(0, dtype, shape);
    Ok(())
}

/// Evaluates `f` on the elements of each plane of input 0.
pub(crate) fn eval_global(cx: &mut EvalCx<'_>, f: impl Fn(&[f64]) -> f64) -> Result<(), OpError> {
    let x = cx.tensor(0)?;
    let values = crate::operand::floats(cx, 0)?;
    let [batch, channels, spatial @ ..] = x.shape() else {
        return Err(low_rank(&format!("{:?}", x.shape())));
    };
    let plane = checked_len(spatial)?;
    let y = (0..checked_len(&[*batch, *channels])?).map(|i| f(&values[i * plane..][..plane])).collect();
    let shape: Vec<usize> = [*batch, *channels].into_iter().chain(spatial.iter().map(|_| 1)).collect();
    let y = crate::operand::rounded(x.dtype(), &shape, y)?;
    cx.set(0, y);
    Ok(())
}

/// Batch and channels are independent, the other axes windows of the input.
pub(crate) fn pool_axes(io: &Signature<'_>) -> AxisMap {
    let mut map = AxisMap::opaque(io);
    for roles in &mut map.outputs {
        for (axis, role) in roles.iter_mut().enumerate() {
            *role = match axis {
                0 | 1 => AxisRole::Independent(vec![(0, axis)]),
                _ => AxisRole::Window { input: 0, axis },
            };
        }
    }
    map
}

/// Batch and channels are independent, the others reduced.
pub(crate) fn global_axes(io: &Signature<'_>) -> AxisMap {
    let mut map = AxisMap::opaque(io);
    for (axis, role) in map.outputs.iter_mut().flatten().enumerate() {
        if axis < 2 {
            *role = AxisRole::Independent(vec![(0, axis)]);
        } else {
            map.reduced.push((0, axis));
        }
    }
    map
}

/// One operation per element of each window.
pub(crate) fn pool_cost(io: &Signature<'_>, kernel_shape: &[i64]) -> Cost {
    let elements = io.output_shape(0).map_or(Dim::Unknown, Shape::numel);
    let kernel = kernel_shape.iter().fold(Dim::Fixed(1), |a, &k| match u64::try_from(k) {
        Ok(k) => a.mul(&Dim::Fixed(k)),
        Err(_) => Dim::Unknown,
    });
    Cost::of_macs(io, elements.mul(&kernel))
}

/// One operation per element of the input.
pub(crate) fn global_cost(io: &Signature<'_>) -> Cost {
    Cost::of_macs(io, io.input_shape(0).map_or(Dim::Unknown, Shape::numel))
}
