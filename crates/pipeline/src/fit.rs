//! Fitting: sets the stored numbers of steps from data, once, before a pipeline is used.

use crate::manifest::Manifest;
use crate::pipeline::declared;
use crate::{Context, Files, Item, PipelineError, Place, Side, StepError};

/// The manifest with all fitted parameters of input `name` (the only one without a name) set to what `data` says.
///
/// # Errors
/// When there is no such input, or with the step that can not be fitted or applied.
pub fn fit(
    mut manifest: Manifest,
    name: Option<&str>,
    data: Item,
    files: &dyn Files,
) -> Result<Manifest, PipelineError> {
    let names: Vec<_> = manifest.inputs.iter().map(|input| input.name.clone()).collect();
    let mut matching = manifest.inputs.iter_mut().filter(|input| name.is_none_or(|name| name == input.name));
    let (Some(input), None) = (matching.next(), matching.next()) else {
        return Err(PipelineError::Mismatch(format!(
            "say which input is to be fitted: {}",
            names.join(", ")
        )));
    };
    let input_name = input.name.clone();
    input.steps = input.all_steps()?;
    input.preset = None;
    let mut context = Context { source: "data".to_owned(), ..Context::default() };
    let mut item = data;
    for (index, parameters) in input.steps.iter_mut().enumerate() {
        let mut own = parameters.clone();
        let (step, place) = declared(Side::Input, &input_name, index, &mut own)?;
        let failed = |error: StepError| build_error(&place, error);
        let fitted = step.fit(own, &item).map_err(failed)?;
        let built = step.build(fitted.clone(), files).map_err(failed)?;
        item = built.apply(item, &mut context).map_err(failed)?;
        *parameters = [("op".to_owned(), toml::Value::from(step.op))].into_iter().chain(fitted).collect();
    }
    Ok(manifest)
}

fn build_error(place: &Place, error: StepError) -> PipelineError {
    PipelineError::Build { place: Box::new(place.clone()), error: Box::new(error) }
}
