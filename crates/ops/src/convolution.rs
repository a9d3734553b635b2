//! What the convolution operators share: shapes and the plain sum.

use std::ops::{AddAssign, Mul};

use lehr_graph::{AxisMap, AxisRole, Cost, Dim, InferCx, OpError, Shape, Signature};

use crate::window::{Window, WindowAttributes, image_shape, kernel_sizes, list};

/// A convolution of known sizes: input `[batch, in_channels, …]`, weights `[out_channels, in_channels / groups, …]`.
#[derive(Clone, Debug)]
pub(crate) struct Convolution {
    pub(crate) batch: usize,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) groups: usize,
    pub(crate) window: Window,
}

/// The attributes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvAttributes<'a> {
    pub(crate) window: WindowAttributes<'a>,
    pub(crate) kernel_shape: Option<&'a [i64]>,
    pub(crate) group: i64,
}

/// The [`ConvAttributes`] of an operator with the customary fields.
macro_rules! conv_of {
    ($op:expr) => {
        $crate::convolution::ConvAttributes {
            window: $crate::window::window_of!($op),
            kernel_shape: $op.kernel_shape.as_deref(),
            group: $op.group,
        }
    };
}
pub(crate) use conv_of;

/// The number of groups as a size.
pub(crate) fn group_count(name: &str, group: i64) -> Result<usize, OpError> {
    usize::try_from(group)
        .ok()
        .filter(|&g| g > 0)
        .ok_or_else(|| OpError::attribute(name, format!("expected at least 1, got {group}")))
}

impl ConvAttributes<'_> {
    /// Kernel sizes: the attribute if present, else from the weights' spatial sizes; both must agree.
    fn kernel(&self, weights: Option<&[Dim]>) -> Result<Option<Vec<usize>>, OpError> {
        let of_weights = weights.and_then(|w| w.iter().map(Dim::as_fixed).collect::<Option<Vec<_>>>());
        let Some(attribute) = self.kernel_shape.filter(|k| !k.is_empty()) else { return Ok(of_weights) };
        let attribute = kernel_sizes(attribute)?;
        match of_weights {
            Some(w) if w != attribute => Err(OpError::attribute(
                "kernel_shape",
                format!("expected {w:?}, the sizes of the weights, got {attribute:?}"),
            )),
            _ => Ok(Some(attribute)),
        }
    }

    /// Shape of the output for inputs `x` and `w`, as far as known.
    pub(crate) fn infer(&self, cx: &InferCx<'_>, x: usize, w: usize) -> Result<Option<Shape>, OpError> {
        let groups = group_count("group", self.group)?;
        let Some(input) = cx.shape(x) else { return Ok(None) };
        let [batch, channels, spatial @ ..] = input.dims() else {
            return Err(OpError::shape(format!("input {x}: expected at least rank 3, got {input}")));
        };
        if spatial.is_empty() {
            return Err(OpError::shape(format!("input {x}: expected at least rank 3, got {input}")));
        }
        let (out_channels, kernel) = match cx.shape(w) {
            Some(weights) if weights.rank() != input.rank() => {
                return Err(OpError::shape(format!(
                    "input {w}: expected rank {}, as input {x}, got {weights}",
                    input.rank()
                )));
            }
            Some(weights) => {
                let per_group = weights.dims()[1].mul(&Dim::from(groups));
                if per_group.equal(channels) == Some(false) {
                    return Err(OpError::shape(format!(
                        "input {w}: {weights} in {groups} groups takes {per_group} channels, input {x} has {channels}"
                    )));
                }
                (weights.dims()[0].clone(), self.kernel(Some(&weights.dims()[2..]))?)
            }
            None => (Dim::Unknown, self.kernel(None)?),
        };
        let spatial = self.window.output_dims(kernel.as_deref(), spatial)?;
        Ok(Some(image_shape(batch, out_channels, spatial)))
    }

    /// The convolution of tensors of the given shapes.
    pub(crate) fn fit(&self, x: &[usize], w: &[usize]) -> Result<Convolution, OpError> {
        let groups = group_count("group", self.group)?;
        let ([batch, in_channels, spatial @ ..], [out_channels, per_group, kernel @ ..]) = (x, w) else {
            return Err(OpError::shape(format!("expected at least rank 3, got {x:?} and {w:?}")));
        };
        let fits = per_group.checked_mul(groups) == Some(*in_channels) && out_channels % groups == 0;
        if spatial.is_empty() || x.len() != w.len() || !fits {
            return Err(OpError::shape(format!(
                "weights {w:?} in {groups} groups do not fit an input of shape {x:?}"
            )));
        }
        let dims: Vec<_> = kernel.iter().map(|&k| Dim::from(k)).collect();
        self.kernel(Some(&dims))?;
        Ok(Convolution {
            batch: *batch,
            in_channels: *in_channels,
            out_channels: *out_channels,
            groups,
            window: self.window.fit(kernel, spatial)?,
        })
    }
}

