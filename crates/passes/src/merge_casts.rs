//! Makes one Cast of two when the type in the middle holds every value of the first: `f16 → f32 → f16` is nothing at all.

use lehr_graph::{Graph, PatchBuilder, ValueId};
use lehr_ops::cast::Cast;
use lehr_tensor::DataType;

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, op};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergeCasts;

impl Rewrite for MergeCasts {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_casts",
            doc: "makes one Cast of two, or none, where the first loses nothing",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        op::<Cast>([op::<Cast>([any("x")]).named("middle").shared()])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let x = found.value("x");
        let outer = graph.node(found.root());
        let &[output] = outer.outputs() else { return Err(Reject::NoEffect) };
        let (Some(first), Some(second)) = (cast_to(graph, found.value("middle")), cast_to(graph, output))
        else {
            return Err(Reject::NoEffect);
        };
        let Some(from) = graph.value(x).ty().dtype() else {
            return Err(Reject::because("the type of its first input is not known"));
        };
        if !is_lossless(from, first) {
            return Err(Reject::because(format!("{first} does not hold every value of {from}")));
        }
        if !is_same_directly(from, first, second) {
            let reason =
                format!("numbers out of range become {second} otherwise by way of {first} than from {from}");
            return Err(Reject::because(reason));
        }
        if from == second {
            patch.replace(output, x);
            return Ok(());
        }
        let new = patch.call(Cast::to(second), &[x.into()])?;
        patch.replace(output, new);
        Ok(())
    }
}

/// Target of the cast, by its default options, that makes `value`.
fn cast_to(graph: &Graph, value: ValueId) -> Option<DataType> {
    let cast = graph.node(graph.producer(value)?).op().downcast_ref::<Cast>()?;
    kind(cast.to).map(|_| cast.to)
}

/// Which numbers a type holds.
#[derive(Clone, Copy)]
enum Kind {
    Bool,
    /// Bits of the value without sign.
    Signed(usize),
    Unsigned(usize),
    /// Bits of the significand and of the exponent.
    Float(usize, usize),
}

/// What the common types hold; narrow floats with rules of their own have no kind.
fn kind(dtype: DataType) -> Option<Kind> {
    Some(match dtype {
        DataType::Bool => Kind::Bool,
        DataType::F64 => Kind::Float(53, 11),
        DataType::F32 => Kind::Float(24, 8),
        DataType::F16 => Kind::Float(11, 5),
        DataType::BF16 => Kind::Float(8, 8),
        _ if dtype.is_signed_int() => Kind::Signed(dtype.bits().checked_sub(1)?),
        _ if dtype.is_unsigned_int() => Kind::Unsigned(dtype.bits()),
        _ => return None,
    })
}

fn is_lossless(from: DataType, to: DataType) -> bool {
    let (Some(from), Some(to)) = (kind(from), kind(to)) else { return false };
    match (from, to) {
        (Kind::Bool, _) => true,
        (_, Kind::Bool) => false,
        (Kind::Signed(own), Kind::Signed(bits)) => own <= bits,
        (Kind::Unsigned(own), Kind::Signed(bits) | Kind::Unsigned(bits)) => own <= bits,
        (Kind::Signed(own) | Kind::Unsigned(own), Kind::Float(digits, _)) => own <= digits,
        (Kind::Float(digits, exponent), Kind::Float(more, wider)) => digits <= more && exponent <= wider,
        (Kind::Signed(_), Kind::Unsigned(_)) | (Kind::Float(..), _) => false,
    }
}

/// Whether the last step, on numbers that `from` holds, does the same from `from` as from `middle`.
fn is_same_directly(from: DataType, middle: DataType, to: DataType) -> bool {
    // Integers wrap and floats do not: out of range they differ, unless nothing is out of range.
    let same_family = from.is_float() == middle.is_float();
    same_family || to.is_float() || to == DataType::Bool || from == DataType::Bool || is_lossless(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    #[test]
    fn lossless_steps_fall_out() {
        for (from, middle, to) in [
            ("f16", "f32", "bf16"),
            ("f32", "f64", "i32"),
            ("i32", "i64", "f32"),
            ("u8", "f32", "i64"),
            ("bool", "f32", "i8"),
            ("i64", "i64", "i32"),
        ] {
            let text = |body: &str| format!("graph {{ input %x: {from}[N,3] {body} output %y }}");
            assert_rewrites(
                || Rewriter(MergeCasts),
                &text(&format!("%a = Cast(%x) {{to = {middle}}} %y = Cast(%a) {{to = {to}}}")),
                &text(&format!("%y = Cast(%x) {{to = {to}}}")),
            );
        }
        assert_rewrites(
            || Rewriter(MergeCasts),
            "graph { input %x: f16[2] %a = Cast(%x) {to = f32} %b = Cast(%a) {to = f16} %y = Abs(%b) output %y }",
            "graph { input %x: f16[2] %y = Abs(%x) output %y }",
        );
    }

    #[test]
    fn steps_that_round_or_wrap_stay() {
        for (from, middle, to, reason) in [
            ("f32", "f16", "f32", "does not hold"),
            ("i64", "i32", "i64", "does not hold"),
            ("i64", "f32", "i64", "does not hold"),
            ("i16", "f16", "f32", "does not hold"),
            ("u16", "f32", "i8", "out of range"),
            ("f32", "bool", "f32", "does not hold"),
        ] {
            assert_unchanged(
                || Rewriter(MergeCasts),
                &format!(
                    "graph {{ input %x: {from}[2] %a = Cast(%x) {{to = {middle}}} %y = Cast(%a) {{to = {to}}} output %y }}"
                ),
                Some(reason),
            );
        }
    }
}
