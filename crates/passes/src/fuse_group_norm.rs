//! Recognises an instance or layer normalisation between two Reshapes that put groups of channels in the place of the
//! channels as GroupNormalization: `[N, C, …] → [N, G, …] → [N, C, …]`. Scale and bias behind it are merged by
//! [`merge_affine_into_norm`](crate::merge_affine_into_norm).

use lehr_graph::{Graph, Node, PatchBuilder, ValueId};
use lehr_ops::{
    group_normalization::GroupNormalization, instance_normalization::InstanceNormalization,
    layer_normalization::LayerNormalization, reshape::Reshape,
};
use lehr_tensor::{DataType, Tensor};

use crate::affine::rank_of;
use crate::constants::{floats, resolve_axis};
use crate::formula::result;
use crate::normalised_channels::Channels;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, matching, op, uniform_number};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseGroupNorm;

impl Rewrite for FuseGroupNorm {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_group_norm",
            doc: "replaces normalisations of reshaped channels by GroupNormalization",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        let grouped = || op::<Reshape>([any("x")]).and_more().named("grouped");
        let norm =
            matching(|op| op.is::<InstanceNormalization>() || op.is::<LayerNormalization>(), [grouped()]);
        op::<Reshape>([norm.and_more().named("norm")]).and_more()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let (x, y) = (found.value("x"), result(found, graph)?);
        let groups = groups(graph, x, found.value("grouped"), y)?;
        let channels = Channels::of(graph, x)?;
        let norm = graph.node(graph.producer(found.value("norm")).ok_or(Reject::NoEffect)?);
        let (epsilon, [scale, bias]) = parameters(graph, norm, groups, channels.dtype())?;
        let (scale, bias) = (channels.repeated(&scale)?, channels.repeated(&bias)?);
        let inputs = [x.into(), patch.constant(scale), patch.constant(bias)];
        let new = if groups == channels.len() {
            patch.call(InstanceNormalization { epsilon }, &inputs)?
        } else {
            let num_groups = i64::try_from(groups).map_err(|_| Reject::NoEffect)?;
            patch.call(GroupNormalization { epsilon, num_groups, stash_type: DataType::F32 }, &inputs)?
        };
        patch.replace(y, new);
        Ok(())
    }
}

/// The number of groups, where batches stay batches and the result has the shape of the operand.
fn groups(graph: &Graph, x: ValueId, grouped: ValueId, y: ValueId) -> Result<usize, Reject> {
    let unknown = || Reject::because("the shapes around it are not known");
    let shape = |value: ValueId| graph.value(value).ty().shape().ok_or_else(unknown);
    let (before, within, after) = (shape(x)?, shape(grouped)?, shape(y)?);
    if before.equal(after) != Some(true) {
        return Err(Reject::because("the result is not known to have the shape of the operand"));
    }
    let is_batch = |(own, dim): (&lehr_graph::Dim, &lehr_graph::Dim)| own.equal(dim) == Some(true);
    if !before.get(0).zip(within.get(0)).is_some_and(is_batch) {
        return Err(Reject::because("the first axis is not known to keep its size"));
    }
    let groups = within.get(1).and_then(|dim| dim.as_fixed()).filter(|&groups| groups > 0);
    groups.ok_or_else(|| Reject::because("the number of groups is not known"))
}

