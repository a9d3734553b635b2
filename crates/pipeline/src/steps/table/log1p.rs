//! `log1p`: the logarithm of one more, for numbers that spread over several magnitudes.

use serde::{Deserialize, Serialize};

use super::change::{Change, Changes};
use crate::{Files, Spec, Step, StepError};

/// `{ op = "log1p", columns = ["income"] }`; all columns of numbers without `columns`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log1p {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
}

impl Spec for Log1p {
    const OP: &'static str = "log1p";
    const SUMMARY: &'static str = "the natural logarithm of one more than each number";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(Changes::alike(self.columns, Logarithm)?))
    }
}

#[derive(Clone, Debug)]
struct Logarithm;

impl Change for Logarithm {
    fn of(&self, number: f64) -> Result<f64, String> {
        if number > -1.0 { Ok(number.ln_1p()) } else { Err("a number above -1".to_owned()) }
    }
}
