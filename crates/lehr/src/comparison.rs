//! How far two values are apart.

use lehr_graph::Datum;
use lehr_tensor::{Tensor, Wide};

use crate::conformance::{self, Tolerance};

/// Differences of two tensors of one shape; `b` is what is taken for right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// max|a − b|; infinite where one is not a number or infinite and the other not the same.
    pub max_abs: f64,
    /// max|b| of the finite elements.
    pub magnitude: f64,
    /// max|a − b| / max|b|; 0 when nothing differs.
    pub max_rel: f64,
    /// Signal to noise in decibels, 10·log₁₀(Σb² / Σ(a − b)²); infinite when nothing differs.
    pub sqnr_db: f64,
    /// Share of rows along the last axis whose largest element is at the same place; `None` for scalars.
    pub agreement: Option<f64>,
}

/// Compares two tensors as real numbers; text, truth values and integers differ by 0 or more like any number.
///
/// # Errors
/// A sentence when types or shapes differ or the elements are not real numbers.
pub fn difference(a: &Tensor, b: &Tensor) -> Result<Difference, String> {
    if a.dtype() != b.dtype() || a.shape() != b.shape() {
        let describe = |t: &Tensor| Datum::Tensor(t.clone()).describe();
        return Err(format!("{} against {}", describe(a), describe(b)));
    }
    if let (Wide::S(x), Wide::S(y)) = (a.widen(), b.widen()) {
        return if x == y { Ok(of_numbers(&[], &[], None)) } else { Err("the texts differ".into()) };
    }
    let numbers = |t: &Tensor| t.to_f64s().map_err(|e| e.to_string());
    Ok(of_numbers(&numbers(a)?, &numbers(b)?, b.shape().last().copied().filter(|&width| width > 0)))
}

fn of_numbers(a: &[f64], b: &[f64], width: Option<usize>) -> Difference {
    let (mut max_abs, mut magnitude, mut noise, mut signal) = (0.0f64, 0.0f64, 0.0f64, 0.0f64);
    for (&x, &y) in a.iter().zip(b) {
        let same = x == y || (x.is_nan() && y.is_nan());
        let apart = if same { 0.0 } else { (x - y).abs() };
        max_abs = max_abs.max(if apart.is_nan() { f64::INFINITY } else { apart });
        if y.is_finite() {
            magnitude = magnitude.max(y.abs());
            signal += y * y;
            noise += if apart.is_finite() { apart * apart } else { f64::INFINITY };
        }
    }
    let max_rel = if max_abs == 0.0 { 0.0 } else { max_abs / magnitude };
    let sqnr_db = if max_abs == 0.0 { f64::INFINITY } else { 10.0 * (signal / noise).log10() };
    let agreement = width.map(|width| {
        let rows = a.chunks(width).zip(b.chunks(width));
        let (same, all) = rows.fold((0usize, 0usize), |(same, all), (x, y)| {
            (same + usize::from(largest(x) == largest(y)), all + 1)
        });
        if all == 0 { 1.0 } else { same as f64 / all as f64 }
    });
    Difference { max_abs, magnitude, max_rel, sqnr_db, agreement }
}

/// The first largest element.
fn largest(row: &[f64]) -> Option<usize> {
    let greater = |best: Option<usize>, index: usize| match best {
        Some(best) if row[index] > row[best] || row[best].is_nan() => Some(index),
        None => Some(index),
        best => best,
    };
    (0..row.len()).fold(None, greater)
}

/// Differences that are never told: half a unit in the last place of an f32 near one.
const MAX_ABS: f64 = 1e-7;

/// Whether two values agree: tensors of floats within `max_rel` of the largest magnitude or within 1e-7, everything else
/// exactly.
///
/// # Errors
/// How they differ.
pub fn agree(a: &Datum, b: &Datum, max_rel: f64) -> Result<(), String> {
    match (a, b) {
        (Datum::Tensor(x), Datum::Tensor(y)) if x.dtype().is_float() => {
            let found = difference(x, y)?;
            if found.max_rel <= max_rel || found.max_abs <= MAX_ABS {
                return Ok(());
            }
            Err(format!(
                "max|a-b| {:.3e}, max|b| {:.3e}, ratio {:.3e}",
                found.max_abs, found.magnitude, found.max_rel
            ))
        }
        _ => conformance::compare(a, b, Tolerance { rtol: max_rel, atol: 0.0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_measured() {
        let t = |values: [f32; 4]| Tensor::from_vec(&[2, 2], values.to_vec()).unwrap();
        let found = difference(&t([1.0, 2.0, 3.0, 4.5]), &t([1.0, 2.0, 5.0, 4.0])).unwrap();
        assert_eq!((found.max_abs, found.magnitude, found.agreement), (2.0, 5.0, Some(0.5)));
        assert!(
            (found.max_rel - 0.4).abs() < 1e-12
                && (found.sqnr_db - 10.0 * (46.0f64 / 4.25).log10()).abs() < 1e-9
        );
        let nan = t([f32::NAN, 0.0, 0.0, f32::INFINITY]);
        assert_eq!(difference(&nan, &nan).unwrap().max_abs, 0.0);
        assert_eq!(difference(&nan, &t([0.0; 4])).unwrap().max_rel, f64::INFINITY);
        assert!(difference(&nan, &Tensor::scalar(0.0f32)).is_err());
    }

    #[test]
    fn agreement_is_relative_to_the_largest() {
        let t = |values: &[f32]| Datum::from(Tensor::vector(values.to_vec()));
        assert!(agree(&t(&[100.0, 0.001]), &t(&[100.0, 0.0]), 1e-4).is_ok());
        assert!(agree(&t(&[100.1]), &t(&[100.0]), 1e-4).is_err());
        assert!(agree(&t(&[2e-6]), &t(&[2.05e-6]), 1e-4).is_ok());
        assert!(agree(&Tensor::vector(vec![1i64]).into(), &Tensor::vector(vec![2i64]).into(), 1.0).is_err());
    }
}
