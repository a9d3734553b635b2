//! Recognises `(x - mean) / √(var + ε)` over the last axes, a scale inside of it included, where the variance is
//! `mean((x - mean)²)` or `mean(x²) - mean²`; and batch normalisation by such statistics,
//! `x·m + (bias - mean·m)` with `m = scale / √(var + ε)`. Scale and bias behind it are merged by
//! [`merge_affine_into_norm`](crate::merge_affine_into_norm).

use lehr_graph::PatchBuilder;
use lehr_ops::layer_normalization::LayerNormalization;
use lehr_tensor::DataType;

use crate::formula::result;
use crate::normalised::{Rows, epsilon, standardized};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseLayerNorm;

impl Rewrite for FuseLayerNorm {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_layer_norm",
            doc: "replaces spelled-out layer normalisations by LayerNormalization",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        standardized()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let y = result(found, graph)?;
        let rows = Rows::of(found, graph)?;
        let op = LayerNormalization {
            axis: rows.axis,
            epsilon: epsilon(found, graph)?,
            stash_type: DataType::F32,
        };
        let mut inputs = vec![found.value("x").into(), rows.bound(found, patch, "scale", 1.0)?];
        if found.get("bias").is_some() {
            inputs.push(rows.bound(found, patch, "bias", 0.0)?);
        }
        let new = patch.call(op, &inputs)?;
        patch.replace(y, new);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    const CONSTANTS: &str = "const %axes = i64[1] [-1] const %e = f32[] [0.00001] const %two = f32[] [2]
        const %half = f32[] [0.5] const %zero = f32[] [0] const %third = f32[] [0.33333334]
        const %three = f32[] [3] const %scale = f32[1,3] [1, 2, 3] const %bias = f32[3] [4, 5, 6]";
    const CENTRED: &str = "%m = ReduceMean(%x, %axes) %d = Sub(%x, %m)";
    const VARIANCE: &str = "%q = Mul(%d, %d) %v = ReduceMean(%q, %axes) %w = Add(%v, %e)";

    fn text(body: &str) -> String {
        format!("graph {{ input %x: f32[N,3] {CONSTANTS} {body} output %y }}")
    }

