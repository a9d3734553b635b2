//! Pieces that spelled-out normalisations consist of: means, variances and their roots; and the rows that they belong to.

use lehr_graph::{Flags, Graph, PatchBuilder, PatchValue, ValueId};
use lehr_ops::{
    max::Max, pow::Pow, reciprocal::Reciprocal, reduce_mean::ReduceMean, reduce_sum::ReduceSum, relu::Relu,
    reshape::Reshape, sqrt::Sqrt, unsqueeze::Unsqueeze,
};
use lehr_tensor::{DataType, Tensor};

use crate::constants::floats;
use crate::formula::{attribute, number, square};
use crate::pattern::{Match, Pattern, any, constant, either, op, product, scalar, sum, uniform};
use crate::rewrite::Reject;

/// Most elements of a row for which a scale of ones is made.
const MAX_ROW: usize = 1 << 20;

/// A statistic that gets the axes it was taken over back, with size 1; [`is_statistic`] checks that.
pub(crate) fn reshaped(p: Pattern) -> Pattern {
    either([p.clone(), op::<Reshape>([p.clone()]).and_more(), op::<Unsqueeze>([p]).and_more()])
}

/// The mean of `p` over the constant `axes`.
pub(crate) fn mean(p: Pattern) -> Pattern {
    let sum = || op::<ReduceSum>([p.clone(), constant("axes")]);
    let as_sum = [sum() * uniform("share"), sum() / uniform("count")];
    either([op::<ReduceMean>([p.clone(), constant("axes")])].into_iter().chain(as_sum))
}

/// `√(variance + epsilon)` and its inverse, which are the `root` here.
pub(crate) fn roots(variance: Pattern) -> (Pattern, Pattern) {
    let epsilon = || uniform("epsilon");
    let sum = either([reshaped(variance.clone()) + epsilon(), reshaped(variance + epsilon())]);
    let root = either([op::<Sqrt>([sum.clone()]), op::<Pow>([sum.clone(), scalar(0.5)])]).named("root");
    let inverse = either([
        op::<Reciprocal>([root.clone()]),
        scalar(1.0) / root.clone(),
        op::<Pow>([sum, scalar(-0.5)]).named("root"),
    ]);
    (root, inverse)
}

/// `numerator / √(variance + epsilon)`, where a constant `scale` may come in between.
pub(crate) fn over_root(numerator: Pattern, variance: Pattern) -> Pattern {
    let (root, inverse) = roots(variance);
    let scale = || constant("scale");
    either([
        numerator.clone() / root.clone(),
        product([numerator.clone(), scale()]) / root.clone(),
        product([numerator.clone(), inverse.clone()]),
        product([numerator.clone(), scale() / root]),
        product([numerator, inverse, scale()]),
    ])
}

/// `(x - mean) / √(var + ε)` in every spelling, a `scale` inside of it included, where the variance is
/// `mean((x - mean)²)` or `mean(x²) - mean²`; and `x·m + (bias - mean·m)` with `m = scale / √(var + ε)`.
pub(crate) fn standardized() -> Pattern {
    let variance = either([mean(square(any("centred"), any("centred"))), by_squares()]);
    either([over_root(centred(), variance), by_factor_and_offset()])
}

fn centred() -> Pattern {
    let mean = mean(any("x")).named("mean");
    (any("x") - reshaped(mean).named("offset")).named("centred")
}

/// `mean(x²) - mean²`, which rounding may make negative.
fn by_squares() -> Pattern {
    let difference = mean(square(any("x"), any("x"))) - square(any("mean"), any("mean"));
    either([difference.clone(), op::<Max>([difference.clone(), scalar(0.0)]), op::<Relu>([difference])])
}

/// `x·m + (bias - mean·m)`.
fn by_factor_and_offset() -> Pattern {
    let (_, inverse) = roots(either([mean(square(centred(), any("centred"))), by_squares()]));
    let factor = either([product([inverse.clone(), constant("scale")]), inverse]).named("factor");
    let offset = reshaped(mean(any("x")).named("mean")).named("offset");
    sum([product([any("x"), factor]), constant("bias") - product([offset, any("factor")])])
}

