//! Recognises `(x - mean) / √(var + ε)` over all axes behind the channels, a scale and a bias per channel inside of it
//! included, as InstanceNormalization; and a layer normalisation over these axes whose factor behind it is one of each
//! channel. Scale and bias behind it are merged by [`merge_affine_into_norm`](crate::merge_affine_into_norm).
//!
//! Over one axis of known size the same formula is a layer normalisation, unless its parameters belong to the channels.

use lehr_graph::{Graph, PatchBuilder, Use, ValueId};
use lehr_ops::{
    add::Add, instance_normalization::InstanceNormalization, layer_normalization::LayerNormalization,
    mul::Mul,
};
use lehr_tensor::{DataType, Tensor};

use crate::affine::rank_of;
use crate::constants::{finite, floats, resolve_axis};
use crate::formula::result;
use crate::normalised::{axes, check_statistics, epsilon, standardized};
use crate::normalised_channels::Channels;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, constant, either, node_of, product, sum, uniform_number};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseInstanceNorm;

impl Rewrite for FuseInstanceNorm {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_instance_norm",
            doc: "replaces spelled-out instance normalisations by InstanceNormalization",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        let layer = || node_of::<LayerNormalization>().named("norm");
        either([standardized(), product([layer(), constant("factor")]), sum([layer(), constant("offset")])])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        match found.get("norm") {
            Some(norm) => from_layer_norm(found, norm, patch),
            None => from_formula(found, patch),
        }
    }
}

fn from_formula(found: &Match, patch: &mut PatchBuilder<'_>) -> Result<(), Reject> {
    let graph = patch.graph();
    let (x, y) = (found.value("x"), result(found, graph)?);
    let rank = rank_of(graph, x)?;
    let axes = axes(found, graph, "axes", rank)?;
    if rank < 3 || !axes.iter().copied().eq(2..rank) {
        return Err(Reject::NoEffect);
    }
    let channels = Channels::of(graph, x)?;
    let plane = plane_len(graph, x);
    if rank == 3 && plane.is_some() && !has_channel_parameter(found, graph) {
        return Err(Reject::NoEffect);
    }
    if graph.value(y).uses().iter().any(|a_use| is_per_element(graph, a_use, &channels)) {
        return Err(Reject::because("it is followed by one factor or offset of each element"));
    }
    check_statistics(found, graph, &axes, plane)?;
    let op = InstanceNormalization { epsilon: epsilon(found, graph)? };
    let scale = channels.bound(found, patch, "scale", 1.0)?;
    let bias = channels.bound(found, patch, "bias", 0.0)?;
    let new = patch.call(op, &[x.into(), scale, bias])?;
    patch.replace(y, new);
    Ok(())
}

/// Elements behind the channels, if known.
fn plane_len(graph: &Graph, x: ValueId) -> Option<usize> {
    let dims = graph.value(x).ty().shape()?.dims().get(2..)?;
    dims.iter().try_fold(1usize, |len, dim| len.checked_mul(dim.as_fixed()?))
}

fn has_channel_parameter(found: &Match, graph: &Graph) -> bool {
    let parameters = ["scale", "bias"].into_iter().filter_map(|name| graph.constant(found.get(name)?));
    parameters.into_iter().any(|parameter| parameter.len() > 1 && uniform_number(parameter).is_none())
}

/// Whether a reader multiplies by, or adds, a constant that is not one number of each channel.
fn is_per_element(graph: &Graph, a_use: &Use, channels: &Channels) -> bool {
    let &Use::Node { node, .. } = a_use else { return false };
    let node = graph.node(node);
    let mut constants = node.inputs().iter().flatten().filter_map(|&input| graph.constant(input));
    (node.op().is::<Mul>() || node.op().is::<Add>()) && constants.any(|c| channels.operand(c).is_err())
}

