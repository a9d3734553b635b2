//! `normalize_text`: one spelling for texts that mean the same.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::each_text;
use crate::{Context, Files, Item, ItemType, Spec, Step, StepError};

/// `{ op = "normalize_text", form = "nfkc", lower = true, strip = true }`, in this order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormalizeText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    form: Option<Form>,
    /// Whether capital letters become small ones.
    #[serde(default)]
    lower: bool,
    /// Whether white space at both ends is taken away.
    #[serde(default)]
    strip: bool,
}

/// A normal form of Unicode (<https://www.unicode.org/reports/tr15/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
}

impl Spec for NormalizeText {
    const OP: &'static str = "normalize_text";
    const SUMMARY: &'static str = "Unicode normal form, small letters, no white space at the ends";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        Ok(Box::new(self))
    }
}

impl Step for NormalizeText {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        input.each(|item| item.demand("text", *item == ItemType::Text).map(|()| item.clone()))
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        each_text(item, |text| {
            let mut text = match self.form {
                None => text,
                Some(Form::Nfc) => text.nfc().collect(),
                Some(Form::Nfd) => text.nfd().collect(),
                Some(Form::Nfkc) => text.nfkc().collect(),
                Some(Form::Nfkd) => text.nfkd().collect(),
            };
            if self.lower {
                text = text.to_lowercase();
            }
            if self.strip {
                text = text.trim().to_owned();
            }
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;

    #[test]
    fn forms_case_and_white_space_are_unified_in_this_order() {
        let spec = NormalizeText { form: Some(Form::Nfkc), lower: true, strip: true };
        let text =
            Text { first: "\u{3000}ＡＢ ① e\u{301}\n".to_owned(), second: Some(" Ǆ ".to_owned()) };
        let item = spec.apply(Item::Text(text), &mut Context::default()).unwrap();
        let expected = Text { first: "ab 1 é".to_owned(), second: Some("dž".to_owned()) };
        assert_eq!(item, Item::Text(expected));
    }
}
