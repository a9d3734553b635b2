//! The passes in their order.

use crate::eliminate_dead_code::EliminateDeadCode;
use crate::eliminate_duplicates::EliminateDuplicates;
use crate::fold_constants::FoldConstants;
use crate::manager::{PassManager, Stage};
use crate::materialise_shapes::MaterialiseShapes;
use crate::pass::{OptLevel, Pass};
use crate::remove_identities::RemoveIdentities;
use crate::rewrite::Rewriter;

/// The passes of a level, in order. A stage runs until none of its passes changes anything.
pub fn pipeline(level: OptLevel) -> PassManager {
    let stages = stages().into_iter().map(|(name, mut passes)| {
        passes.retain(|pass| pass.info().level <= level);
        Stage { name, passes }
    });
    let stages = stages.filter(|stage| level > OptLevel::O0 && !stage.passes.is_empty());
    PassManager::new(level.name(), stages.collect())
}

/// All passes: a pass is left out below its own level.
fn stages() -> Vec<(&'static str, Vec<Box<dyn Pass>>)> {
    vec![("simplify", simplify())]
}

fn simplify() -> Vec<Box<dyn Pass>> {
    vec![
        // First what costs time below: nothing shall be folded that nobody reads.
        Box::new(EliminateDeadCode),
        // Before folding: shape arithmetic becomes constants without being evaluated, also where sizes that it
        // does not depend on are symbolic.
        Box::new(Rewriter(MaterialiseShapes)),
        // Behind the shapes: constant targets let Reshape and Expand be seen to do nothing.
        Box::new(Rewriter(RemoveIdentities)),
        Box::new(Rewriter(FoldConstants)),
        // Behind folding, which makes equal constants out of equal subgraphs.
        Box::new(EliminateDuplicates),
        Box::new(EliminateDeadCode),
    ]
}