/// Whether `value` has one element for each group of elements of `x` that differ in the `reduced` axes alone, in a shape
/// where these axes have size 1.
pub(crate) fn is_statistic(
    found: &Match,
    graph: &Graph,
    value: ValueId,
    x: ValueId,
    reduced: &[usize],
) -> bool {
    let (Some(own), Some(shape)) = (graph.value(value).ty().shape(), graph.value(x).ty().shape()) else {
        return false;
    };
    let may_be_equal = own.rank() == shape.rank()
        && own.iter().zip(shape).enumerate().all(|(axis, (own, dim))| {
            if reduced.contains(&axis) { own.as_fixed() == Some(1) } else { own.equal(dim) != Some(false) }
        });
    let is_equal = own
        .iter()
        .zip(shape)
        .enumerate()
        .all(|(axis, (own, dim))| reduced.contains(&axis) || own.equal(dim) == Some(true));
    may_be_equal && (is_equal || keeps_axes(found, graph, shape.rank()))
}

/// Whether every node of the match keeps the number of axes and none of its numbers is a larger constant, so that sizes
/// which are not known stay what they are.
fn keeps_axes(found: &Match, graph: &Graph, rank: usize) -> bool {
    let parameters = ["scale", "bias", "axes", "greatest_axes"].map(|name| found.get(name));
    found.nodes().map(|id| graph.node(id)).all(|node| {
        let outputs = node.outputs().iter();
        let moves = node.op().flags().contains(Flags::DATA_MOVEMENT);
        let constants = node.inputs().iter().filter(|&input| !parameters.contains(input));
        let mut constants = constants.flatten().filter_map(|&input| graph.constant(input));
        !moves
            && outputs.copied().all(|v| graph.value(v).ty().shape().is_some_and(|s| s.rank() == rank))
            && constants.all(|constant| constant.len() == 1)
    })
}

/// # Errors
/// [`Reject::Because`] unless the statistics of a match are one number for each group of elements of `x` that differ in
/// `axes` alone, of which there are `len`, if that is known.
pub(crate) fn check_statistics(
    found: &Match,
    graph: &Graph,
    axes: &[usize],
    len: Option<usize>,
) -> Result<(), Reject> {
    let x = found.value("x");
    let statistics = ["root", "offset"].into_iter().filter_map(|name| found.get(name));
    if statistics.into_iter().any(|value| !is_statistic(found, graph, value, x, axes)) {
        return Err(Reject::because("a statistic is not one number of each row"));
    }
    let len = len.map(|len| len as f64);
    let divides = |by: &str, share: &dyn Fn(f64, f64) -> f64| match (number(found, graph, by), len) {
        (None, _) => true,
        (Some(given), Some(len)) => (share(given, len) - 1.0).abs() <= 1e-5,
        (Some(_), None) => false,
    };
    if divides("count", &|count, len| count / len) && divides("share", &|share, len| share * len) {
        return Ok(());
    }
    Err(Reject::because("the sum is not divided by the length of the row"))
}

/// The axes that the constant bound to `name` lists, counted from the front, in order.
pub(crate) fn axes(found: &Match, graph: &Graph, name: &str, rank: usize) -> Result<Vec<usize>, Reject> {
    let unknown = || Reject::because("its axes are not known");
    let constant = found.get(name).and_then(|value| graph.constant(value)).ok_or_else(unknown)?;
    let rank = i64::try_from(rank).map_err(|_| unknown())?;
    let given = constant.to_i64s().map_err(|_| unknown())?;
    let resolved = given.into_iter().map(|axis| if axis < 0 { axis.saturating_add(rank) } else { axis });
    let resolved: Result<Vec<_>, _> = resolved.map(usize::try_from).collect();
    let mut resolved = resolved.map_err(|_| unknown())?;
    resolved.sort_unstable();
    Ok(resolved)
}

/// The rows that are normalised: all axes from one on.
pub(crate) struct Rows {
    /// The first axis, counted from the end.
    pub axis: i64,
    /// Sizes from there on.
    pub sizes: Vec<usize>,
    rank: usize,
    dtype: DataType,
}

