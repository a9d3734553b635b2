//! `split_pair`: a text becomes a pair of texts, for models that compare two.

use serde::{Deserialize, Serialize};

use crate::{Context, Files, Item, ItemType, Spec, Step, StepError, Text};

/// `{ op = "split_pair", at = "\t" }`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitPair {
    at: String,
}

impl Spec for SplitPair {
    const OP: &'static str = "split_pair";
    const SUMMARY: &'static str = "a text becomes a pair of texts, cut where a separator first occurs";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        match self.at.as_str() {
            "" => Err(StepError::parameter("at", "at least one character", "none")),
            _ => Ok(Box::new(self)),
        }
    }
}

impl Step for SplitPair {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        input.each(|item| item.demand("text", *item == ItemType::Text).map(|()| item.clone()))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        item.each(|item| match item {
            // Whoever gives a pair has split it already.
            Item::Text(text) if text.second.is_some() => Ok(Item::Text(text)),
            Item::Text(text) => match text.first.split_once(&self.at) {
                Some((first, second)) => {
                    Ok(Item::Text(Text { first: first.to_owned(), second: Some(second.to_owned()) }))
                }
                None => {
                    Err(StepError::malformed(format!("expected two texts with {:?} between them", self.at)))
                }
            },
            other => Err(StepError::kind("text", other.ty())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_divides_and_its_absence_is_an_error() {
        let spec = SplitPair { at: "\t".to_owned() };
        let text = |text: &str| Item::Text(Text { first: text.to_owned(), second: None });
        let pair = Item::Text(Text { first: "a".to_owned(), second: Some("b\tc".to_owned()) });
        assert_eq!(spec.apply(text("a\tb\tc"), &mut Context::default()).unwrap(), pair);
        assert_eq!(spec.apply(pair.clone(), &mut Context::default()).unwrap(), pair);
        let problem = spec.apply(text("ab"), &mut Context::default()).unwrap_err().to_string();
        assert_eq!(problem, r#"expected two texts with "\t" between them"#);
    }
}
