//! The position of a number among edges: what `bucketize` and `quantile` do.

use super::change::Change;
use crate::StepError;

/// How many edges are at most as large as a number.
#[derive(Clone, Debug)]
pub(super) struct Bins(Vec<f64>);

impl Bins {
    /// With these edges.
    ///
    /// # Errors
    /// [`StepError::Parameter`] unless they rise.
    pub(super) fn new(edges: Vec<f64>) -> Result<Self, StepError> {
        super::columns::finite("edges", &edges)?;
        match edges.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(StepError::parameter(
                "edges",
                "rising numbers",
                format!("{} before {}", pair[0], pair[1]),
            )),
            None => Ok(Self(edges)),
        }
    }
}

impl Change for Bins {
    fn of(&self, number: f64) -> Result<f64, String> {
        Ok(self.0.partition_point(|edge| *edge <= number) as f64)
    }
}