fn from_layer_norm(found: &Match, norm: ValueId, patch: &mut PatchBuilder<'_>) -> Result<(), Reject> {
    let graph = patch.graph();
    let y = result(found, graph)?;
    let norm = graph.node(graph.producer(norm).ok_or(Reject::NoEffect)?);
    let op = norm.op().downcast_ref::<LayerNormalization>().ok_or(Reject::NoEffect)?;
    let x = norm.input(0).ok_or(Reject::NoEffect)?;
    let is_plane = op.stash_type == DataType::F32 && resolve_axis(op.axis, rank_of(graph, x)?) == Some(2);
    let constant = found.get("factor").or(found.get("offset")).and_then(|value| graph.constant(value));
    let constant = constant.filter(|c| is_plane && uniform_number(c).is_none()).ok_or(Reject::NoEffect)?;
    let channels = Channels::of(graph, x)?;
    let behind = finite(&channels.operand(constant)?)?;
    let uniform = |index: usize, default: f64| match norm.input(index) {
        None => Ok(default),
        Some(value) => graph
            .constant(value)
            .filter(|own| own.dtype() == channels.dtype())
            .and_then(uniform_number)
            .ok_or_else(|| Reject::because("its parameters differ between the elements of a row")),
    };
    let (scale, bias) = (uniform(1, 1.0)?, uniform(2, 0.0)?);
    let (scales, biases): (Vec<f64>, Vec<f64>) = match found.get("factor") {
        Some(_) => behind.into_iter().map(|factor| (scale * factor, bias * factor)).unzip(),
        None => behind.into_iter().map(|offset| (scale, bias + offset)).unzip(),
    };
    let parameter =
        |numbers| -> Result<Tensor, Reject> { floats(channels.dtype(), channels.sizes(), numbers) };
    let (scale, bias) = (parameter(scales)?, parameter(biases)?);
    let (scale, bias) = (patch.constant(scale), patch.constant(bias));
    let new = patch.call(InstanceNormalization { epsilon: op.epsilon }, &[x.into(), scale, bias])?;
    patch.replace(y, new);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    const CONSTANTS: &str = "const %axes = i64[2] [2, -1] const %e = f32[] [0.1] const %two = f32[] [2]
        const %scale = f32[2,1,1] [2, 3] const %bias = f32[1,2,1,1] [4, 5]";
    const FORMULA: &str =
        "%m = ReduceMean(%x, %axes) %d = Sub(%x, %m) %q = Mul(%d, %d) %v = ReduceMean(%q, %axes)
        %w = Add(%v, %e) %r = Sqrt(%w)";

    fn text(ty: &str, body: &str) -> String {
        format!("graph {{ input %x: {ty} {CONSTANTS} {body} output %y }}")
    }

    fn expected(ty: &str, scale: &str, bias: &str) -> String {
        format!(
            "graph {{ input %x: {ty} const %0 = f32[2] {scale} const %1 = f32[2] {bias}
            %y = InstanceNormalization(%x, %0, %1) {{epsilon = 0.1}} output %y }}"
        )
    }

    #[test]
    fn all_spellings_become_one_operator() {
        for ty in ["f32[N,2,3,2]", "f32[1,2,H,W]"] {
            let plain = expected(ty, "[1, 1]", "[0, 0]");
            for body in [
                format!("{FORMULA} %y = Div(%d, %r)"),
                format!("{FORMULA} %i = Reciprocal(%r) %y = Mul(%i, %d)"),
                "%m = ReduceMean(%x, %axes) %d = Sub(%x, %m) %q = Pow(%d, %two) %v = ReduceMean(%q, %axes)
                %w = Add(%e, %v) %r = Sqrt(%w) %y = Div(%d, %r)"
                    .into(),
            ] {
                assert_rewrites_within(|| Rewriter(FuseInstanceNorm), &text(ty, &body), &plain);
            }
            let scaled = format!("{FORMULA} %i = Reciprocal(%r) %f = Mul(%i, %scale) %y = Mul(%f, %d)");
            assert_rewrites_within(
                || Rewriter(FuseInstanceNorm),
                &text(ty, &scaled),
                &expected(ty, "[2, 3]", "[0, 0]"),
            );
            let shifted = format!(
                "{FORMULA} %i = Reciprocal(%r) %f = Mul(%i, %scale) %a = Mul(%x, %f) %b = Mul(%m, %f)
                %c = Sub(%bias, %b) %y = Add(%a, %c)"
            );
            assert_rewrites_within(
                || Rewriter(FuseInstanceNorm),
                &text(ty, &shifted),
                &expected(ty, "[2, 3]", "[4, 5]"),
            );
        }
    }

    #[test]
    fn a_layer_norm_with_parameters_of_the_channels_is_one() {
        let norm = "const %s = f32[3] [2, 2, 2] const %t = f32[3] [1, 1, 1] const %c = f32[2,1] [3, 4]
            %n = LayerNormalization(%x, %s, %t) {epsilon = 0.1}";
        let ty = "f32[N,2,3]";
        assert_rewrites_within(
            || Rewriter(FuseInstanceNorm),
            &text(ty, &format!("{norm} %y = Mul(%c, %n)")),
            &expected(ty, "[6, 8]", "[3, 4]"),
        );
        assert_rewrites_within(
            || Rewriter(FuseInstanceNorm),
            &text(ty, &format!("{norm} %y = Add(%n, %c)")),
            &expected(ty, "[2, 2]", "[4, 5]"),
        );
    }

    #[test]
    fn other_normalisations_stay() {
        let division = |axes: &str| format!("{FORMULA} %y = Div(%d, %r)").replace("%axes", axes);
        let sum = "%s = ReduceSum(%x, %axes) %m = Mul(%s, %e) %d = Sub(%x, %m) %q = Mul(%d, %d)
            %v = ReduceMean(%q, %axes) %w = Add(%v, %e) %r = Sqrt(%w) %y = Div(%d, %r)";
        let factor = format!("const %c = f32[3] [1, 2, 3] {FORMULA} %z = Div(%d, %r) %y = Mul(%z, %c)");
        for (ty, body, reason) in [
            ("f32[N,2,3,2]", format!("const %one = i64[1] [2] {}", division("%one")), None),
            ("f32[N,2,3,2]", format!("const %all = i64[3] [1, 2, 3] {}", division("%all")), None),
            ("f32[N,2,3]", format!("const %last = i64[1] [2] {}", division("%last")), None),
            ("f32[N,C,3,2]", division("%axes"), Some("the number of channels is not known")),
            ("f32[N,2,3,2]", sum.into(), Some("not divided by the length")),
            ("f32[N,2,H,2]", sum.into(), Some("not divided by the length")),
            ("f32[N,2,2,3]", factor, Some("one factor or offset of each element")),
        ] {
            assert_unchanged(|| Rewriter(FuseInstanceNorm), &text(ty, &body), reason);
        }
        let wide = text("f32[N,2,3,2]", &division("%axes")).replace("f32", "f64");
        assert_unchanged(|| Rewriter(FuseInstanceNorm), &wide, Some("rounded to 32 bits"));
    }
}