    fn expected(scale: &str, bias: bool) -> String {
        let (constant, input) = if bias { ("const %bias = f32[3] [4, 5, 6]", ", %bias") } else { ("", "") };
        format!(
            "graph {{ input %x: f32[N,3] const %0 = f32[3] {scale} {constant}
            %y = LayerNormalization(%x, %0{input}) {{axis = -1, epsilon = 0.00001}} output %y }}"
        )
    }

    #[test]
    fn all_spellings_become_one_operator() {
        for body in [
            format!("{CENTRED} {VARIANCE} %r = Sqrt(%w) %y = Div(%d, %r)"),
            format!(
                "{CENTRED} %q = Pow(%d, %two) %v = ReduceMean(%q, %axes) %w = Add(%e, %v) %r = Sqrt(%w)
                %i = Reciprocal(%r) %y = Mul(%i, %d)"
            ),
            format!("{CENTRED} {VARIANCE} %r = Pow(%w, %half) %y = Div(%d, %r)"),
            "%s = ReduceSum(%x, %axes) %m = Div(%s, %three) %d = Sub(%x, %m) %q = Mul(%d, %d)
            %t = ReduceSum(%q, %axes) %v = Div(%t, %three) %w = Add(%v, %e) %r = Sqrt(%w) %y = Div(%d, %r)"
                .into(),
        ] {
            assert_rewrites_within(|| Rewriter(FuseLayerNorm), &text(&body), &expected("[1, 1, 1]", false));
        }
    }

    #[test]
    fn a_scale_inside_is_taken_over() {
        let body = format!(
            "{CENTRED} {VARIANCE} %r = Sqrt(%w) %i = Reciprocal(%r) %f = Mul(%i, %scale) %y = Mul(%f, %d)"
        );
        assert_rewrites_within(|| Rewriter(FuseLayerNorm), &text(&body), &expected("[1, 2, 3]", false));
    }

    #[test]
    fn statistics_of_squares_without_the_reduced_axis_count_too() {
        let body = "const %shape = i64[2] [-1, 1]
            %s = ReduceSum(%x, %axes) {keepdims = false} %m = Mul(%s, %third) %n = Mul(%m, %m)
            %a = Mul(%x, %x) %t = ReduceSum(%a, %axes) {keepdims = false} %u = Mul(%t, %third) %b = Sub(%u, %n)
            %v = Max(%zero, %b) %c = Reshape(%v, %shape) %w = Add(%c, %e) %r = Sqrt(%w) %i = Reciprocal(%r)
            %f = Mul(%i, %scale) %o = Reshape(%m, %shape) %d = Sub(%x, %o) %y = Mul(%d, %f)";
        assert_rewrites_within(|| Rewriter(FuseLayerNorm), &text(body), &expected("[1, 2, 3]", false));
    }

    #[test]
    fn batch_normalisation_by_own_statistics_is_one() {
        let body = format!(
            "{CENTRED} {VARIANCE} %r = Sqrt(%w) %i = Reciprocal(%r) %f = Mul(%i, %scale) %a = Mul(%x, %f)
            %b = Mul(%m, %f) %c = Sub(%bias, %b) %y = Add(%a, %c)"
        );
        assert_rewrites_within(|| Rewriter(FuseLayerNorm), &text(&body), &expected("[1, 2, 3]", true));
    }

    #[test]
    fn several_last_axes_are_one_row() {
        assert_rewrites_within(
            || Rewriter(FuseLayerNorm),
            "graph { input %x: f32[N,2,2] const %axes = i64[2] [2, 1] const %e = f32[] [0.1]
            %m = ReduceMean(%x, %axes) %d = Sub(%x, %m) %q = Mul(%d, %d) %v = ReduceMean(%q, %axes)
            %w = Add(%v, %e) %r = Sqrt(%w) %y = Div(%d, %r) output %y }",
            "graph { input %x: f32[N,2,2] const %0 = f32[2,2] [1, 1, 1, 1]
            %y = LayerNormalization(%x, %0) {axis = -2, epsilon = 0.1} output %y }",
        );
    }

    #[test]
    fn sizes_of_other_axes_need_not_be_known() {
        let body = format!("{CENTRED} {VARIANCE} %r = Sqrt(%w) %y = Div(%d, %r)");
        let unknown = |text: &str| text.replace("f32[N,3]", "f32[?,?,3]");
        assert_rewrites_within(
            || Rewriter(FuseLayerNorm),
            &unknown(&text(&body)),
            &unknown(&expected("[1, 1, 1]", false)),
        );
    }

    #[test]
    fn other_formulas_stay() {
        let graph = |ty: &str, axes: &str, keep: &str, read: &str| {
            format!(
                "graph {{ input %x: {ty} const %axes = i64[1] {axes} const %e = {}[] [0.1]
                %m = ReduceMean(%x, %axes) {{keepdims = {keep}}} %d = Sub(%x, %m) %q = Mul(%d, %d)
                %v = ReduceMean(%q, %axes) {{keepdims = {keep}}} %w = Add(%v, %e) %r = Sqrt(%w)
                %y = Div(%d, %r) output %y {read} }}",
                &ty[..3]
            )
        };
        for (text, reason) in [
            (graph("f32[2,3]", "[0]", "true", ""), "the axes [0] are not the last ones"),
            (graph("f32[3,3]", "[1]", "false", ""), "a statistic is not one number of each row"),
            (graph("f32[2,N]", "[1]", "true", ""), "the sizes of the normalised axes are not fixed"),
            (graph("f64[2,3]", "[1]", "true", ""), "statistics of f64 would be rounded"),
            (graph("f32[2,3]", "[1]", "true", "output %m"), "'m' inside is also read elsewhere"),
            (graph("f32[2,0]", "[1]", "true", ""), "are empty or too long"),
        ] {
            assert_unchanged(|| Rewriter(FuseLayerNorm), &text, Some(reason));
        }
    }
}
