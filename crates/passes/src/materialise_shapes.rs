//! Values whose contents are known without running anything become constants: the sizes of statically shaped values and
//! what is computed from them.

use lehr_graph::{PatchBuilder, ValueId};
use lehr_tensor::{Tensor, Wide};

use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MaterialiseShapes;

impl Rewrite for MaterialiseShapes {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "materialise_shapes",
            doc: "turns integer tensors whose contents inference knows into constants",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|_| true)
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let node = found.root();
        for &output in patch.graph().node(node).outputs() {
            if patch.graph().value(output).uses().is_empty() {
                continue;
            }
            if let Some(tensor) = known_tensor(patch, output) {
                let constant = patch.constant(tensor);
                patch.replace(output, constant);
            }
        }
        Ok(())
    }
}

fn known_tensor(patch: &PatchBuilder<'_>, value: ValueId) -> Option<Tensor> {
    let ty = patch.graph().value(value).ty().as_tensor()?;
    let (dtype, known) = (ty.dtype.filter(|d| d.is_signed_int())?, ty.known.as_ref()?);
    Tensor::narrow(dtype, known.shape(), Wide::I(known.as_constants()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_unchanged};

    #[test]
    fn sizes_become_constants() {
        assert_rewrites(
            || Rewriter(MaterialiseShapes),
            "graph { input %x: f32[N,3,4] input %y: f32[2,5]
                %s = Shape(%y)
                %all = Shape(%x)
                const %i = i64[] [1]
                %three = Gather(%all, %i)
                output %s output %three }",
            "graph { input %x: f32[N,3,4] input %y: f32[2,5]
                const %s = i64[2] [2, 5]
                const %three = i64[] [3]
                output %s output %three }",
        );
    }

    #[test]
    fn symbolic_sizes_stay() {
        assert_unchanged(
            || Rewriter(MaterialiseShapes),
            "graph { input %x: f32[N,3] %s = Shape(%x) output %s }",
            None,
        );
    }
}
