//! Transposes axes themselves instead of merging some of them for it and splitting them again behind:
//! `Reshape(Transpose(Reshape(x: [N,12,S,32] → [12·N,S,32])) → [N,12,32,S])` is `Transpose(x)` of four axes.
//! Exporters write it so where the transposed product of an attention is given matrices in one batch.

use lehr_graph::{Dim, PatchBuilder, Shape};
use lehr_ops::{reshape::Reshape, transpose::Transpose};

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any, op};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct TransposeWithoutMerging;

impl Rewrite for TransposeWithoutMerging {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "transpose_without_merging",
            doc: "transposes axes themselves that are merged before a Transpose and split again behind it",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        let merged = op::<Reshape>([any("x"), any("merging")]).named("merged");
        op::<Reshape>([op::<Transpose>([merged]).named("transposed"), any("splitting")])
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let x = found.value("x");
        let &[output] = graph.node(found.root()).outputs() else { return Err(Reject::NoEffect) };
        let shape = |value| graph.value(value).ty().shape();
        let (Some(from), Some(merged), Some(to)) = (shape(x), shape(found.value("merged")), shape(output))
        else {
            return Err(Reject::because("the shapes are not known"));
        };
        let transpose = graph.producer(found.value("transposed")).map(|id| graph.node(id).op());
        let Some(transpose) = transpose.and_then(|op| op.downcast_ref::<Transpose>()) else {
            return Err(Reject::NoEffect);
        };
        let Some(groups) = groups(from, merged) else {
            return Err(Reject::because(format!("{merged} is not {from} with neighbours merged")));
        };
        let mut perm = Vec::with_capacity(from.rank());
        for axis in transpose.resolved(merged.rank())? {
            perm.extend(groups.get(axis).cloned().ok_or(Reject::NoEffect)?);
        }
        let moved: Option<Shape> = perm.iter().map(|&axis| from.get(axis).cloned()).collect();
        if moved.is_none_or(|moved| moved.equal(to) != Some(true)) {
            return Err(Reject::because(format!("{to} does not split what was merged from {from}")));
        }
        let perm: Option<Vec<i64>> = perm.into_iter().map(|axis| i64::try_from(axis).ok()).collect();
        let new = patch.call(Transpose { perm }, &[x.into()])?;
        patch.replace(output, new);
        Ok(())
    }
}

/// The axes of `from` that each axis of `merged` consists of, when it is its neighbouring axes multiplied.
fn groups(from: &Shape, merged: &Shape) -> Option<Vec<std::ops::Range<usize>>> {
    let mut groups = Vec::with_capacity(merged.rank());
    let mut start = 0;
    for (index, size) in merged.iter().enumerate() {
        let mut end = start + 1;
        let mut product: Dim = from.get(start)?.clone();
        let is_last = index + 1 == merged.rank();
        while product.equal(size) != Some(true) || (is_last && end < from.rank()) {
            product = product.mul(from.get(end)?);
            end += 1;
        }
        groups.push(start..end);
        start = end;
    }
    (start == from.rank()).then_some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    #[test]
    fn heads_are_transposed_in_place() {
        assert_rewrites(
            || Rewriter(TransposeWithoutMerging),
            "graph { input %x: f32[2,3,N,4]
                const %three = i64[3] [6, -1, 4] const %four = i64[4] [2, 3, 4, -1]
                %a = Reshape(%x, %three) %b = Transpose(%a) {perm = [0, 2, 1]} %y = Reshape(%b, %four)
                output %y }",
            "graph { input %x: f32[2,3,N,4] %y = Transpose(%x) {perm = [0, 1, 3, 2]} output %y }",
        );
    }

    #[test]
    fn merged_axes_move_together() {
        assert_rewrites(
            || Rewriter(TransposeWithoutMerging),
            "graph { input %x: f32[2,3,1,5,1]
                const %three = i64[3] [2, 3, 5] const %five = i64[5] [1, 5, 1, 3, 2]
                %a = Reshape(%x, %three) %b = Transpose(%a) %y = Reshape(%b, %five) output %y }",
            "graph { input %x: f32[2,3,1,5,1] %y = Transpose(%x) {perm = [2, 3, 4, 1, 0]} output %y }",
        );
    }

    #[test]
    fn what_is_merged_or_split_otherwise_stays() {
        for (shape, first, second, reason) in [
            ("2,3,4,5", "[3] [6, 4, 5]", "[4] [3, 2, 5, 4]", "does not split"),
            ("2,3,4,5", "[3] [6, 4, 5]", "[2] [30, 4]", "does not split"),
            ("2,3,4,5", "[3] [8, 3, 5]", "[4] [2, 4, 5, 3]", "neighbours"),
            ("2,3,4", "[3] [1, 6, 4]", "[3] [1, 4, 6]", "neighbours"),
        ] {
            let text = format!(
                "graph {{ input %x: f32[{shape}] const %m = i64{first} const %s = i64{second}
                    %a = Reshape(%x, %m) %b = Transpose(%a) {{perm = [0, 2, 1]}} %y = Reshape(%b, %s) output %y }}"
            );
            assert_unchanged(|| Rewriter(TransposeWithoutMerging), &text, Some(reason));
        }
    }

    #[test]
    fn what_others_read_in_the_middle_stays() {
        assert_unchanged(
            || Rewriter(TransposeWithoutMerging),
            "graph { input %x: f32[2,3,4,5] const %m = i64[3] [6, 4, 5] const %s = i64[4] [2, 3, 5, 4]
                %a = Reshape(%x, %m) %b = Transpose(%a) {perm = [0, 2, 1]} %y = Reshape(%b, %s)
                output %y output %b }",
            None,
        );
    }
}
