//! Merges BatchNormalization that found no weights to go into with the multiplication or addition of constants, or the other
//! BatchNormalization, before or behind it: two steps `scale · x + shift` of each channel are one. What only multiplies
//! or only adds becomes Mul or Add, which merge with more.

use std::sync::Arc;

use lehr_graph::{Flags, Graph, NodeId, PatchBuilder, PatchValue, ValueId};
use lehr_ops::{add::Add, batch_normalization::BatchNormalization, mul::Mul, neg::Neg};
use lehr_tensor::{DataType, Tensor};

use crate::affine::{Affine, ScaleShift};
use crate::constants::{finite, floats};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergeAffineIntoBatchNorm;

impl Rewrite for MergeAffineIntoBatchNorm {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_affine_into_batch_norm",
            doc: "merges constant factors and offsets with the BatchNormalization next to them",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.flags().contains(Flags::ELEMENTWISE) || op.is::<Neg>() || op.is::<BatchNormalization>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let step = Affine::of(graph, found.root()).ok_or(Reject::NoEffect)?;
        let earlier = earlier(graph, &step)?;
        let input = earlier.as_ref().map_or(step.input, |earlier| earlier.input);
        let channels = Channels::of(graph, input)?;
        let own = step.along(channels.rank, 1, channels.count)?;
        let whole = match &earlier {
            Some(earlier) => own.after(&earlier.along(channels.rank, 1, channels.count)?),
            None if own.is_scale() || own.is_shift() => own,
            None => return Err(Reject::NoEffect),
        };
        let new = emit(patch, input, &channels, &whole)?;
        patch.replace(step.output, new);
        Ok(())
    }
}

/// The step before, which merges with this one; nothing when there is only this one.
fn earlier<'g>(graph: &'g Graph, step: &Affine<'g>) -> Result<Option<Affine<'g>>, Reject> {
    let earlier = graph.producer(step.input).and_then(|id| Affine::of(graph, id));
    let merges = |earlier: &Affine<'_>| earlier.is_batch_norm() || step.is_batch_norm();
    match earlier.filter(merges) {
        Some(earlier) if graph.value(earlier.output).uses().len() == 1 => {
            expect_one_type(graph, &earlier)?;
            expect_one_type(graph, step)?;
            Ok(Some(earlier))
        }
        Some(_) => Err(Reject::because("the value between is also read elsewhere")),
        None if step.is_batch_norm() => expect_one_type(graph, step).map(|()| None),
        None => Err(Reject::NoEffect),
    }
}

/// Parameters of more precise types than what they are applied to would be rounded to its type.
fn expect_one_type(graph: &Graph, step: &Affine<'_>) -> Result<(), Reject> {
    let dtype = |value: ValueId| graph.value(value).ty().dtype();
    let producer: Option<NodeId> = graph.producer(step.output);
    let inputs = producer.map(|id| graph.node(id).inputs()).unwrap_or_default();
    match inputs.iter().flatten().all(|&input| dtype(input) == dtype(step.input)) {
        true => Ok(()),
        false => Err(Reject::because("its parameters have another type than what it is applied to")),
    }
}

/// The channels of a value: axis 1.
struct Channels {
    dtype: DataType,
    rank: usize,
    count: usize,
}

impl Channels {
    fn of(graph: &Graph, value: ValueId) -> Result<Self, Reject> {
        let ty = graph.value(value).ty();
        let known = ty.dtype().zip(ty.shape()).and_then(|(dtype, shape)| {
            Some(Self { dtype, rank: shape.rank(), count: shape.get(1)?.as_fixed()? })
        });
        known.ok_or_else(|| Reject::because("the number of channels is not known"))
    }

    fn vector(&self, numbers: &[f64]) -> Result<Tensor, Reject> {
        let tensor = floats(self.dtype, &[self.count], numbers.to_vec())?;
        finite(&tensor)?;
        Ok(tensor)
    }

    /// As an operand of the whole value.
    fn column(&self, numbers: &[f64]) -> Result<Tensor, Reject> {
        let mut shape = vec![1; self.rank.saturating_sub(1)];
        shape.first_mut().into_iter().for_each(|first| *first = self.count);
        self.vector(numbers)?.reshape(&shape).map_err(|error| Reject::because(error.to_string()))
    }
}

