//! Numbers by their distance from a center, in units of a width: what `z_score` and `robust` do.

use super::change::Change;
use super::columns;
use crate::StepError;

/// `(x - center) / width`
#[derive(Debug)]
pub(super) struct Centered {
    center: f64,
    width: f64,
}

impl Centered {
    /// One for each column, of the fitted parameters of these names.
    ///
    /// # Errors
    /// [`StepError::Parameter`] for widths that nothing can be divided by.
    pub(super) fn of(
        (center_name, centers): (&'static str, Vec<(String, f64)>),
        (width_name, widths): (&'static str, Vec<(String, f64)>),
    ) -> Result<Vec<(String, Self)>, StepError> {
        let pair = |((name, center), (_, width)): ((String, f64), (String, f64))| {
            columns::finite(center_name, &[center])?;
            if !(width.is_finite() && width > 0.0) {
                return Err(StepError::parameter(width_name, "positive numbers", width));
            }
            Ok((name, Self { center, width }))
        };
        centers.into_iter().zip(widths).map(pair).collect()
    }
}

impl Change for Centered {
    fn of(&self, number: f64) -> Result<f64, String> {
        Ok((number - self.center) / self.width)
    }
}
