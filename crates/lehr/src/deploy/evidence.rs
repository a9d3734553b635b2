//! Whether one version of a model computes what another does.

use lehr_graph::Datum;

use super::DeployError;
use super::runner::{Feeder, Runner};
use crate::comparison::{agree, difference};

/// Runs both on every example; the largest max|a−b| / max|b| of any output.
///
/// # Errors
/// [`DeployError::Differs`] for the first output that is further apart than `tolerance`.
pub fn largest_difference(
    feeder: &Feeder<'_>,
    before: &mut Runner,
    after: &mut Runner,
    tolerance: f64,
    mut progress: impl FnMut(usize),
) -> Result<f64, DeployError> {
    let mut largest = 0.0f64;
    for index in 0..feeder.count() {
        let fed = feeder.feed(index)?;
        let (expected, got) = (before.run(&fed)?, after.run(&fed)?);
        for (name, expected) in &expected {
            let differs = |problem: String| DeployError::Differs {
                example: feeder.name(index),
                output: name.clone(),
                problem,
            };
            let got = got.iter().find(|(own, _)| own == name).map(|(_, value)| value);
            let got = got.ok_or_else(|| differs("it was not computed".to_owned()))?;
            agree(got, expected, tolerance).map_err(differs)?;
            largest = largest.max(ratio(got, expected));
        }
        progress(index + 1);
    }
    Ok(largest)
}

fn ratio(got: &Datum, expected: &Datum) -> f64 {
    let pair = got.as_tensor().zip(expected.as_tensor());
    pair.and_then(|(got, expected)| difference(got, expected).ok()).map_or(0.0, |found| found.max_rel)
}
