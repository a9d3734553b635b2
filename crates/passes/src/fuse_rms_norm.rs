//! Recognises `x / √(mean(x²) + ε)` over the last axes, a scale inside of it included. A scale behind it is merged by
//! [`merge_affine_into_norm`](crate::merge_affine_into_norm).

use lehr_graph::PatchBuilder;
use lehr_ops::rms_normalization::RmsNormalization;
use lehr_tensor::DataType;

use crate::formula::{result, square};
use crate::normalised::{Rows, epsilon, mean, over_root};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, any};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseRmsNorm;

impl Rewrite for FuseRmsNorm {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_rms_norm",
            doc: "replaces divisions by the root mean square by RMSNormalization",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        over_root(any("x"), mean(square(any("x"), any("x"))))
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let y = result(found, graph)?;
        let rows = Rows::of(found, graph)?;
        let op =
            RmsNormalization { axis: rows.axis, epsilon: epsilon(found, graph)?, stash_type: DataType::F32 };
        let scale = rows.bound(found, patch, "scale", 1.0)?;
        let new = patch.call(op, &[found.value("x").into(), scale])?;
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
        const %minus = f32[] [-0.5] const %one = f32[] [1] const %scale = f32[1,3] [1, 2, 3]";

    #[test]
    fn spellings_become_one_operator() {
        for (body, scale) in [
            ("%q = Mul(%x, %x) %v = ReduceMean(%q, %axes) %w = Add(%v, %e) %r = Sqrt(%w) %y = Div(%x, %r)", "1, 1, 1"),
            (
                "%q = Pow(%x, %two) %v = ReduceMean(%q, %axes) %w = Add(%v, %e) %r = Sqrt(%w) %i = Div(%one, %r)
                %y = Mul(%x, %i)",
                "1, 1, 1",
            ),
            (
                "%q = Pow(%x, %two) %v = ReduceMean(%q, %axes) %w = Add(%v, %e) %i = Pow(%w, %minus)
                %s = Mul(%scale, %i) %y = Mul(%x, %s)",
                "1, 2, 3",
            ),
        ] {
            assert_rewrites_within(
                || Rewriter(FuseRmsNorm),
                &format!("graph {{ input %x: f32[N,3] {CONSTANTS} {body} output %y }}"),
                &format!(
                    "graph {{ input %x: f32[N,3] const %0 = f32[3] [{scale}]
                    %y = RMSNormalization(%x, %0) {{axis = -1, epsilon = 0.00001}} output %y }}"
                ),
            );
        }
    }

    #[test]
    fn other_axes_and_values_stay() {
        let first = "graph { input %x: f32[2,3] const %axes = i64[1] [0] const %e = f32[] [0.1]
            %q = Mul(%x, %x) %v = ReduceMean(%q, %axes) %w = Add(%v, %e) %r = Sqrt(%w) %y = Div(%x, %r) output %y }";
        assert_unchanged(|| Rewriter(FuseRmsNorm), first, Some("are not the last ones"));
        let other = "graph { input %x: f32[2,3] input %z: f32[2,3] const %axes = i64[1] [1] const %e = f32[] [0.1]
            %q = Mul(%x, %x) %v = ReduceMean(%q, %axes) %w = Add(%v, %e) %r = Sqrt(%w) %y = Div(%z, %r) output %y }";
        assert_unchanged(|| Rewriter(FuseRmsNorm), other, None);
        let negative = "graph { input %x: f32[2,3] const %axes = i64[1] [1] const %e = f32[] [-0.1]
            %q = Mul(%x, %x) %v = ReduceMean(%q, %axes) %w = Add(%v, %e) %r = Sqrt(%w) %y = Div(%x, %r) output %y }";
        assert_unchanged(|| Rewriter(FuseRmsNorm), negative, Some("epsilon is -0.1"));
    }
}