/// Epsilon, and scale and bias of each group.
fn parameters(
    graph: &Graph,
    norm: &Node,
    groups: usize,
    dtype: DataType,
) -> Result<(f32, [Tensor; 2]), Reject> {
    let constant = |index: usize| norm.input(index).and_then(|value| graph.constant(value));
    let unknown = || Reject::because("its scale or bias is not constant, or not one number of each group");
    if let Some(op) = norm.op().downcast_ref::<InstanceNormalization>() {
        let parameter =
            |index| constant(index).filter(|own| own.shape() == [groups]).cloned().ok_or_else(unknown);
        return Ok((op.epsilon, [parameter(1)?, parameter(2)?]));
    }
    let op = norm.op().downcast_ref::<LayerNormalization>().ok_or(Reject::NoEffect)?;
    let rank = rank_of(graph, norm.input(0).ok_or(Reject::NoEffect)?)?;
    if op.stash_type != DataType::F32 || resolve_axis(op.axis, rank) != Some(2) {
        return Err(Reject::because("it does not normalise all axes behind the groups"));
    }
    let filled = |index: usize, default: f64| {
        let number = match norm.input(index) {
            Some(_) => constant(index).filter(|own| own.dtype() == dtype).and_then(uniform_number),
            None => Some(default),
        };
        floats(dtype, &[groups], vec![number.ok_or_else(unknown)?; groups])
    };
    Ok((op.epsilon, [filled(1, 1.0)?, filled(2, 0.0)?]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    fn text(norm: &str, groups: &str, back: &str) -> String {
        format!(
            "graph {{ input %x: f32[N,4,3,2] const %groups = i64[3] {groups} const %back = i64[4] {back}
            const %s = f32[2] [1, 2] const %t = f32[2] [0, 3] const %ones = f32[12] [{ones}]
            const %rows = f32[12] [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
            %g = Reshape(%x, %groups) {norm} %y = Reshape(%n, %back) output %y }}",
            ones = ["2"; 12].join(", ")
        )
    }

    fn expected(scale: &str, bias: &str) -> String {
        format!(
            "graph {{ input %x: f32[N,4,3,2] const %0 = f32[4] {scale} const %1 = f32[4] {bias}
            %y = GroupNormalization(%x, %0, %1) {{epsilon = 0.1, num_groups = 2}} output %y }}"
        )
    }

    #[test]
    fn reshaped_instance_and_layer_norms_are_ones_of_groups() {
        let instance = "%n = InstanceNormalization(%g, %s, %t) {epsilon = 0.1}";
        for (groups, back) in [("[0, 2, -1]", "[0, 4, 3, 2]"), ("[0, 2, 12]", "[-1, 4, 3, 2]")] {
            assert_rewrites_within(
                || Rewriter(FuseGroupNorm),
                &text(instance, groups, back),
                &expected("[1, 1, 2, 2]", "[0, 0, 3, 3]"),
            );
        }
        assert_rewrites_within(
            || Rewriter(FuseGroupNorm),
            &text("%n = LayerNormalization(%g, %ones) {epsilon = 0.1}", "[0, 2, -1]", "[0, 4, 3, 2]"),
            &expected("[2, 2, 2, 2]", "[0, 0, 0, 0]"),
        );
    }

    #[test]
    fn a_group_of_each_channel_is_an_instance() {
        assert_rewrites_within(
            || Rewriter(FuseGroupNorm),
            "graph { input %x: f32[N,2,3,2] const %groups = i64[3] [0, 2, 6] const %back = i64[4] [0, 2, 3, 2]
            const %s = f32[2] [1, 2] const %t = f32[2] [0, 3] %g = Reshape(%x, %groups)
            %n = InstanceNormalization(%g, %s, %t) {epsilon = 0.1} %y = Reshape(%n, %back) output %y }",
            "graph { input %x: f32[N,2,3,2] const %s = f32[2] [1, 2] const %t = f32[2] [0, 3]
            %y = InstanceNormalization(%x, %s, %t) {epsilon = 0.1} output %y }",
        );
    }

    #[test]
    fn other_groupings_stay() {
        let instance = "%n = InstanceNormalization(%g, %s, %t) {epsilon = 0.1}";
        for (norm, groups, back, reason) in [
            (instance, "[-1, 2, 6]", "[-1, 4, 3, 2]", "the first axis is not known to keep its size"),
            (instance, "[0, 2, -1]", "[0, 4, 2, 3]", "is not known to have the shape of the operand"),
            (instance, "[0, 2, -1]", "[0, 2, 6, 2]", "is not known to have the shape of the operand"),
            ("%n = LayerNormalization(%g, %rows)", "[0, 2, -1]", "[0, 4, 3, 2]", "not one number of each group"),
            (
                "const %one = f32[2,12] [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
                %n = LayerNormalization(%g, %one) {axis = 1}",
                "[0, 2, -1]",
                "[0, 4, 3, 2]",
                "does not normalise all axes behind the groups",
            ),
        ] {
            assert_unchanged(|| Rewriter(FuseGroupNorm), &text(norm, groups, back), Some(reason));
        }
    }
}
