//! Makes a Gemm of a Conv whose kernel is as large as its input, so that its result is a single element of each channel:
//! `Reshape(Conv(x))` of `[N, C, H, W]` to `[N, K]` is `Gemm(Flatten(x), w)` with the weights as `K` rows. Functions of
//! single elements between the Conv and the Reshape, and further such Convs, stay in their order. A Reshape in front
//! of the Flatten merges with it.
//!
//! A convolution of one position fills one lane of many; a matrix product fills all of them.

use std::sync::Arc;

use lehr_graph::{Dim, Flags, Graph, NodeId, PatchBuilder, PatchValue, Shape, ValueId};
use lehr_ops::{
    conv::Conv, flatten::Flatten, gemm::Gemm, reshape::Reshape, squeeze::Squeeze, window::AutoPad,
};

use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct UseGemmForUnitMaps;

/// Most bytes of weights that are copied because somebody else reads them as they are.
const MAX_COPY: usize = 4 << 10;

impl Rewrite for UseGemmForUnitMaps {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "use_gemm_for_unit_maps",
            doc: "makes matrix products of convolutions whose result is one element of each channel",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.is::<Reshape>() || op.is::<Flatten>() || op.is::<Squeeze>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let y = result(found, graph)?;
        let map = graph.node(found.root()).input(0).ok_or(Reject::NoEffect)?;
        let is_renamed = shape(graph, map).zip(shape(graph, y)).is_some_and(|(map, y)| {
            is_unit(map) && y.rank() == 2 && y.iter().zip(map).all(|(a, b)| a.equal(b) == Some(true))
        });
        if !is_renamed {
            return Err(Reject::NoEffect);
        }
        let (steps, x) = steps(graph, map)?;
        let mut value = patch.call(Flatten { axis: 1 }, &[x.into()])?;
        for &step in &steps {
            value = in_matrix_form(step, value, patch)?;
        }
        patch.replace(y, value);
        Ok(())
    }
}

fn shape(graph: &Graph, value: ValueId) -> Option<&Shape> {
    graph.value(value).ty().shape()
}

/// Whether there is a single element of each channel.
fn is_unit(shape: &Shape) -> bool {
    shape.rank() > 2 && shape.iter().skip(2).all(|dim| *dim == Dim::Fixed(1))
}

/// Convolutions and functions of single elements that end in `map`, the first of which is a convolution of `x`.
fn steps(graph: &Graph, map: ValueId) -> Result<(Vec<NodeId>, ValueId), Reject> {
    let (mut value, mut steps, mut first) = (map, Vec::new(), None);
    while let Some(id) = graph.producer(value).filter(|_| shape(graph, value).is_some_and(is_unit)) {
        let node = graph.node(id);
        let Some(input) = node.input(0).filter(|_| node.outputs().len() == 1) else { break };
        let is_conv = node.op().is::<Conv>();
        let is_function = node.op().flags().contains(Flags::ELEMENTWISE) && node.inputs().len() == 1;
        if !is_conv && !is_function {
            break;
        }
        if graph.value(value).uses().len() != 1 {
            match first {
                Some(_) => break,
                None if is_conv => return Err(Reject::because("its result is also read as a map")),
                None => return Err(Reject::NoEffect),
            }
        }
        if is_conv && let Err(reason) = check_conv(graph, id) {
            match first {
                Some(_) => break,
                None => return Err(reason),
            }
        }
        steps.push(id);
        if is_conv {
            first = Some((steps.len(), input));
        }
        value = input;
    }
    let (count, x) = first.ok_or(Reject::NoEffect)?;
    steps.truncate(count);
    steps.reverse();
    Ok((steps, x))
}

/// # Errors
/// [`Reject::Because`] unless the kernel lies on its whole input, and the weights are constant.
fn check_conv(graph: &Graph, id: NodeId) -> Result<(), Reject> {
    let node = graph.node(id);
    let conv = node.op().downcast_ref::<Conv>().ok_or(Reject::NoEffect)?;
    let (Some(x), Some(w)) = (node.input(0), node.input(1)) else { return Err(Reject::NoEffect) };
    let weights = graph.constant(w).ok_or_else(|| Reject::because("its weights are not constant"))?;
    if graph.value(w).uses().len() > 1 && weights.byte_len() > MAX_COPY {
        return Err(Reject::because("its weights are also read elsewhere"));
    }
    if conv.group != 1 {
        return Err(Reject::because("its channels are in groups"));
    }
    let (input, kernel) = (shape(graph, x), weights.shape().get(2..));
    let is_whole = input.zip(kernel).is_some_and(|(input, kernel)| {
        let sizes = input.iter().skip(2).map(|dim| dim.as_fixed());
        input.rank() == weights.rank() && sizes.eq(kernel.iter().map(|&size| Some(size)))
    });
    let is_point = kernel.is_some_and(|kernel| kernel.iter().all(|&size| size == 1));
    let is_padded = match conv.auto_pad {
        AutoPad::NotSet => conv.pads.iter().flatten().any(|&pad| pad != 0),
        AutoPad::Valid => false,
        AutoPad::SameUpper | AutoPad::SameLower => !is_point,
    };
    let is_dilated = !is_point && conv.dilations.iter().flatten().any(|&dilation| dilation != 1);
    if !is_whole || is_padded || is_dilated {
        return Err(Reject::because("its kernel does not lie on its whole input"));
    }
    Ok(())
}

