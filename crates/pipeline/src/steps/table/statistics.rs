//! Numbers of a column that steps are fitted to. Missing numbers do not count.

use crate::StepError;

/// The numbers that are there, sorted.
///
/// # Errors
/// [`StepError::Malformed`] when there is none, or one is infinite.
pub(super) fn sorted(column: &str, numbers: &[f64]) -> Result<Vec<f64>, StepError> {
    let mut there: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
    if there.is_empty() {
        return Err(StepError::malformed(format!("column '{column}' has no values to fit to")));
    }
    if there.iter().any(|number| number.is_infinite()) {
        return Err(StepError::malformed(format!("column '{column}': expected finite numbers")));
    }
    there.sort_by(f64::total_cmp);
    Ok(there)
}

/// The mean of numbers, of which there is at least one.
pub(super) fn mean(numbers: &[f64]) -> f64 {
    let count = numbers.len() as f64;
    let rough = numbers.iter().map(|number| number / count).sum::<f64>();
    // A second pass takes off the rounding of the first.
    rough + numbers.iter().map(|number| (number - rough) / count).sum::<f64>()
}

/// Mean and variance (of the numbers themselves, not of what they are a sample of).
pub(super) fn mean_and_variance(numbers: &[f64]) -> (f64, f64) {
    let mean = mean(numbers);
    let squares: Vec<f64> = numbers.iter().map(|number| (number - mean).powi(2)).collect();
    (mean, squares.iter().sum::<f64>() / numbers.len() as f64)
}

/// The number at a fraction of sorted numbers, linear between two of them.
pub(super) fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = fraction.clamp(0.0, 1.0) * last as f64;
    let below = (position.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let (part, distance) = (position - position.floor(), sorted[above] - sorted[below]);
    // From the nearer of the two, so that equal numbers give exactly that number.
    if part < 0.5 { sorted[below] + distance * part } else { sorted[above] - distance * (1.0 - part) }
}

/// A width to divide by: 1 for a column whose numbers are all the same, up to rounding.
pub(super) fn width_or_one(width: f64) -> f64 {
    if width < 10.0 * f64::EPSILON { 1.0 } else { width }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_linear_between_numbers() {
        let numbers = sorted("a", &[4.0, f64::NAN, 1.0, 2.0]).unwrap();
        assert_eq!([0.0, 0.25, 0.5, 0.75, 1.0].map(|at| quantile(&numbers, at)), [1.0, 1.5, 2.0, 3.0, 4.0]);
        assert_eq!(quantile(&[7.0], 0.3), 7.0);
        let problem = sorted("a", &[f64::NAN]).unwrap_err().to_string();
        assert_eq!(problem, "column 'a' has no values to fit to");
        assert!(sorted("a", &[f64::INFINITY]).is_err());
    }

    #[test]
    fn large_numbers_have_a_mean() {
        assert_eq!(mean(&[f64::MAX, f64::MAX]), f64::MAX);
        assert_eq!(mean_and_variance(&[1e9 + 1.0, 1e9 + 3.0]), (1e9 + 2.0, 1.0));
    }
}
