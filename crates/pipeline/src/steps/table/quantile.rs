//! `quantile`: the number of the bucket that a number falls into, with about as many numbers in each bucket.

use serde::{Deserialize, Serialize};

use super::bins::Bins;
use super::change::Changes;
use super::{columns, statistics};
use crate::{Files, Item, Spec, Step, StepError};

/// Buckets narrower than this are joined.
const NARROWEST: f64 = 1e-8;

/// The most buckets.
const MAX_BINS: usize = 1 << 16;

/// `{ op = "quantile", bins = 4, columns = ["age"], edges = [[31.0, 40.5, 52.0]] }`
///
/// What is fitted: `edges`, those between the buckets, and `columns` unless given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    bins: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edges: Option<Vec<Vec<f64>>>,
}

impl Spec for Quantile {
    const OP: &'static str = "quantile";
    const SUMMARY: &'static str = "the number of the bucket that each number falls into, by fitted quantiles";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let edges = columns::paired(self.columns, "edges", self.edges)?.into_iter();
        let bins = edges.map(|(name, edges)| Ok((name, Bins::new(edges)?)));
        Ok(Box::new(Changes::Listed(bins.collect::<Result<_, StepError>>()?)))
    }

    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        let bins = self.bins;
        if !(2..=MAX_BINS).contains(&bins) {
            return Err(StepError::parameter("bins", format!("from 2 to {MAX_BINS}"), bins));
        }
        let edges = super::fit_numbers(&mut self.columns, data, |sorted| {
            // By per cent, so that a number on an edge is rounded to the same side as in scikit-learn.
            let step = 100.0 / bins as f64;
            let all = (0..=bins).map(|bin| statistics::quantile(sorted, bin as f64 * step / 100.0));
            inner(all.collect())
        })?;
        self.edges = Some(edges);
        Ok(())
    }
}

/// Rising edges without those that make a bucket too narrow, and without the first and the last.
fn inner(all: Vec<f64>) -> Vec<f64> {
    let mut kept: Vec<f64> = Vec::with_capacity(all.len());
    let mut before = f64::NEG_INFINITY;
    for edge in all {
        if edge - before > NARROWEST {
            kept.push(edge);
        }
        before = edge;
    }
    kept.pop();
    kept.into_iter().skip(1).collect()
}
