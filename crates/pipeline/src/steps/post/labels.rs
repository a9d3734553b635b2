//! `labels`: classes get their names.

use serde::{Deserialize, Serialize};

use crate::{Class, Context, Files, Item, ItemType, Object, Spec, Step, StepError};

/// `{ op = "labels", file = "labels.txt" }` with one name in each line, or `{ op = "labels", names = ["cat", "dog"] }`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Vec<String>>,
}

impl Spec for Labels {
    const OP: &'static str = "labels";
    const SUMMARY: &'static str = "classes and objects get their names";

    fn build(self, files: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match (self.file, self.names) {
            (Some(file), None) => Ok(Box::new(Named { names: lines(&file, files)? })),
            (None, Some(names)) => Ok(Box::new(Named { names })),
            _ => Err(StepError::parameter("file", "either 'file' or 'names'", "both or none")),
        }
    }
}

fn lines(file: &str, files: &dyn Files) -> Result<Vec<String>, StepError> {
    let bytes = files.read(file)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| StepError::file(file, error))?;
    Ok(text.lines().map(|line| line.trim().to_owned()).collect())
}

#[derive(Debug)]
struct Named {
    names: Vec<String>,
}

impl Named {
    fn name(&self, class: Class) -> Result<Class, StepError> {
        match self.names.get(class.index) {
            Some(name) => Ok(Class { label: Some(name.clone()), ..class }),
            None => {
                let count = self.names.len();
                Err(StepError::malformed(format!(
                    "class {} has no name: there are {count} names",
                    class.index
                )))
            }
        }
    }

    fn object(&self, object: Object) -> Result<Object, StepError> {
        Ok(Object { class: object.class.map(|class| self.name(class)).transpose()?, ..object })
    }
}

impl Step for Named {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        input.each(|item| {
            item.demand("classes or objects", matches!(item, ItemType::Classes | ItemType::Objects))?;
            Ok(item.clone())
        })
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        item.each(|item| match item {
            Item::Classes(classes) => {
                classes.into_iter().map(|class| self.name(class)).collect::<Result<_, _>>().map(Item::Classes)
            }
            Item::Objects(objects) => objects
                .into_iter()
                .map(|object| self.object(object))
                .collect::<Result<_, _>>()
                .map(Item::Objects),
            other => Err(StepError::kind("classes or objects", other.ty())),
        })
    }
}
