//! What a step is, and how one is declared.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Affine, Context, Files, Item, ItemType, StepError};

/// A step that is ready to be applied.
pub trait Step: Debug + Send + Sync {
    /// What the step makes of an item of this kind.
    ///
    /// # Errors
    /// [`StepError::Kind`] and the like when it can not take it.
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError>;

    /// Does it.
    ///
    /// # Errors
    /// Why it can not be done with this item.
    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError>;

    /// What the step does to numbers, if that is affine.
    fn affine(&self) -> Affine {
        Affine::No
    }
}

/// The parameters of a step as `pipeline.toml` spells them, one struct for each `op`.
///
/// Unknown keys must be refused (`#[serde(deny_unknown_fields)]`), and values checked in [`build`](Self::build).
pub trait Spec: Debug + Serialize + DeserializeOwned + Sized {
    /// The name of the step.
    const OP: &'static str;
    /// What it does, in one line.
    const SUMMARY: &'static str;

    /// Checks the parameters and makes the step; files that they name are in `files`.
    ///
    /// # Errors
    /// [`StepError::Parameter`], [`StepError::File`], [`StepError::Unfitted`].
    fn build(self, files: &dyn Files) -> Result<Box<dyn Step>, StepError>;

    /// Sets the fitted parameters, given what the step would be applied to. Steps without any leave it as it is.
    ///
    /// # Errors
    /// Why it can not be fitted to this.
    fn fit(&mut self, data: &Item) -> Result<(), StepError> {
        let _ = data;
        Ok(())
    }
}

type Build = fn(toml::Table, &dyn Files) -> Result<Box<dyn Step>, StepError>;
type Fit = fn(toml::Table, &Item) -> Result<toml::Table, StepError>;

/// A step as the list of all steps knows it.
#[derive(Clone, Copy)]
pub struct Declared {
    /// The name of the step.
    pub op: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    build: Build,
    fit: Fit,
}

impl Declared {
    /// The entry of a step.
    pub const fn of<S: Spec>() -> Self {
        Self { op: S::OP, summary: S::SUMMARY, build: build::<S>, fit: fit::<S> }
    }

    /// Makes the step of its parameters (without `op`).
    ///
    /// # Errors
    /// As [`Spec::build`].
    pub fn build(&self, parameters: toml::Table, files: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        (self.build)(parameters, files)
    }

    /// The parameters with the fitted ones set.
    ///
    /// # Errors
    /// As [`Spec::fit`].
    pub fn fit(&self, parameters: toml::Table, data: &Item) -> Result<toml::Table, StepError> {
        (self.fit)(parameters, data)
    }
}

fn parse<S: Spec>(parameters: toml::Table) -> Result<S, StepError> {
    // The error's first line says what is wrong; its other lines quote a text that the user never wrote.
    let first_line = |error: toml::de::Error| error.message().lines().next().unwrap_or_default().to_owned();
    parameters.try_into().map_err(|error| StepError::Malformed(first_line(error)))
}

fn build<S: Spec>(parameters: toml::Table, files: &dyn Files) -> Result<Box<dyn Step>, StepError> {
    parse::<S>(parameters)?.build(files)
}

fn fit<S: Spec>(parameters: toml::Table, data: &Item) -> Result<toml::Table, StepError> {
    let mut spec = parse::<S>(parameters)?;
    spec.fit(data)?;
    toml::Table::try_from(spec).map_err(StepError::malformed)
}
