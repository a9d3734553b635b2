//! `NonMaxSuppression`: <https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html>

use lehr_graph::{Dim, EvalCx, InferCx, Op, OpError, Shape, declare_op};
use lehr_tensor::{DataType, Tensor};

declare_op! {
    /// Per batch and class, the boxes (input 0 `[N, boxes, 4]`) in order of their scores (input 1 `[N, classes, boxes]`)
    /// that overlap no better one too much: rows of batch, class, box. Inputs 2 to 4: most boxes per class (default 0),
    /// the overlap (default 0) and the score that must be exceeded.
    pub struct NonMaxSuppression("", "NonMaxSuppression", 11) inputs(2, 5) outputs(1, 1) flags() {
        /// Boxes are centre x, centre y, width and height instead of two corners (y, x, y, x).
        center_point_box: bool = false,
    }
}

/// Corners: least x, least y, most x, most y.
type Corners = [f32; 4];

impl Op for NonMaxSuppression {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        cx.dtype(0)?;
        cx.dtype(1)?;
        cx.set_tensor(0, Some(DataType::I64), Some(Shape::from([Dim::Unknown, Dim::Fixed(3)])));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let (boxes, scores) = (cx.tensor(0)?, cx.tensor(1)?);
        let (&[n, count, 4], &[batch, classes, columns]) = (boxes.shape(), scores.shape()) else {
            return Err(OpError::shape(format!(
                "expected boxes [N,boxes,4] and scores [N,classes,boxes], got {:?} and {:?}",
                boxes.shape(),
                scores.shape()
            )));
        };
        if n != batch || count != columns {
            return Err(OpError::shape(format!("{count} boxes of {n} and scores for {columns} of {batch}")));
        }
        let most = cx.optional_ints(2)?.and_then(|v| v.first().copied()).unwrap_or(0);
        let most = usize::try_from(most).unwrap_or(0);
        let number = |index: usize| -> Result<Option<f32>, OpError> {
            let Some(tensor) = cx.optional_tensor(index)? else { return Ok(None) };
            Ok(tensor.as_slice::<f32>()?.first().copied())
        };
        let overlap = number(3)?.unwrap_or(0.0);
        let least = number(4)?;
        let corners: Vec<Corners> = boxes
            .as_slice::<f32>()?
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| corners(*b, self.center_point_box))
            .collect();
        let scores = scores.as_slice::<f32>()?;
        let mut rows: Vec<i64> = Vec::new();
        let signed = |v: usize| i64::try_from(v).unwrap_or(i64::MAX);
        for b in 0..if count == 0 { 0 } else { n } {
            for class in 0..classes {
                cx.environment().check()?;
                let own = &scores[(b * classes + class) * count..][..count];
                for index in select(&corners[b * count..][..count], own, most, overlap, least) {
                    rows.extend([signed(b), signed(class), signed(index)]);
                }
            }
        }
        cx.set(0, Tensor::from_vec(&[rows.len() / 3, 3], rows)?);
        Ok(())
    }
}

fn corners([a, b, c, d]: [f32; 4], center_point: bool) -> Corners {
    if center_point {
        [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0]
    } else {
        [b.min(d), a.min(c), b.max(d), a.max(c)]
    }
}

fn select(boxes: &[Corners], scores: &[f32], most: usize, overlap: f32, least: Option<f32>) -> Vec<usize> {
    let mut order: Vec<usize> =
        (0..boxes.len()).filter(|&i| least.is_none_or(|least| scores[i] > least)).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let mut kept: Vec<usize> = Vec::new();
    for index in order {
        if kept.len() >= most {
            break;
        }
        if !kept.iter().any(|&other| intersection_over_union(&boxes[index], &boxes[other]) > overlap) {
            kept.push(index);
        }
    }
    kept
}

/// 0 when the boxes do not meet or one has no area; never above a threshold then, whatever it is.
fn intersection_over_union(a: &Corners, b: &Corners) -> f32 {
    let (width, height) = (a[2].min(b[2]) - a[0].max(b[0]), a[3].min(b[3]) - a[1].max(b[1]));
    if width <= 0.0 || height <= 0.0 {
        return f32::NEG_INFINITY;
    }
    let area = |c: &Corners| (c[2] - c[0]) * (c[3] - c[1]);
    let (first, second, common) = (area(a), area(b), width * height);
    let union = first + second - common;
    if first <= 0.0 || second <= 0.0 || union <= 0.0 { f32::NEG_INFINITY } else { common / union }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    #[test]
    fn keeps_the_best_of_overlapping_boxes() {
        let boxes = [0.0, 0.0, 1.0, 1.0, 0.0, 0.1, 1.0, 1.1, 0.0, 10.0, 1.0, 11.0];
        for (most, least, want) in [(3, None, vec![2, 0]), (1, None, vec![2]), (3, Some(0.92), vec![2])] {
            let case = Case::new(NonMaxSuppression { center_point_box: false })
                .input(f32s(&[1, 3, 4], &boxes))
                .input(f32s(&[1, 1, 3], &[0.9, 0.75, 0.95]))
                .input(i64s(&[1], &[most]))
                .input(f32s(&[1], &[0.5]));
            let case = match least {
                Some(least) => case.input(f32s(&[1], &[least])),
                None => case,
            };
            let rows: Vec<i64> = want.iter().flat_map(|&i| [0, 0, i]).collect();
            case.expect(i64s(&[want.len(), 3], &rows));
        }
    }
}
