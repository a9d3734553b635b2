//! Writes the expansion of stored integer weights as the operator that is meant: `Cast(w) · scale` and
//! `(Cast(w) - zero) · scale` are `DequantizeLinear(w, scale, zero)`, per tensor, per index of an axis, or per block. The
//! weights stay as small as they are.
//!
//! Expansions that a product or a look-up reads stay as they are written. Other runtimes take DequantizeLinear in front of
//! a product for leave to round the *other* operand to 8 bits, too, which changes what they give (ONNX Runtime moves the
//! answers of a sentence encoder by 0.05), and expand it at every run, where they would fold Cast and Mul while loading.

use lehr_graph::{Flags, Graph, PatchBuilder, Use, ValueId};
use lehr_ops::{
    cast::Cast, dequantize_linear::DequantizeLinear, gather::Gather, gemm::Gemm, matmul::MatMul, mul::Mul,
    reshape::Reshape, sub::Sub, transpose::Transpose,
};
use lehr_tensor::{DataType, Tensor};

use crate::constants::{finite, floats};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, constant, either, op};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct NormaliseWeightExpansion;

impl Rewrite for NormaliseWeightExpansion {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "normalise_weight_expansion",
            doc: "makes DequantizeLinear of casts, zero points and scales behind stored integer weights",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        let numbers = || op::<Cast>([constant("weights")]).named("numbers");
        let centred = op::<Sub>([numbers(), constant("zero")]);
        op::<Mul>([either([centred, numbers()]), constant("scale")])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let weights = found.value("weights");
        let (Some(stored), Some(scale)) = (graph.constant(weights), graph.constant(found.value("scale")))
        else {
            return Err(Reject::NoEffect);
        };
        if !is_stored(stored.dtype()) {
            return Err(Reject::NoEffect);
        }
        if !matches!(scale.dtype(), DataType::F32 | DataType::F16) {
            return Err(Reject::because(format!("the scale is {}", scale.dtype())));
        }
        finite(scale)?;
        let &[output] = graph.node(found.root()).outputs() else { return Err(Reject::NoEffect) };
        if is_read_by_product(graph, output) {
            return Err(Reject::because(
                "for a product or a look-up other runtimes would round what it meets, or expand it at every run",
            ));
        }
        let zero = found.get("zero").and_then(|zero| graph.constant(zero));
        let granularity = Granularity::of(stored, scale, zero)?;
        let scale = granularity.spread(stored, scale)?;
        let zero =
            zero.map(|zero| stored_zero(&granularity.spread(stored, zero)?, stored.dtype())).transpose()?;
        let mut inputs = vec![weights.into(), patch.constant(scale)];
        inputs.extend(zero.map(|zero| patch.constant(zero)));
        let new = patch.call(granularity.operator()?, &inputs)?;
        patch.replace(output, new);
        Ok(())
    }
}

/// Integers whose numbers, and differences of such, `f16` and `f32` hold exactly.
fn is_stored(dtype: DataType) -> bool {
    matches!(dtype, DataType::I8 | DataType::U8 | DataType::I4 | DataType::U4)
}

/// Whether a product or a look-up reads the value, also in another order or shape, or a subgraph does, which may hold one.
fn is_read_by_product(graph: &Graph, value: ValueId) -> bool {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        for place in graph.value(value).uses() {
            let Use::Node { node, .. } = *place else { continue };
            let node = graph.node(node);
            let op = node.op();
            if op.is::<MatMul>()
                || op.is::<Gemm>()
                || op.is::<Gather>()
                || op.flags().contains(Flags::CONTROL_FLOW)
            {
                return true;
            }
            if op.is::<Transpose>() || op.is::<Reshape>() {
                open.extend(node.outputs());
            }
        }
    }
    false
}

/// What of the weights has a scale of its own.
#[derive(Clone, Copy)]
enum Granularity {
    /// All of them.
    Tensor,
    /// Each index of an axis.
    Axis(usize),
    /// Each run of as many indices as the axis has.
    Blocks { axis: usize, size: usize },
}

