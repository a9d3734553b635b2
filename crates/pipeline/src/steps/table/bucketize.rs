//! `bucketize`: the number of the bucket that a number falls into, by edges that are given.

use serde::{Deserialize, Serialize};

use super::bins::Bins;
use super::change::Changes;
use crate::{Files, Spec, Step, StepError};

/// `{ op = "bucketize", columns = ["age"], edges = [18, 30, 65] }`: 0 below the first edge, 1 from it on, and so on; for
/// all columns of numbers without `columns`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucketize {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    edges: Vec<f64>,
}

impl Spec for Bucketize {
    const OP: &'static str = "bucketize";
    const SUMMARY: &'static str = "the number of the bucket that each number falls into, by given edges";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(Changes::alike(self.columns, Bins::new(self.edges)?)?))
    }
}
