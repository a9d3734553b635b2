//! The passes in their order.

use crate::conv_before_upsample::ConvBeforeUpsample;
use crate::divide_by_constant::DivideByConstant;
use crate::eliminate_dead_code::EliminateDeadCode;
use crate::eliminate_duplicates::EliminateDuplicates;
use crate::eliminate_unused_outputs::EliminateUnusedOutputs;
use crate::fold_constants::FoldConstants;
use crate::fuse_batch_norm::FuseBatchNorm;
use crate::fuse_gelu::FuseGelu;
use crate::fuse_group_norm::FuseGroupNorm;
use crate::fuse_hard_sigmoid::FuseHardSigmoid;
use crate::fuse_hard_swish::FuseHardSwish;
use crate::fuse_instance_norm::FuseInstanceNorm;
use crate::fuse_layer_norm::FuseLayerNorm;
use crate::fuse_log_softmax::FuseLogSoftmax;
use crate::fuse_mish::FuseMish;
use crate::fuse_pad::FusePad;
use crate::fuse_pointwise_convs::FusePointwiseConvs;
use crate::fuse_rms_norm::FuseRmsNorm;
use crate::fuse_scale_bias::FuseScaleBias;
use crate::fuse_scale_bias_ahead::FuseScaleBiasAhead;
use crate::fuse_sigmoid::FuseSigmoid;
use crate::fuse_softmax::FuseSoftmax;
use crate::fuse_swish::FuseSwish;
use crate::gather_to_slice::GatherToSlice;
use crate::hoist_slices::HoistSlices;
use crate::manager::{PassManager, Stage};
use crate::materialise_shapes::MaterialiseShapes;
use crate::materialise_targets::MaterialiseTargets;
use crate::merge_affine_into_batch_norm::MergeAffineIntoBatchNorm;
use crate::merge_affine_into_norm::MergeAffineIntoNorm;
use crate::merge_casts::MergeCasts;
use crate::merge_clips::MergeClips;
use crate::merge_concats::MergeConcats;
use crate::merge_constant_operands::MergeConstantOperands;
use crate::merge_gemm_transposes::MergeGemmTransposes;
use crate::merge_pads::MergePads;
use crate::merge_parallel_products::MergeParallelProducts;
use crate::merge_product_scales::MergeProductScales;
use crate::merge_reshapes::MergeReshapes;
use crate::merge_slices::MergeSlices;
use crate::merge_transposes::MergeTransposes;
use crate::normalise_weight_expansion::NormaliseWeightExpansion;
use crate::pass::{OptLevel, Pass};
use crate::pool_before_activation::PoolBeforeActivation;
use crate::remove_identities::RemoveIdentities;
use crate::remove_unit_windows::RemoveUnitWindows;
use crate::rewrite::Rewriter;
use crate::search_layout::SearchLayout;
use crate::simplify_arithmetic::SimplifyArithmetic;
use crate::simplify_masks::SimplifyMasks;
use crate::simplify_pow::SimplifyPow;
use crate::sink_expands::SinkExpands;
use crate::sink_functions_below_concat::SinkFunctionsBelowConcat;
use crate::split_conv_over_concat::SplitConvOverConcat;
use crate::split_to_slice::SplitToSlice;
use crate::transpose_without_merging::TransposeWithoutMerging;
use crate::unroll_loops::UnrollLoops;
use crate::use_gemm_for_unit_maps::UseGemmForUnitMaps;
use crate::use_global_pools::UseGlobalPools;

/// The passes of a level, in order. A stage runs until none of its passes changes anything.
pub fn pipeline(level: OptLevel) -> PassManager {
    PassManager::new(level.name(), stages_of(level))
}

/// The stages of a level.
pub fn stages_of(level: OptLevel) -> Vec<Stage> {
    let stages = stages().into_iter().map(|(name, mut passes)| {
        passes.retain(|pass| pass.info().level <= level);
        Stage { name, passes }
    });
    stages.filter(|stage| level > OptLevel::O0 && !stage.passes.is_empty()).collect()
}

/// All passes: a pass is left out below its own level.
fn stages() -> Vec<(&'static str, Vec<Box<dyn Pass>>)> {
    vec![
        ("simplify", exact()),
        // Before the formulas and the weights, which see operands better that are not repeated.
        ("expands", vec![Box::new(Rewriter(SinkExpands))]),
        // Before everything that moves factors and nodes, which would tear the formulas apart.
        ("formulas", formulas()),
        // Behind the formulas, some of which are bound to the last axis; before the weights, which only what is next to
        // each other can be merged into.
        ("layout", vec![Box::new(SearchLayout)]),
        // Behind the formulas, whose constants they would swallow.
        ("weights", weights().into_iter().chain(algebra()).collect()),
        // Behind the weights, which leave fewer nodes to move: what is not read is not computed.
        ("reorder", reorder().into_iter().chain(algebra()).collect()),
        // Behind the moves of slices, which would take apart again what is put together here.
        ("parallel", vec![Box::new(Rewriter(MergeParallelProducts))]),
        // Last: what the stages before made equal, constant, or unread.
        ("clean_up", exact()),
    ]
}

/// What keeps every bit.
fn exact() -> Vec<Box<dyn Pass>> {
    simplify().into_iter().chain(exact_algebra()).collect()
}

