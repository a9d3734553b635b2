//! Lowering: from the graph that files describe to the one that runs, in the layouts of the kernels.
//!
//! Convolutions become operators on blocked maps (`lehr_ops::lowered`) between a way in and a way out; what follows a way
//! out is moved in front of it wherever it means the same on blocks, until a way out meets a way in and both fall out.
//! Attention becomes one operator, products with constant matrices become `Linear`. Then kernels take up what follows
//! them. Lowered graphs are for this machine's kernels alone: they are not written to files of other formats, and no other
//! pass sees them.
//!
//! As for all passes but bit-exact ones ([`Exactness`](crate::pass::Exactness)), results stay when what is fed is finite.
//! An infinity or NaN stays in its image; among the pixels and channels of one, it can reach further than its readers: tiles
//! of minimal filtering spread it over their outputs, and spare lanes over the sums of their pixel.

mod absorb_offset;
mod block_concat;
mod block_elementwise;
mod block_pools;
mod block_resize;
mod block_shuffle;
mod block_slices;
mod blocked_maps;
mod cancel_blocks;
mod fuse_activation;
mod fuse_bias;
mod fuse_factors;
mod fuse_residual;
mod lower_conv;
mod lower_conv_transpose;
mod lower_product;
mod pack_heads;
mod reshape_before_linear;
mod split_linear;
mod use_first_conv;

use absorb_offset::AbsorbOffset;
use block_concat::BlockConcat;
use block_elementwise::BlockElementwise;
use block_pools::BlockPools;
use block_resize::BlockResize;
use block_shuffle::BlockShuffle;
use block_slices::BlockSlices;
use cancel_blocks::CancelBlocks;
use fuse_activation::FuseActivation;
use fuse_bias::FuseBias;
use fuse_factors::FuseFactors;
use fuse_residual::FuseResidual;
use lower_conv::LowerConv;
use lower_conv_transpose::LowerConvTranspose;
use lower_product::LowerProduct;
use pack_heads::PackHeads;
use reshape_before_linear::ReshapeBeforeLinear;
use split_linear::SplitLinear;
use use_first_conv::UseFirstConv;

use crate::eliminate_dead_code::EliminateDeadCode;
use crate::eliminate_duplicates::EliminateDuplicates;
use crate::fuse_attention::FuseAttention;
use crate::manager::{PassManager, Stage};
use crate::rewrite::Rewriter;

/// The passes that lower a graph, whatever the level it was optimised at.
pub fn lowering() -> PassManager {
    let stage = |name, passes| Stage { name, passes };
    PassManager::new(
        "lowering",
        vec![
            // Some transposed convolutions become ordinary ones.
            stage(
                "convolutions",
                vec![Box::new(Rewriter(LowerConvTranspose)), Box::new(Rewriter(LowerConv))],
            ),
            stage(
                "blocks",
                vec![
                    Box::new(Rewriter(CancelBlocks)),
                    Box::new(Rewriter(BlockElementwise)),
                    Box::new(Rewriter(BlockPools)),
                    Box::new(Rewriter(BlockResize)),
                    Box::new(Rewriter(BlockSlices)),
                    Box::new(Rewriter(AbsorbOffset)),
                    Box::new(Rewriter(BlockShuffle)),
                    Box::new(Rewriter(BlockConcat)),
                    // Readers of one value made a way in each.
                    Box::new(EliminateDuplicates),
                ],
            ),
            stage("attention", vec![Box::new(Rewriter(FuseAttention)), Box::new(Rewriter(PackHeads))]),
            stage(
                "products",
                vec![
                    Box::new(Rewriter(LowerProduct)),
                    Box::new(Rewriter(FuseBias)),
                    Box::new(Rewriter(SplitLinear)),
                    Box::new(Rewriter(ReshapeBeforeLinear)),
                ],
            ),
            stage(
                "epilogues",
                vec![
                    // Before the activations, behind which nothing can be added any more.
                    Box::new(Rewriter(FuseResidual)),
                    // Behind the residuals, which it has not.
                    Box::new(Rewriter(UseFirstConv)),
                    Box::new(Rewriter(FuseActivation)),
                    Box::new(Rewriter(FuseFactors)),
                    Box::new(EliminateDeadCode),
                ],
            ),
        ],
    )
}

#[cfg(test)]
mod tests;
