//! `ToBlocked(FromBlocked(x)) = x`: the lanes behind the last channel are those that they were, which nobody minds.

use lehr_graph::PatchBuilder;
use lehr_ops::lowered::to_blocked::ToBlocked;

use super::blocked_maps::Maps;
use crate::formula::result;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node_of};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub(super) struct CancelBlocks;

impl Rewrite for CancelBlocks {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "cancel_blocks",
            doc: "leaves out a way out of blocked maps and the way in behind it",
            level: OptLevel::O1,
            exactness: Exactness::BitExact,
        }
    }

    fn pattern(&self) -> Pattern {
        node_of::<ToBlocked>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let maps = Maps::input(graph, graph.node(found.root()).input(0))?;
        patch.replace(result(found, graph)?, maps.value);
        Ok(())
    }
}
