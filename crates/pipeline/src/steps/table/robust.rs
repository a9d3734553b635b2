//! `robust`: numbers by the median and the distance of two quantiles of their column, which outliers do not move.

use serde::{Deserialize, Serialize};

use super::centered::Centered;
use super::change::Changes;
use super::{columns, statistics};
use crate::{Files, Item, Spec, Step, StepError};

/// `{ op = "robust", columns = ["income"], center = [2400.0], width = [1300.0] }`
///
/// What is fitted: `center` (the median), `width` (between the `quantiles`; 1 where it is 0), and `columns` unless given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Robust {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    #[serde(default = "quartiles")]
    quantiles: [f64; 2],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    center: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<Vec<f64>>,
}

fn quartiles() -> [f64; 2] {
    [0.25, 0.75]
}

impl Spec for Robust {
    const OP: &'static str = "robust";
    const SUMMARY: &'static str = "numbers by the fitted median and quartiles of their column";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let centers = columns::paired(self.columns.clone(), "center", self.center)?;
        let widths = columns::paired(self.columns, "width", self.width)?;
        Ok(Box::new(Changes::Listed(Centered::of(("center", centers), ("width", widths))?)))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        let [low, high] = self.quantiles;
        if !(0.0 <= low && low < high && high <= 1.0) {
            let got = format!("{low}, {high}");
            return Err(StepError::parameter("quantiles", "two rising fractions of 1", got));
        }
        let fitted = super::fit_numbers(&mut self.columns, data, |sorted| {
            let width = statistics::quantile(sorted, high) - statistics::quantile(sorted, low);
            (statistics::quantile(sorted, 0.5), statistics::width_or_one(width))
        })?;
        let (center, width) = fitted.into_iter().unzip();
        (self.center, self.width) = (Some(center), Some(width));
        Ok(())
    }
}