impl Convolution {
    /// Shape of the output.
    pub(crate) fn output(&self) -> Vec<usize> {
        [self.batch, self.out_channels].into_iter().chain(self.window.output()).collect()
    }

    /// The sums, without bias. Slices have the lengths of their shapes.
    pub(crate) fn sums<T>(&self, x: &[T], w: &[T]) -> Vec<T>
    where
        T: Copy + Default + AddAssign + Mul<Output = T>,
    {
        let (input, output, kernel) =
            (self.window.input_len(), self.window.output_len(), self.window.kernel_len());
        let mut y = vec![T::default(); self.batch.saturating_mul(self.out_channels).saturating_mul(output)];
        let (c_in, c_out) = (self.in_channels / self.groups, self.out_channels / self.groups);
        self.window.for_each(|at, _, taps| {
            for n in 0..self.batch {
                for m in 0..self.out_channels {
                    let first = n * self.in_channels + m / c_out * c_in;
                    let mut sum = T::default();
                    for c in 0..c_in {
                        let (x, w) = (&x[(first + c) * input..], &w[(m * c_in + c) * kernel..]);
                        taps.iter().for_each(|tap| sum += x[tap.input] * w[tap.kernel]);
                    }
                    y[(n * self.out_channels + m) * output + at] = sum;
                }
            }
        });
        y
    }

    /// Adds one value per output channel.
    pub(crate) fn add_bias<T: Copy + AddAssign>(&self, y: &mut [T], bias: &[T]) {
        let output = self.window.output_len();
        if output == 0 {
            return;
        }
        for (row, bias) in y.chunks_exact_mut(output).zip(bias.iter().cycle()) {
            row.iter_mut().for_each(|y| *y += *bias);
        }
    }
}

/// Multiply-accumulates of a convolution with weights as input `w`: one pass over a filter per output element.
pub(crate) fn conv_cost(io: &Signature<'_>, w: usize) -> Cost {
    let elements = io.output_shape(0).map_or(Dim::Unknown, Shape::numel);
    let filter = io
        .input_shape(w)
        .filter(|s| s.rank() > 1)
        .map_or(Dim::Unknown, |s| s.dims()[1..].iter().fold(Dim::Fixed(1), |a, b| a.mul(b)));
    Cost::of_macs(io, elements.mul(&filter))
}

/// Batch from the input, channels from the weights, windows along the spatial axes.
pub(crate) fn conv_axes(io: &Signature<'_>, x: usize, w: usize, group: i64) -> AxisMap {
    let mut map = AxisMap::opaque(io);
    for (axis, role) in map.outputs.iter_mut().flatten().enumerate() {
        *role = match axis {
            0 => AxisRole::Independent(vec![(x, 0)]),
            1 if group == 1 => AxisRole::Independent(vec![(w, 0)]),
            1 => AxisRole::Mixed,
            _ => AxisRole::Window { input: x, axis },
        };
    }
    if group == 1 {
        map.reduced = vec![(x, 1), (w, 1)];
    }
    map
}

/// `output_padding`-like lists: one value per spatial axis.
pub(crate) fn per_axis(name: &str, values: Option<&[i64]>, n: usize) -> Result<Vec<usize>, OpError> {
    list(name, values, n, 0, 0)
}
