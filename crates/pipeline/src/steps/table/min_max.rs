//! `min_max`: numbers go to a range, by the smallest and the largest of their column.

use serde::{Deserialize, Serialize};

use super::change::{Change, Changes};
use super::{columns, statistics};
use crate::{Files, Item, Spec, Step, StepError};

/// `{ op = "min_max", columns = ["age"], min = [18.0], max = [93.0] }`, to `range = [0, 1]`
///
/// What is fitted: `min`, `max`, and `columns` unless given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinMax {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    #[serde(default = "unit")]
    range: [f64; 2],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<Vec<f64>>,
}

fn unit() -> [f64; 2] {
    [0.0, 1.0]
}

impl Spec for MinMax {
    const OP: &'static str = "min_max";
    const SUMMARY: &'static str = "numbers go to a range, by the fitted minimum and maximum of their column";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let (min, max) = (self.min.ok_or(StepError::Unfitted("min"))?, self.max);
        columns::finite("min", &min)?;
        columns::finite("max", max.as_deref().unwrap_or_default())?;
        columns::finite("range", &self.range)?;
        let [low, high] = self.range;
        if low >= high {
            return Err(StepError::parameter(
                "range",
                "a smaller and a larger number",
                format!("{low}, {high}"),
            ));
        }
        let maxima = columns::paired(self.columns.clone(), "max", max)?;
        let columns = columns::paired(self.columns, "min", Some(min))?;
        let scales = columns.into_iter().zip(maxima).map(|((name, min), (_, max))| {
            let factor = (high - low) / statistics::width_or_one(max - min);
            (name, Linear { factor, offset: low - min * factor })
        });
        Ok(Box::new(Changes::Listed(scales.collect())))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        let fitted = super::fit_numbers(&mut self.columns, data, |sorted| {
            (statistics::quantile(sorted, 0.0), statistics::quantile(sorted, 1.0))
        })?;
        let (min, max) = fitted.into_iter().unzip();
        (self.min, self.max) = (Some(min), Some(max));
        Ok(())
    }
}

#[derive(Debug)]
struct Linear {
    factor: f64,
    offset: f64,
}

impl Change for Linear {
    fn of(&self, number: f64) -> Result<f64, String> {
        Ok(number * self.factor + self.offset)
    }
}