/// The step on a value of shape `[N, C]`.
fn in_matrix_form(
    step: NodeId,
    value: PatchValue,
    patch: &mut PatchBuilder<'_>,
) -> Result<PatchValue, Reject> {
    let node = patch.graph().node(step);
    if !node.op().is::<Conv>() {
        let new = patch.node(node.op_ref().clone(), &[Some(value)], 1)?;
        return new.first().copied().ok_or(Reject::NoEffect);
    }
    let weights = node.input(1).and_then(|w| patch.graph().constant(w)).ok_or(Reject::NoEffect)?;
    let [rows, columns @ ..] = weights.shape() else { return Err(Reject::NoEffect) };
    let matrix = weights.reshape(&[*rows, columns.iter().product()]);
    let matrix = patch.constant(matrix.map_err(|error| Reject::because(error.to_string()))?);
    let bias = node.input(2).map(|bias| Some(bias.into()));
    let inputs: Vec<_> = [Some(value), Some(matrix)].into_iter().chain(bias).collect();
    let gemm = Gemm { alpha: 1.0, beta: 1.0, transA: false, transB: true };
    let new = patch.node(Arc::new(gemm), &inputs, 1)?;
    new.first().copied().ok_or(Reject::NoEffect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    const CONSTANTS: &str = "const %w = f32[3,2,1,1] [1, 2, 3, 4, 5, 6] const %b = f32[3] [1, 2, 3]
        const %k = f32[1,2,1,2] [1, 2, 3, 4] const %v = f32[2,3,1,1] [1, 2, 3, 4, 5, 6] const %t = i64[2] [0, -1]
        const %s = i64[2] [2, 3]";

    #[test]
    fn convolutions_of_one_position_become_products() {
        for end in ["%y = Reshape(%c, %t)", "%y = Flatten(%c) {axis = 1}", "%y = Squeeze(%c, %s)"] {
            assert_rewrites_within(
                || Rewriter(UseGemmForUnitMaps),
                &format!("graph {{ input %x: f32[N,2,1,1] {CONSTANTS} %c = Conv(%x, %w, %b) {end} output %y }}"),
                "graph { input %x: f32[N,2,1,1] const %0 = f32[3,2] [1, 2, 3, 4, 5, 6] const %b = f32[3] [1, 2, 3]
                %m = Flatten(%x) {axis = 1} %y = Gemm(%m, %0, %b) {transB = true} output %y }",
            );
        }
        assert_rewrites_within(
            || Rewriter(UseGemmForUnitMaps),
            &format!(
                "graph {{ input %x: f32[N,2,1,2] {CONSTANTS} %c = Conv(%x, %k) %y = Reshape(%c, %t) output %y }}"
            ),
            "graph { input %x: f32[N,2,1,2] const %0 = f32[1,4] [1, 2, 3, 4]
            %m = Flatten(%x) {axis = 1} %y = Gemm(%m, %0) {transB = true} output %y }",
        );
    }

    #[test]
    fn several_of_them_with_functions_between() {
        assert_rewrites_within(
            || Rewriter(UseGemmForUnitMaps),
            &format!(
                "graph {{ input %x: f32[N,2,1,1] {CONSTANTS} %z = Neg(%x) %c = Conv(%z, %w, %b) %r = Relu(%c)
                %d = Conv(%r, %v) %h = Sigmoid(%d) %y = Reshape(%h, %t) output %y }}"
            ),
            "graph { input %x: f32[N,2,1,1] const %0 = f32[3,2] [1, 2, 3, 4, 5, 6] const %b = f32[3] [1, 2, 3]
            const %1 = f32[2,3] [1, 2, 3, 4, 5, 6] %z = Neg(%x) %m = Flatten(%z) {axis = 1}
            %c = Gemm(%m, %0, %b) {transB = true} %r = Relu(%c) %d = Gemm(%r, %1) {transB = true} %y = Sigmoid(%d)
            output %y }",
        );
    }

    #[test]
    fn other_convolutions_stay() {
        for (ty, body, reason) in [
            ("f32[N,2,1,2]", "%c = Conv(%x, %w) %y = Reshape(%c, %t)", None),
            (
                "f32[N,2,1,1]",
                "%c = Conv(%x, %k) {pads = [0, 0, 0, 1]} %y = Reshape(%c, %t)",
                Some("whole input"),
            ),
            ("f32[N,2,1,1]", "%c = Conv(%x, %w) %y = Reshape(%c, %t) output %c", Some("also read as a map")),
            ("f32[N,2,1,1]", "%u = Neg(%w) %c = Conv(%x, %u) %y = Reshape(%c, %t)", Some("not constant")),
            (
                "f32[N,4,1,1]",
                "const %g = f32[2,2,1,1] [1, 2, 3, 4] %c = Conv(%x, %g) {group = 2} %y = Reshape(%c, %t)",
                Some("groups"),
            ),
        ] {
            let text = format!("graph {{ input %x: {ty} {CONSTANTS} {body} output %y }}");
            assert_unchanged(|| Rewriter(UseGemmForUnitMaps), &text, reason);
        }
    }
}
