//! `nms`: of objects that lie over each other the surest stay.
//!
//! Hard suppression is that of the ONNX operator NonMaxSuppression; soft suppression that of N. Bodla et al.,
//! "Soft-NMS: Improving Object Detection With One Line of Code", ICCV 2017.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::overlap::intersection_over_union;
use super::rows::descending;
use crate::{Context, Files, Item, ItemType, Object, Spec, Step, StepError};

/// How many of the surest objects are looked at.
const MAX_CANDIDATES: usize = 30_000;

/// `{ op = "nms", iou = 0.5 }`: an object goes when it shares more than `iou` of its area with a surer one of its class
/// (of any class with `per_class = false`). With `soft = "linear"` or `"gaussian"` its score falls instead, and it goes
/// when that is below `score`. Regions that are no boxes are judged by the boxes around them. Only the 30000 surest
/// objects are looked at, at most `max_objects` stay.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Nms {
    iou: f32,
    /// Objects below this are dropped.
    score: f32,
    per_class: bool,
    max_objects: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    soft: Option<Decay>,
    /// Of the Gaussian decay.
    sigma: f32,
}

/// How scores fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decay {
    /// By what is shared, where that is more than `iou`.
    Linear,
    /// By exp(-shared² / sigma).
    Gaussian,
}

impl Default for Nms {
    fn default() -> Self {
        Self { iou: 0.5, score: 0.0, per_class: true, max_objects: 300, soft: None, sigma: 0.5 }
    }
}

impl Spec for Nms {
    const OP: &'static str = "nms";
    const SUMMARY: &'static str =
        "of objects that lie over each other the surest stay, or the scores of the others fall";

    fn build(self, _: &dyn Files) -> Result<Box<dyn Step>, StepError> {
        if !(0.0..=1.0).contains(&self.iou) {
            return Err(StepError::parameter("iou", "a number from 0 to 1", self.iou));
        }
        if !self.score.is_finite() {
            return Err(StepError::parameter("score", "a finite number", self.score));
        }
        if !(self.sigma.is_finite() && self.sigma > 0.0) {
            return Err(StepError::parameter("sigma", "a positive number", self.sigma));
        }
        match self.max_objects {
            0 => Err(StepError::parameter("max_objects", "at least 1", 0)),
            _ => Ok(Box::new(self)),
        }
    }
}

impl Step for Nms {
    fn infer(&self, input: &ItemType) -> Result<ItemType, StepError> {
        input.each(|item| {
            item.demand("objects", *item == ItemType::Objects)?;
            Ok(ItemType::Objects)
        })
    }

    fn apply(&self, item: Item, _: &mut Context) -> Result<Item, StepError> {
        item.each(|item| match item {
            Item::Objects(objects) => Ok(Item::Objects(self.suppress(objects))),
            other => Err(StepError::kind("objects", other.ty())),
        })
    }
}

impl Nms {
    fn suppress(&self, mut objects: Vec<Object>) -> Vec<Object> {
        objects.retain(|object| object.score >= self.score);
        objects.sort_by(|a, b| descending(a.score, b.score));
        objects.truncate(MAX_CANDIDATES);
        let mut groups = BTreeMap::<Option<usize>, Vec<Object>>::new();
        for object in objects {
            let class = object.class.as_ref().map(|class| class.index).filter(|_| self.per_class);
            groups.entry(class).or_default().push(object);
        }
        let kept = groups.into_values().flat_map(|group| match self.soft {
            None => self.hard(group),
            Some(decay) => self.soft(group, decay),
        });
        let mut kept: Vec<Object> = kept.collect();
        kept.sort_by(|a, b| descending(a.score, b.score));
        kept.truncate(self.max_objects);
        kept
    }

    /// `objects` are sorted, the surest first.
    fn hard(&self, objects: Vec<Object>) -> Vec<Object> {
        let mut kept: Vec<Object> = Vec::new();
        let mut bounds: Vec<[f32; 4]> = Vec::new();
        for object in objects {
            let own = object.region.bounds();
            if bounds.iter().all(|other| intersection_over_union(*other, own) <= self.iou) {
                bounds.push(own);
                kept.push(object);
            }
            if kept.len() == self.max_objects {
                break;
            }
        }
        kept
    }

    fn soft(&self, mut objects: Vec<Object>, decay: Decay) -> Vec<Object> {
        let mut kept = Vec::new();
        while kept.len() < self.max_objects {
            let surest = objects.iter().enumerate().reduce(|best, next| {
                if descending(next.1.score, best.1.score).is_lt() { next } else { best }
            });
            let Some((index, _)) = surest else { break };
            // The order of the rest decides between equal scores, so it is kept.
            let best = objects.remove(index);
            let bounds = best.region.bounds();
            for object in &mut objects {
                let shared = intersection_over_union(bounds, object.region.bounds());
                let factor = match decay {
                    Decay::Linear if shared <= self.iou => 1.0,
                    Decay::Linear => 1.0 - shared,
                    Decay::Gaussian => (-shared * shared / self.sigma).exp(),
                };
                set_score(object, object.score * factor);
            }
            objects.retain(|object| object.score >= self.score);
            kept.push(best);
        }
        kept
    }
}

fn set_score(object: &mut Object, score: f32) {
    object.score = score;
    if let Some(class) = &mut object.class {
        class.score = score;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, Region};

    fn object(x: f32, class: usize, score: f32) -> Object {
        let region = Region::Box { x1: x, y1: 0.0, x2: x + 10.0, y2: 10.0 };
        Object { class: Some(Class { index: class, score, label: None }), ..Object::new(region, score) }
    }

    #[test]
    fn classes_do_not_suppress_each_other_unless_asked_to() {
        let objects =
            vec![object(1.0, 0, 0.5), object(0.0, 0, 0.9), object(0.0, 1, 0.6), object(50.0, 0, 0.1)];
        let scores = |nms: Nms| nms.suppress(objects.clone()).iter().map(|o| o.score).collect::<Vec<_>>();
        assert_eq!(scores(Nms::default()), [0.9, 0.6, 0.1]);
        assert_eq!(scores(Nms { per_class: false, ..Nms::default() }), [0.9, 0.1]);
        assert_eq!(scores(Nms { score: 0.2, max_objects: 1, ..Nms::default() }), [0.9]);
    }

    #[test]
    fn soft_suppression_lets_scores_fall() {
        let objects = vec![object(0.0, 0, 0.9), object(5.0, 0, 0.6)];
        let nms = Nms { iou: 0.3, soft: Some(Decay::Linear), ..Nms::default() };
        let kept = nms.suppress(objects.clone());
        assert!((kept[1].score - 0.4).abs() < 1e-6 && kept[1].class.as_ref().unwrap().score == kept[1].score);
        let gaussian = Nms { soft: Some(Decay::Gaussian), ..nms }.suppress(objects);
        assert!((gaussian[1].score - 0.6 * (-1.0f32 / 9.0 / 0.5).exp()).abs() < 1e-6);
    }

    #[test]
    fn tens_of_thousands_of_objects_take_no_time() {
        let objects: Vec<_> = (0..100_000).map(|i| object(i as f32 * 20.0, i % 3, i as f32 / 1e5)).collect();
        for soft in [None, Some(Decay::Linear)] {
            let kept = Nms { soft, ..Nms::default() }.suppress(objects.clone());
            assert_eq!(kept.len(), 300);
        }
    }
}