/// Moves that the cost model approves of.
fn reorder() -> Vec<Box<dyn Pass>> {
    vec![
        Box::new(Rewriter(HoistSlices)),
        Box::new(Rewriter(ConvBeforeUpsample)),
        Box::new(Rewriter(PoolBeforeActivation)),
        Box::new(Rewriter(SinkFunctionsBelowConcat)),
        // Behind what removes parts of a Concat.
        Box::new(Rewriter(SplitConvOverConcat)),
        // Equal slices come from different readers.
        Box::new(EliminateDuplicates),
    ]
}

fn simplify() -> Vec<Box<dyn Pass>> {
    vec![
        // First what costs time below: nothing shall be folded that nobody reads.
        Box::new(EliminateDeadCode),
        // Behind it, which makes more outputs unread.
        Box::new(Rewriter(EliminateUnusedOutputs)),
        // Before folding: shape arithmetic becomes constants without being evaluated, also where sizes that it
        // does not depend on are symbolic.
        Box::new(Rewriter(MaterialiseShapes)),
        // Behind the shapes: constant targets let Reshape and Expand be seen to do nothing.
        Box::new(Rewriter(RemoveIdentities)),
        Box::new(Rewriter(FoldConstants)),
        // Behind folding, which makes numbers of iterations constant.
        Box::new(Rewriter(UnrollLoops)),
        // Behind folding, which makes equal constants out of equal subgraphs.
        Box::new(EliminateDuplicates),
        Box::new(EliminateDeadCode),
    ]
}

/// Formulas that the newest opset has an operator for.
fn formulas() -> Vec<Box<dyn Pass>> {
    vec![
        // The sigmoid form of Gelu is a product with a sigmoid, too: the longer formula comes first.
        Box::new(Rewriter(FuseGelu)),
        Box::new(Rewriter(FuseSwish)),
        Box::new(Rewriter(FuseSigmoid)),
        // Holds a hard sigmoid.
        Box::new(Rewriter(FuseHardSwish)),
        Box::new(Rewriter(FuseHardSigmoid)),
        Box::new(Rewriter(FuseMish)),
        // Before the layer norms, which take over what is normalised over the same axes without parameters of channels.
        Box::new(Rewriter(FuseInstanceNorm)),
        // A centred value over its deviation is also one over its root mean square: the longer formula comes first.
        Box::new(Rewriter(FuseLayerNorm)),
        Box::new(Rewriter(FuseRmsNorm)),
        // Needs one of the norms before between two reshapes.
        Box::new(Rewriter(FuseGroupNorm)),
        Box::new(Rewriter(MergeAffineIntoNorm)),
        // May hold a softmax.
        Box::new(Rewriter(FuseSoftmax)),
        Box::new(Rewriter(FuseLogSoftmax)),
    ]
}

/// What can be computed beforehand on constant weights.
fn weights() -> Vec<Box<dyn Pass>> {
    vec![
        // First, being one step that others would need two for.
        Box::new(Rewriter(FuseBatchNorm)),
        Box::new(Rewriter(FuseScaleBias)),
        // Behind those: what has weights on both sides goes backwards, where no border is in the way.
        Box::new(Rewriter(FuseScaleBiasAhead)),
        // What found no weights on either side.
        Box::new(Rewriter(MergeAffineIntoBatchNorm)),
        Box::new(Rewriter(FusePad)),
        // Behind those, which take away what stands between two convolutions.
        Box::new(Rewriter(FusePointwiseConvs)),
        // First the poolings that do nothing: the others say what they do in one way.
        Box::new(Rewriter(RemoveUnitWindows)),
        Box::new(Rewriter(UseGlobalPools)),
        // Behind what is merged into convolutions.
        Box::new(Rewriter(UseGemmForUnitMaps)),
    ]
}

/// What gives the same bits with fewer or cheaper nodes; repeated with the clean-up, which it makes work for.
fn exact_algebra() -> Vec<Box<dyn Pass>> {
    vec![
        // Makes sizes unread, so that Shape and what is computed from it fall out.
        Box::new(Rewriter(MaterialiseTargets)),
        Box::new(Rewriter(MergeReshapes)),
        // Before the transposes, one of which it leaves.
        Box::new(Rewriter(TransposeWithoutMerging)),
        Box::new(Rewriter(MergeTransposes)),
        // Behind the merged ones: what is left belongs to the product alone.
        Box::new(Rewriter(MergeGemmTransposes)),
        Box::new(Rewriter(MergeCasts)),
        Box::new(Rewriter(SimplifyArithmetic)),
        // Behind the casts, which it takes for masks where they are of truth values.
        Box::new(Rewriter(SimplifyMasks)),
        Box::new(Rewriter(MergeClips)),
        Box::new(Rewriter(MergePads)),
        // Make slices that merge.
        Box::new(Rewriter(GatherToSlice)),
        Box::new(Rewriter(SplitToSlice)),
        Box::new(Rewriter(MergeSlices)),
        Box::new(Rewriter(MergeConcats)),
        // Behind the casts, two of which may make one.
        Box::new(Rewriter(NormaliseWeightExpansion)),
    ]
}

/// Cheaper forms of what no formula took up, equal but for rounding; repeated with the weights, which take up what comes
/// of it.
fn algebra() -> Vec<Box<dyn Pass>> {
    vec![
        Box::new(Rewriter(SimplifyPow)),
        // Products merge with what is next to them.
        Box::new(Rewriter(DivideByConstant)),
        Box::new(Rewriter(MergeConstantOperands)),
        // Behind the neighbouring factors, which it takes for one.
        Box::new(Rewriter(MergeProductScales)),
    ]
}