impl Rows {
    /// The last `count` axes of `x`.
    ///
    /// # Errors
    /// [`Reject::Because`] when their sizes are not known, or the statistics of the type are not taken in 32 bits.
    pub(crate) fn last(graph: &Graph, x: ValueId, count: usize) -> Result<Self, Reject> {
        let ty = graph.value(x).ty();
        let (Some(dtype), Some(shape)) = (ty.dtype(), ty.shape()) else {
            return Err(Reject::because("type and shape of what is normalised are not known"));
        };
        if !matches!(dtype, DataType::F32 | DataType::F16 | DataType::BF16) {
            return Err(Reject::because(format!("statistics of {dtype} would be rounded to 32 bits")));
        }
        let first = shape.rank().checked_sub(count).filter(|_| count > 0);
        let dims = first.and_then(|first| shape.dims().get(first..)).ok_or(Reject::NoEffect)?;
        let sizes: Option<Vec<usize>> = dims.iter().map(|dim| dim.as_fixed()).collect();
        let sizes = sizes.ok_or_else(|| Reject::because("the sizes of the normalised axes are not fixed"))?;
        let rows = Self { axis: negative(count)?, sizes, rank: shape.rank(), dtype };
        let len = rows.sizes.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
        match len {
            Some(1..=MAX_ROW) => Ok(rows),
            _ => Err(Reject::because(format!("rows of sizes {:?} are empty or too long", rows.sizes))),
        }
    }

    /// The rows of a match that binds `x`, the `axes` and its statistics.
    ///
    /// # Errors
    /// [`Reject::Because`] when the axes are not the last ones, or a statistic is not one of each row.
    pub(crate) fn of(found: &Match, graph: &Graph) -> Result<Self, Reject> {
        let x = found.value("x");
        let Some(shape) = graph.value(x).ty().shape() else {
            return Err(Reject::because("the shape of what is normalised is not known"));
        };
        let axes = axes(found, graph, "axes", shape.rank())?;
        let rows = Self::last(graph, x, axes.len())?;
        if !axes.iter().copied().eq(shape.rank() - axes.len()..shape.rank()) {
            return Err(Reject::because(format!("the axes {axes:?} are not the last ones")));
        }
        check_statistics(found, graph, &axes, Some(rows.len()))?;
        Ok(rows)
    }

    /// Elements of a row.
    pub(crate) fn len(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Type of what is normalised.
    pub(crate) fn dtype(&self) -> DataType {
        self.dtype
    }

    /// A constant that has one number for each element of a row, as a tensor of just the row's shape.
    ///
    /// # Errors
    /// [`Reject::Because`] when it is not so.
    pub(crate) fn parameter(&self, tensor: &Tensor) -> Result<Tensor, Reject> {
        let refused = || {
            let (got, expected) = (tensor.shape(), &self.sizes);
            Reject::because(format!("a constant of shape {got:?} for rows of shape {expected:?}"))
        };
        if tensor.dtype() != self.dtype || tensor.rank() > self.rank {
            return Err(refused());
        }
        if tensor.len() == 1 {
            let numbers = tensor.to_f64s().map_err(|_| refused())?;
            let number = numbers.first().copied().ok_or_else(refused)?;
            return self.filled(number);
        }
        let long = |shape: &[usize]| shape.iter().copied().skip_while(|&size| size == 1).collect::<Vec<_>>();
        if long(tensor.shape()) != long(&self.sizes) {
            return Err(refused());
        }
        tensor.reshape(&self.sizes).map_err(|_| refused())
    }

    /// One number for all elements of a row.
    pub(crate) fn filled(&self, number: f64) -> Result<Tensor, Reject> {
        floats(self.dtype, &self.sizes, vec![number; self.len()])
    }

    /// The parameter bound to `name`, or `default` everywhere.
    pub(crate) fn bound(
        &self,
        found: &Match,
        patch: &mut PatchBuilder<'_>,
        name: &str,
        default: f64,
    ) -> Result<PatchValue, Reject> {
        let graph = patch.graph();
        let given = found.get(name).and_then(|value| Some((value, graph.constant(value)?)));
        match given {
            Some((value, tensor)) if tensor.dtype() == self.dtype && tensor.shape() == self.sizes => {
                Ok(value.into())
            }
            Some((_, tensor)) => Ok(patch.constant(self.parameter(tensor)?)),
            None => Ok(patch.constant(self.filled(default)?)),
        }
    }
}

/// The number bound to `epsilon`.
///
/// # Errors
/// [`Reject::Because`] when it is negative or not finite.
pub(crate) fn epsilon(found: &Match, graph: &Graph) -> Result<f32, Reject> {
    let epsilon = attribute(number(found, graph, "epsilon").ok_or(Reject::NoEffect)?)?;
    if epsilon < 0.0 {
        return Err(Reject::because(format!("epsilon is {epsilon}, expected no negative number")));
    }
    Ok(epsilon)
}

fn negative(count: usize) -> Result<i64, Reject> {
    i64::try_from(count).map(|count| -count).map_err(|_| Reject::NoEffect)
}
