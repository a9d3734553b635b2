//! `outlier`: numbers far from the others of their column are moved to a bound, or their rows marked.

use serde::{Deserialize, Serialize};

use super::{columns, statistics};
use crate::{Context, Files, Item, ItemType, Series, Spec, Step, StepError};

/// `{ op = "outlier", method = "clip_iqr", columns = ["income"], lower = [-120.0], upper = [6100.0] }`
///
/// What is fitted: `lower`, `upper`, and `columns` unless given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outlier {
    method: Method,
    /// How many distances between the quartiles (1.5) or standard deviations (3) are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    k: Option<f64>,
    /// The part of the numbers on each side that `winsor` moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<f64>,
    /// The column that `mark` adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lower: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upper: Option<Vec<f64>>,
}

/// What is far, and what is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    /// Moved to `k` distances of the quartiles outside of them (Tukey 1977).
    ClipIqr,
    /// Moved to `k` standard deviations from the mean.
    ClipZ,
    /// Moved to the quantiles `p` and `1 - p`.
    Winsor,
    /// Far as for `clip_iqr`; a new column is 1 in rows with such a number, else 0.
    Mark,
}

impl Spec for Outlier {
    const OP: &'static str = "outlier";
    const SUMMARY: &'static str = "numbers outside of fitted bounds are moved to them, or their rows marked";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        self.check()?;
        let lower = columns::paired(self.columns.clone(), "lower", self.lower)?;
        let upper = columns::paired(self.columns, "upper", self.upper)?;
        let mut bounds = Vec::with_capacity(lower.len());
        for ((name, lower), (_, upper)) in lower.into_iter().zip(upper) {
            columns::finite("lower", &[lower])?;
            columns::finite("upper", &[upper])?;
            if lower > upper {
                return Err(StepError::parameter("upper", format!("at least {lower}, as 'lower'"), upper));
            }
            bounds.push((name, [lower, upper]));
        }
        let mark = (self.method == Method::Mark).then(|| self.mark.unwrap_or_else(|| "outlier".to_owned()));
        Ok(Box::new(Bounds { bounds, mark }))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        self.check()?;
        let (method, k, p) = (self.method, self.k, self.p.unwrap_or(0.05));
        let fitted = super::fit_numbers(&mut self.columns, data, |sorted| {
            let quantile = |at| statistics::quantile(sorted, at);
            match method {
                Method::ClipIqr | Method::Mark => {
                    let margin = k.unwrap_or(1.5) * (quantile(0.75) - quantile(0.25));
                    (quantile(0.25) - margin, quantile(0.75) + margin)
                }
                Method::ClipZ => {
                    let (mean, variance) = statistics::mean_and_variance(sorted);
                    let margin = k.unwrap_or(3.0) * variance.sqrt();
                    (mean - margin, mean + margin)
                }
                Method::Winsor => (quantile(p), quantile(1.0 - p)),
            }
        })?;
        let (lower, upper) = fitted.into_iter().unzip();
        (self.lower, self.upper) = (Some(lower), Some(upper));
        Ok(())
    }
}

impl Outlier {
    fn check(&self) -> Result<(), StepError> {
        let only = |name, is_given: bool, belongs: bool| match is_given && !belongs {
            true => Err(StepError::parameter(name, "nothing with this method", "a value")),
            false => Ok(()),
        };
        only("k", self.k.is_some(), self.method != Method::Winsor)?;
        only("p", self.p.is_some(), self.method == Method::Winsor)?;
        only("mark", self.mark.is_some(), self.method == Method::Mark)?;
        if let Some(k) = self.k.filter(|k| !(k.is_finite() && *k >= 0.0)) {
            return Err(StepError::parameter("k", "a number from 0", k));
        }
        if let Some(p) = self.p.filter(|p| !(0.0..=0.5).contains(p)) {
            return Err(StepError::parameter("p", "from 0 to 0.5", p));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Bounds {
    bounds: Vec<(String, [f64; 2])>,
    mark: Option<String>,
}

impl Step for Bounds {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        super::infer_table(input)
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        let mut table = item.into_table()?;
        let mut marks = vec![0.0; table.rows];
        for (name, [lower, upper]) in &self.bounds {
            let numbers = columns::numbers_mut(&mut table, name)?;
            for (number, mark) in numbers.iter_mut().zip(&mut marks) {
                match self.mark {
                    Some(_) if *number < *lower || *number > *upper => *mark = 1.0,
                    Some(_) => {}
                    None => *number = number.clamp(*lower, *upper),
                }
            }
        }
        if let Some(name) = &self.mark {
            columns::append(&mut table, name, Series::Numbers(marks))?;
        }
        Ok(Item::Table(table))
    }
}
