//! `z_score`: numbers in standard deviations from the mean of their column.

use serde::{Deserialize, Serialize};

use super::centered::Centered;
use super::change::Changes;
use super::{columns, statistics};
use crate::{Files, Item, Spec, Step, StepError};

/// `{ op = "z_score", columns = ["age"], mean = [41.2], std = [11.9] }`
///
/// What is fitted: `mean`, `std` (1 for columns whose numbers are all the same), and `columns` unless given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZScore {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mean: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    std: Option<Vec<f64>>,
}

impl Spec for ZScore {
    const OP: &'static str = "z_score";
    const SUMMARY: &'static str = "numbers in standard deviations from the fitted mean of their column";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let means = columns::paired(self.columns.clone(), "mean", self.mean)?;
        let widths = columns::paired(self.columns, "std", self.std)?;
        Ok(Box::new(Changes::Listed(Centered::of(("mean", means), ("std", widths))?)))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        let fitted = super::fit_numbers(&mut self.columns, data, mean_and_width)?;
        let (mean, std) = fitted.into_iter().unzip();
        (self.mean, self.std) = (Some(mean), Some(std));
        Ok(())
    }
}

/// The mean, and the standard deviation or 1 where it is nothing but rounding.
fn mean_and_width(numbers: &[f64]) -> (f64, f64) {
    let (mean, variance) = statistics::mean_and_variance(numbers);
    let count = numbers.len() as f64;
    let rounding = count * f64::EPSILON * variance + (count * mean * f64::EPSILON).powi(2);
    (mean, if variance <= rounding { 1.0 } else { variance.sqrt() })
}
