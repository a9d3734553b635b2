//! Arithmetic on constants for rewrites: computed in `f64`, rounded once to the element type of the result.

use lehr_graph::{Datum, EvalCx, Op, Signature};
use lehr_ops::evaluate::Reference;
use lehr_tensor::{DataType, Tensor, Wide};

use crate::rewrite::Reject;

/// Numbers of a float constant.
///
/// # Errors
/// [`Reject::Because`] for other types, and when one is not finite: `inf - inf` and `0 · inf` are not what two separate
/// operators give.
pub fn finite(tensor: &Tensor) -> Result<Vec<f64>, Reject> {
    if !tensor.dtype().is_float() {
        return Err(Reject::because(format!("constant is {}, expected floats", tensor.dtype())));
    }
    let numbers = tensor.to_f64s().map_err(|error| Reject::because(error.to_string()))?;
    match numbers.iter().find(|number| !number.is_finite()) {
        Some(number) => Err(Reject::because(format!("constant holds {number}, expected finite numbers"))),
        None => Ok(numbers),
    }
}

/// A constant of floats.
///
/// # Errors
/// [`Reject::Because`] when a number is beyond the range of the type, or their count does not fit the shape.
pub fn floats(dtype: DataType, shape: &[usize], numbers: Vec<f64>) -> Result<Tensor, Reject> {
    let expected = numbers.iter().all(|number| number.is_finite());
    let tensor =
        Tensor::narrow(dtype, shape, Wide::F(numbers)).map_err(|error| Reject::because(error.to_string()))?;
    if expected && finite(&tensor).is_err() {
        return Err(Reject::because(format!("the combined constant is beyond the range of {dtype}")));
    }
    Ok(tensor)
}

/// `tensor` with index `i` of `axis` multiplied by `factors[i]`.
///
/// # Errors
/// [`Reject::Because`] when the axis has another size, or numbers are not finite before or after.
pub fn scaled(tensor: &Tensor, axis: usize, factors: &[f64]) -> Result<Tensor, Reject> {
    let shape = tensor.shape();
    if shape.get(axis) != Some(&factors.len()) {
        return Err(Reject::because(format!("{} factors for axis {axis} of {shape:?}", factors.len())));
    }
    let inner: usize = shape.iter().skip(axis + 1).product();
    let mut numbers = finite(tensor)?;
    if inner > 0 {
        let rows = numbers.chunks_mut(inner).zip(factors.iter().cycle());
        rows.for_each(|(row, factor)| row.iter_mut().for_each(|number| *number *= factor));
    }
    floats(tensor.dtype(), shape, numbers)
}

/// The numbers of a constant that differs along one axis only: broadcast against a value of rank `rank`, index `i` of axis
/// `axis`, which has size `size`, meets number `i` whatever the other indices are. Nothing when it is not so, or when the
/// constant would make the value larger.
pub fn along_axis(tensor: &Tensor, rank: usize, axis: usize, size: usize) -> Option<Vec<f64>> {
    let offset = rank.checked_sub(tensor.rank())?;
    let numbers = finite(tensor).ok()?;
    let long = |(own, &len): (usize, &usize)| (len != 1).then_some(own + offset);
    let mut axes = tensor.shape().iter().enumerate().filter_map(long);
    match (axes.next(), axes.next()) {
        (None, _) => Some(vec![*numbers.first()?; size]),
        (Some(own), None) if own == axis && numbers.len() == size => Some(numbers),
        _ => None,
    }
}

/// What `op` gives for constants, by its reference evaluation.
///
/// # Errors
/// [`Reject::Because`] with the operator's own error, or when its first output is no tensor.
pub fn evaluate(op: &dyn Op, inputs: &[&Tensor]) -> Result<Tensor, Reject> {
    let inputs: Vec<_> = inputs.iter().map(|&tensor| Some(Datum::Tensor(tensor.clone()))).collect();
    let environment = Reference::default();
    let mut cx = EvalCx::new(&inputs, vec![true], &environment);
    op.eval(&mut cx)?;
    match cx.finish().into_iter().next().flatten() {
        Some(Datum::Tensor(tensor)) => Ok(tensor),
        _ => Err(Reject::because("the combined constant is not a tensor")),
    }
}

/// Integers of input `index`, if it is constant.
pub fn ints(io: &Signature<'_>, index: usize) -> Option<Vec<i64>> {
    io.constants.get(index).copied().flatten()?.to_i64s().ok()
}

/// Whether input `index` is there.
pub fn is_present(io: &Signature<'_>, index: usize) -> bool {
    io.inputs.get(index).is_some_and(Option::is_some)
}

/// `axis` counted from the front; nothing when there is no such axis.
pub fn resolve_axis(axis: i64, rank: usize) -> Option<usize> {
    let signed = i64::try_from(rank).ok()?;
    let from_front = if axis < 0 { axis.checked_add(signed)? } else { axis };
    usize::try_from(from_front).ok().filter(|&axis| axis < rank)
}

/// All of `axes` counted from the front; nothing when one does not exist.
pub fn resolve_axes(axes: &[i64], rank: usize) -> Option<Vec<usize>> {
    axes.iter().map(|&axis| resolve_axis(axis, rank)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], numbers: &[f32]) -> Tensor {
        Tensor::from_slice(shape, numbers).unwrap()
    }

    #[test]
    fn scales_along_one_axis() {
        let weights = tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(scaled(&weights, 0, &[1.0, 10.0]).unwrap(), tensor(&[2, 2], &[1.0, 2.0, 30.0, 40.0]));
        assert_eq!(scaled(&weights, 1, &[1.0, 10.0]).unwrap(), tensor(&[2, 2], &[1.0, 20.0, 3.0, 40.0]));
        assert!(scaled(&weights, 1, &[1.0]).is_err());
        assert!(scaled(&weights, 0, &[1e30, 1e39]).is_err(), "beyond f32");
        assert!(scaled(&tensor(&[1], &[f32::INFINITY]), 0, &[0.0]).is_err());
    }

    #[test]
    fn sees_what_differs_along_one_axis() {
        let channels = tensor(&[1, 3, 1, 1], &[1.0, 2.0, 3.0]);
        assert_eq!(along_axis(&channels, 4, 1, 3), Some(vec![1.0, 2.0, 3.0]));
        assert_eq!(along_axis(&channels, 4, 0, 3), None);
        assert_eq!(along_axis(&tensor(&[3, 1, 1], &[1.0, 2.0, 3.0]), 4, 1, 3), Some(vec![1.0, 2.0, 3.0]));
        assert_eq!(along_axis(&tensor(&[], &[2.0]), 4, 1, 2), Some(vec![2.0, 2.0]));
        assert_eq!(
            along_axis(&tensor(&[1; 5], &[2.0]), 4, 1, 2),
            None,
            "a higher rank makes the value larger"
        );
        assert_eq!(along_axis(&tensor(&[3, 2], &[0.0; 6]), 2, 1, 2), None);
    }
}