impl Granularity {
    fn of(weights: &Tensor, scale: &Tensor, zero: Option<&Tensor>) -> Result<Self, Reject> {
        let one = Self::of_one(weights, scale)?;
        let Some(zero) = zero else { return Ok(one) };
        match (one, Self::of_one(weights, zero)?) {
            (Self::Tensor, other) | (other, Self::Tensor) => Ok(other),
            (Self::Axis(a), Self::Axis(b)) if a == b => Ok(one),
            (Self::Blocks { axis: a, .. }, Self::Blocks { axis: b, .. }) if a == b => Ok(one),
            _ => Err(Reject::because("scale and zero point belong to different axes")),
        }
    }

    fn of_one(weights: &Tensor, tensor: &Tensor) -> Result<Self, Reject> {
        let Some(added) = weights.rank().checked_sub(tensor.rank()) else {
            return Err(Reject::because("a scale or zero point has more axes than the weights"));
        };
        let own = std::iter::repeat_n(1, added).chain(tensor.shape().iter().copied());
        let axes: Vec<_> = own.zip(weights.shape().iter().copied()).enumerate().collect();
        if axes.iter().any(|&(_, (own, all))| own != 1 && own != all) {
            return Err(Reject::because("a scale or zero point makes the weights larger"));
        }
        let long: Vec<usize> = axes.iter().filter(|(_, (own, _))| *own != 1).map(|(axis, _)| *axis).collect();
        let shared: Vec<_> = axes.iter().filter(|(_, (own, all))| own != all).collect();
        match (long.as_slice(), shared.as_slice()) {
            ([], _) => Ok(Self::Tensor),
            (&[axis], _) => Ok(Self::Axis(axis)),
            (_, &[&(axis, (_, size))]) if added == 0 => Ok(Self::Blocks { axis, size }),
            _ => Err(Reject::because("scale or zero point belong to neither an axis nor to blocks of one")),
        }
    }

    /// A scale or zero point for each.
    fn spread(self, weights: &Tensor, tensor: &Tensor) -> Result<Tensor, Reject> {
        let shape = match self {
            Self::Tensor => vec![],
            Self::Axis(axis) => weights.shape().get(axis..=axis).unwrap_or_default().to_vec(),
            Self::Blocks { axis, .. } => {
                let sizes = weights.shape().iter().enumerate();
                sizes.map(|(at, &size)| if at == axis { 1 } else { size }).collect()
            }
        };
        let len: usize = shape.iter().product();
        let numbers = finite(tensor)?;
        let numbers = match *numbers.as_slice() {
            [number] => vec![number; len],
            _ => numbers,
        };
        floats(tensor.dtype(), &shape, numbers)
    }

    fn operator(self) -> Result<DequantizeLinear, Reject> {
        let number = |size: usize| i64::try_from(size).map_err(|_| Reject::NoEffect);
        let (axis, block_size) = match self {
            Self::Tensor => (1, 0),
            Self::Axis(axis) => (number(axis)?, 0),
            Self::Blocks { axis, size } => (number(axis)?, number(size)?),
        };
        Ok(DequantizeLinear { axis, block_size, output_dtype: None })
    }
}

