//! `generic_label`: classes that a model is not sure of get a name that says less.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Class, Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "generic_label", below = 0.5, otherwise = "unknown" }`, behind `labels`
///
/// A class is first renamed as `rename` says. If its score is below its threshold in `thresholds` (by the name that
/// it had before), or below `below` where it has none, it gets the name of the group in `groups` that it belongs to, or
/// else `otherwise`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenericLabel {
    below: f64,
    otherwise: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    thresholds: BTreeMap<String, f64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    rename: BTreeMap<String, String>,
    /// Names of classes, by the name that stands for all of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    groups: BTreeMap<String, Vec<String>>,
}

impl Spec for GenericLabel {
    const OP: &'static str = "generic_label";
    const SUMMARY: &'static str = "classes that the model is not sure of get a name that says less";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if let Some(threshold) = self.thresholds.values().chain([&self.below]).find(|value| value.is_nan()) {
            return Err(StepError::parameter("below", "a number", threshold));
        }
        Ok(Box::new(self))
    }
}

impl GenericLabel {
    fn name(&self, class: Class) -> Result<Class, StepError> {
        let Some(label) = class.label else {
            return Err(StepError::kind("classes with names; put 'labels' before", "one without"));
        };
        let threshold = self.thresholds.get(&label).unwrap_or(&self.below);
        let is_sure = class.score >= *threshold as f32;
        let renamed = self.rename.get(&label).cloned().unwrap_or(label);
        let label = if is_sure { renamed } else { self.group(&renamed) };
        Ok(Class { label: Some(label), ..class })
    }

    fn group(&self, label: &str) -> String {
        let group = self.groups.iter().find(|(_, labels)| labels.iter().any(|member| member == label));
        group.map_or(&self.otherwise, |(group, _)| group).clone()
    }
}

impl Step for GenericLabel {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        input.each(|item| item.demand("classes", *item == ItemType::Classes).map(|()| item.clone()))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        item.each(|item| match item {
            Item::Classes(classes) => {
                classes.into_iter().map(|class| self.name(class)).collect::<Result<_, _>>().map(Item::Classes)
            }
            other => Err(StepError::kind("classes", other.ty())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_go_by_the_old_name_and_groups_by_the_new_one() {
        let step: GenericLabel = toml::from_str(
            "below = 0.5\notherwise = \"unknown\"\nthresholds = { r = 0.9 }\n\
             rename = { noise = \"txt\" }\ngroups = { txt = [\"r\", \"c\", \"txt\"] }",
        )
        .unwrap();
        let named = |label: &str, score| {
            let class = Class { index: 0, score, label: Some(label.to_owned()) };
            step.name(class).unwrap().label.unwrap()
        };
        assert_eq!([named("r", 0.9), named("r", 0.89), named("c", 0.5)], ["r", "txt", "c"]);
        assert_eq!([named("png", 0.49), named("noise", 0.9), named("noise", 0.1)], ["unknown", "txt", "txt"]);
        let nameless = Class { index: 0, score: 1.0, label: None };
        let problem = step.name(nameless).unwrap_err().to_string();
        assert_eq!(problem, "expected classes with names; put 'labels' before, got one without");
    }
}