fn emit(
    patch: &mut PatchBuilder<'_>,
    input: ValueId,
    channels: &Channels,
    whole: &ScaleShift,
) -> Result<PatchValue, Reject> {
    let x = PatchValue::from(input);
    if whole.is_scale() {
        let scale = patch.constant(channels.column(&whole.scale)?);
        return Ok(patch.call(Mul {}, &[x, scale])?);
    }
    if whole.is_shift() {
        let shift = patch.constant(channels.column(&whole.shift)?);
        return Ok(patch.call(Add {}, &[x, shift])?);
    }
    let (zeros, ones) = (vec![0.0; channels.count], vec![1.0; channels.count]);
    let mut inputs = vec![Some(x)];
    for numbers in [&whole.scale, &whole.shift, &zeros, &ones] {
        inputs.push(Some(patch.constant(channels.vector(numbers)?)));
    }
    let op = BatchNormalization { epsilon: 0.0, momentum: 0.9, training_mode: false };
    patch.node(Arc::new(op), &inputs, 1)?.first().copied().ok_or(Reject::NoEffect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    /// s = 1, 4; b - m · s = -0.5, -17
    const NORM: &str = "BatchNormalization(%h, %g, %b, %m, %v) {epsilon = 0.0}";

    fn before(body: &str) -> String {
        format!(
            "graph {{ input %x: f32[N,2,3] const %g = f32[2] [3, 2] const %b = f32[2] [0.5, -1]
            const %m = f32[2] [1, 4] const %v = f32[2] [9, 0.25] const %z = f32[2] [0, 0]
            const %two = f32[] [2] const %c = f32[2,1] [10, 20] const %row = f32[3] [1, 2, 3] {body} output %y }}"
        )
    }

    fn norm(scale: &str, shift: &str) -> String {
        format!(
            "graph {{ input %x: f32[N,2,3] const %s = f32[2] [{scale}] const %t = f32[2] [{shift}]
            const %z = f32[2] [0, 0] const %o = f32[2] [1, 1]
            %y = BatchNormalization(%x, %s, %t, %z, %o) {{epsilon = 0.0}} output %y }}"
        )
    }

    #[test]
    fn steps_before_and_behind_merge() {
        for (body, scale, shift) in [
            (format!("%h = Mul(%x, %c) %y = {NORM}"), "10, 80", "-0.5, -17"),
            (format!("%h = Add(%c, %x) %y = {NORM}"), "1, 4", "9.5, 63"),
            (format!("%h = Sub(%two, %x) %y = {NORM}"), "-1, -4", "1.5, -9"),
            (format!("%k = {} %y = Mul(%k, %two)", NORM.replace("%h", "%x")), "2, 8", "-1, -34"),
            (format!("%k = {} %y = Neg(%k)", NORM.replace("%h", "%x")), "-1, -4", "0.5, 17"),
            (format!("%h = {} %y = {NORM}", NORM.replace("%h", "%x")), "1, 16", "-1, -85"),
            (format!("%h = Mul(%x, %c) %k = {NORM} %y = Add(%k, %c)"), "10, 80", "9.5, 3"),
        ] {
            assert_rewrites_within(
                || Rewriter(MergeAffineIntoBatchNorm),
                &before(&body),
                &norm(scale, shift),
            );
        }
    }

    #[test]
    fn what_only_multiplies_or_only_adds_is_mul_or_add() {
        for (body, after) in [
            ("%y = BatchNormalization(%x, %g, %z, %z, %v) {epsilon = 0.0}", "[1, 4] %y = Mul(%x, %c)"),
            ("%y = BatchNormalization(%x, %m, %b, %z, %mm) {epsilon = 0.0}", "[0.5, -1] %y = Add(%x, %c)"),
        ] {
            let before = before(&format!("const %mm = f32[2] [1, 16] {body}"));
            let after = format!("graph {{ input %x: f32[N,2,3] const %c = f32[2,1] {after} output %y }}");
            assert_rewrites_within(|| Rewriter(MergeAffineIntoBatchNorm), &before, &after);
        }
    }

    #[test]
    fn others_stay() {
        for (body, reason) in [
            (format!("%h = Abs(%x) %y = {NORM}"), None),
            ("%h = Mul(%x, %c) %y = Add(%h, %c)".to_owned(), None),
            (format!("%h = Mul(%x, %row) %y = {NORM}"), Some("differ along axis 1")),
            (format!("%h = Mul(%x, %c) %y = {NORM} output %h"), Some("read elsewhere")),
        ] {
            assert_unchanged(|| Rewriter(MergeAffineIntoBatchNorm), &before(&body), reason);
        }
        let half = before(&format!("%h = Mul(%x, %c) %y = {NORM}"));
        let half = half.replace("%x: f32", "%x: f16").replace("%c = f32", "%c = f16");
        assert_unchanged(|| Rewriter(MergeAffineIntoBatchNorm), &half, Some("another type"));
    }
}