/// The zero point in the type of the weights.
fn stored_zero(zero: &Tensor, dtype: DataType) -> Result<Tensor, Reject> {
    let stored = zero.cast(dtype, Default::default()).map_err(|error| Reject::because(error.to_string()))?;
    if finite(zero)? != stored.to_f64s().map_err(|error| Reject::because(error.to_string()))? {
        return Err(Reject::because(format!("the zero point is not {dtype}")));
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    const WEIGHTS: &str = "const %w = i8[2,3] [-128, -1, 0, 1, 2, 127] const %s = f32[] [0.1] const %z = f32[1] [3]
        const %columns = f32[1,3] [0.1, 0.3, 0.7] const %rows = f32[2,1] [0.1, 0.3] const %zeros = f32[2,1] [3, -128]
        const %two = f32[3,1,1] [1, 2, 3] const %half = f32[] [0.5] const %k = f32[] [2]";

    #[test]
    fn expansions_become_one_operator() {
        for (chain, after) in [
            (
                "%c = Cast(%w) {to = f32} %e = Mul(%c, %s)",
                "const %0 = f32[] [0.1] %e = DequantizeLinear(%w, %0)",
            ),
            (
                "%c = Cast(%w) {to = f32} %e = Mul(%columns, %c)",
                "const %0 = f32[3] [0.1, 0.3, 0.7] %e = DequantizeLinear(%w, %0)",
            ),
            (
                "%c = Cast(%w) {to = f32} %d = Sub(%c, %zeros) %e = Mul(%d, %rows)",
                "const %0 = f32[2] [0.1, 0.3] const %1 = i8[2] [3, -128] %e = DequantizeLinear(%w, %0, %1) {axis = 0}",
            ),
            (
                "%c = Cast(%w) {to = f32} %d = Sub(%c, %z) %e = Mul(%d, %rows)",
                "const %0 = f32[2] [0.1, 0.3] const %1 = i8[2] [3, 3] %e = DequantizeLinear(%w, %0, %1) {axis = 0}",
            ),
            (
                "%c = Cast(%w) {to = f32} %d = Sub(%c, %z) %e = Mul(%d, %s)",
                "const %0 = f32[] [0.1] const %1 = i8[] [3] %e = DequantizeLinear(%w, %0, %1)",
            ),
        ] {
            let text = |body: &str| {
                format!("graph {{ input %x: f32[2,3] {WEIGHTS} {body} %y = Add(%x, %e) output %y }}")
            };
            let own = "graph { input %x: f32[2,3] const %w = i8[2,3] [-128, -1, 0, 1, 2, 127] ";
            let after = format!("{own} {after} %y = Add(%x, %e) output %y }}");
            assert_rewrites(|| Rewriter(NormaliseWeightExpansion), &text(chain), &after);
        }
    }

    #[test]
    fn blocks_become_one_operator() {
        assert_rewrites(
            || Rewriter(NormaliseWeightExpansion),
            "graph { input %x: f32[2,2,2] const %w = u8[2,2,2] [0, 1, 2, 3, 4, 5, 6, 255]
                const %s = f32[2,2,1] [0.1, 0.3, 0.5, 0.7] const %z = f32[] [128]
                %c = Cast(%w) {to = f32} %d = Sub(%c, %z) %e = Mul(%d, %s) %y = Add(%x, %e) output %y }",
            "graph { input %x: f32[2,2,2] const %w = u8[2,2,2] [0, 1, 2, 3, 4, 5, 6, 255]
                const %0 = f32[2,2,1] [0.1, 0.3, 0.5, 0.7] const %1 = u8[2,2,1] [128, 128, 128, 128]
                %e = DequantizeLinear(%w, %0, %1) {axis = 2, block_size = 2} %y = Add(%x, %e) output %y }",
        );
    }

    #[test]
    fn other_arithmetic_on_weights_stays() {
        for (chain, reason) in [
            ("%c = Cast(%w) {to = f32} %e = Mul(%c, %two)", Some("more axes")),
            ("%c = Cast(%w) {to = f32} %d = Sub(%c, %half) %e = Mul(%d, %s)", Some("zero point is not")),
            ("%c = Cast(%w) {to = f32} %d = Sub(%c, %zeros) %e = Mul(%d, %columns)", Some("different axes")),
            ("%d = Add(%x, %k) %e = Mul(%d, %k)", None),
        ] {
            let text = format!("graph {{ input %x: f32[2,3] {WEIGHTS} {chain} %y = Add(%x, %e) output %y }}");
            assert_unchanged(|| Rewriter(NormaliseWeightExpansion), &text, reason);
        }
    }

    #[test]
    fn what_products_and_look_ups_read_stays() {
        for reading in [
            "%y = MatMul(%e, %x)",
            "%t = Transpose(%e) %y = Gemm(%x, %t)",
            "%i = Cast(%x) {to = i64} %y = Gather(%e, %i)",
        ] {
            let text = format!(
                "graph {{ input %x: f32[3,3] {WEIGHTS} %c = Cast(%w) {{to = f32}} %e = Mul(%c, %s) {reading} output %y }}"
            );
            assert_unchanged(|| Rewriter(NormaliseWeightExpansion), &text, Some("would round"));
        }
    }

    #[test]
    fn a_codebook_stays() {
        assert_unchanged(
            || Rewriter(NormaliseWeightExpansion),
            "graph { input %x: f32[4] const %book = f32[2] [0.5, 1.5] const %codes = u8[4] [0, 1, 1, 0] const %s = f32[] [2]
                %i = Cast(%codes) {to = i32} %g = Gather(%book, %i) %e = Mul(%g, %s) %y = Add(%x, %e) output %y }",
            None,
        );
    }
}
