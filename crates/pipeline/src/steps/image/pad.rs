//! `pad`: a picture gets an edge.

use serde::{Deserialize, Serialize};

use super::window::{Anchor, Fill, Window, cut};
use crate::{Context, Files, ImageType, Item, ItemType, Spec, Step, StepError};

/// `{ op = "pad", left = 1, right = 1, top = 2, bottom = 2, value = 114 }`, `{ op = "pad", size = [640, 640] }`,
/// `{ op = "pad", min_size = [48, 320] }` or `{ op = "pad", multiple_of = 32, anchor = "center" }`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    right: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    top: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bottom: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<[usize; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_size: Option<[usize; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    multiple_of: Option<usize>,
    #[serde(default)]
    anchor: Anchor,
    #[serde(default)]
    value: Fill,
}

impl Spec for Pad {
    const OP: &'static str = "pad";
    const SUMMARY: &'static str = "an edge around a picture: of given widths, up to a size or to a multiple";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        let edges = [self.left, self.top, self.right, self.bottom];
        let rule = match (edges.iter().any(Option::is_some), self.size, self.min_size, self.multiple_of) {
            (true, None, None, None) => Rule::Edges(edges.map(|edge| edge.unwrap_or(0))),
            (false, Some([height, width]), None, None) => Rule::Size { width, height },
            (false, None, Some([height, width]), None) => Rule::AtLeast { width, height },
            (false, None, None, Some(multiple)) if multiple > 0 => Rule::Multiple(multiple),
            (false, None, None, Some(multiple)) => {
                return Err(StepError::parameter("multiple_of", "at least 1", multiple));
            }
            _ => {
                return Err(StepError::parameter(
                    "size",
                    "either some of 'left', 'right', 'top' and 'bottom', or 'size', or 'min_size', or 'multiple_of'",
                    "another choice",
                ));
            }
        };
        Ok(Box::new(Padding { rule, anchor: self.anchor, fill: self.value }))
    }
}

#[derive(Debug)]
struct Padding {
    rule: Rule,
    anchor: Anchor,
    fill: Fill,
}

#[derive(Debug)]
enum Rule {
    /// Left, top, right, bottom.
    Edges([usize; 4]),
    Size {
        width: usize,
        height: usize,
    },
    /// As [`Rule::Size`], but larger pictures stay as they are.
    AtLeast {
        width: usize,
        height: usize,
    },
    Multiple(usize),
}

impl Padding {
    /// What a picture of this size becomes, as a window over it.
    fn window(&self, width: usize, height: usize) -> Result<Window, StepError> {
        let (to_width, to_height) = match self.rule {
            Rule::Edges([left, top, right, bottom]) => {
                let window = edges(width, left, right).zip(edges(height, top, bottom)).map(|(x, y)| Window {
                    left: x.0,
                    width: x.1,
                    top: y.0,
                    height: y.1,
                });
                return window.ok_or_else(|| StepError::malformed("the edges of the picture are too wide"));
            }
            Rule::Size { width, height } => (width, height),
            Rule::AtLeast { width: least_width, height: least_height } => {
                (width.max(least_width), height.max(least_height))
            }
            Rule::Multiple(multiple) => (up_to_multiple(width, multiple), up_to_multiple(height, multiple)),
        };
        if to_width < width || to_height < height {
            return Err(StepError::kind(
                format!("a picture of at most {to_width}×{to_height} pixels"),
                format!("one of {width}×{height} pixels"),
            ));
        }
        Ok(self.anchor.window((width, height), (to_width, to_height)))
    }
}

/// Where an axis with edges begins, and its length.
fn edges(size: usize, before: usize, after: usize) -> Option<(i64, usize)> {
    let start = i64::try_from(before).ok()?;
    Some((-start, size.checked_add(before)?.checked_add(after)?))
}

/// The next multiple; a size without one stays and is refused with the area.
fn up_to_multiple(size: usize, multiple: usize) -> usize {
    size.checked_next_multiple_of(multiple).unwrap_or(usize::MAX)
}

impl Step for Padding {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        let image = input.image()?;
        let (width, height) = match (&self.rule, image.width, image.height) {
            (_, Some(width), Some(height)) => {
                let window = self.window(width, height)?;
                (Some(window.width), Some(window.height))
            }
            (Rule::Size { width, height }, ..) => (Some(*width), Some(*height)),
            _ => (None, None),
        };
        Ok(ItemType::Image(ImageType { width, height, ..image }))
    }

    fn apply(&self, item: Item, context: &mut Context) -> Result<Item, StepError> {
        let image = item.into_image()?;
        let window = self.window(image.width(), image.height())?;
        cut(image, window, &self.fill, context).map(Item::Image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_gives_its_window() {
        let window = |rule, anchor, size: (usize, usize)| {
            Padding { rule, anchor, fill: Fill::default() }.window(size.0, size.1)
        };
        let expected = |left, top, width, height| Window { left, top, width, height };
        let edges = Rule::Edges([1, 2, 3, 4]);
        assert_eq!(window(edges, Anchor::TopLeft, (10, 10)).unwrap(), expected(-1, -2, 14, 16));
        let size = Rule::Size { width: 13, height: 12 };
        assert_eq!(window(size, Anchor::Center, (10, 10)).unwrap(), expected(-1, -1, 13, 12));
        let multiple = Rule::Multiple(32);
        assert_eq!(window(multiple, Anchor::TopLeft, (33, 32)).unwrap(), expected(0, 0, 64, 32));
        assert!(window(Rule::Size { width: 9, height: 12 }, Anchor::Center, (10, 10)).is_err());
        assert!(window(Rule::Edges([usize::MAX; 4]), Anchor::Center, (10, 10)).is_err());
    }
}
