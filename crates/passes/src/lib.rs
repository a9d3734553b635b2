//! Passes: what makes a graph better without changing what it computes; and the manager that runs, verifies, times and
//! bisects them.
//!
//! It is not: a reader of files (see `lehr-formats`), a set of operators (see `lehr-ops`), or anything that runs a model
//! fast (see `lehr-runtime`).
//!
//! # Invariants
//! - One file per pass, named after it, with texts before and after, a numeric check and a case that it must not touch.
//! - Passes never recurse into subgraphs, verify, or time themselves: the manager does.
//! - Every edit goes through [`PassCx`], which counts it (for bisection) and refuses what would lose a kept value.
//! - A rewrite that does not fire says why, or that there was nothing to do. Nothing fails silently.
//! - The result depends on the graph and the options alone.
#![forbid(unsafe_code)]

pub mod affine;
pub mod bind_shapes;
pub mod bisect;
pub mod check;
pub mod constants;
pub mod conv_before_upsample;
pub mod cost_model;
pub mod divide_by_constant;
pub mod eliminate_dead_code;
pub mod eliminate_duplicates;
pub mod eliminate_unused_outputs;
pub mod energy;
mod epilogue;
pub mod fold_constants;
mod formula;
pub mod fuse_attention;
pub mod fuse_batch_norm;
pub mod fuse_gelu;
pub mod fuse_group_norm;
pub mod fuse_hard_sigmoid;
pub mod fuse_hard_swish;
pub mod fuse_instance_norm;
pub mod fuse_layer_norm;
pub mod fuse_log_softmax;
pub mod fuse_mish;
pub mod fuse_pad;
pub mod fuse_pointwise_convs;
pub mod fuse_rms_norm;
pub mod fuse_scale_bias;
pub mod fuse_scale_bias_ahead;
pub mod fuse_sigmoid;
pub mod fuse_softmax;
pub mod fuse_swish;
pub mod gather_to_slice;
pub mod hoist_slices;
pub mod linear;
pub mod lower;
pub mod manager;
pub mod materialise_shapes;
pub mod materialise_targets;
pub mod merge_affine_into_batch_norm;
pub mod merge_affine_into_norm;
pub mod merge_casts;
pub mod merge_clips;
pub mod merge_concats;
pub mod merge_constant_operands;
pub mod merge_gemm_transposes;
pub mod merge_pads;
pub mod merge_parallel_products;
pub mod merge_product_scales;
pub mod merge_reshapes;
pub mod merge_slices;
pub mod merge_transposes;
pub mod normalise_weight_expansion;
mod normalised;
mod normalised_channels;
pub mod pass;
pub mod pattern;
pub mod pipeline;
pub mod pool_before_activation;
pub mod remove_identities;
pub mod remove_unit_windows;
mod reshape_target;
pub mod rewrite;
pub mod search_layout;
pub mod simplify_arithmetic;
pub mod simplify_masks;
pub mod simplify_pow;
pub mod sink_expands;
pub mod sink_functions_below_concat;
pub mod split_conv_over_concat;
pub mod split_to_slice;
#[cfg(test)]
mod testing;
pub mod transpose_without_merging;
pub mod unroll_loops;
pub mod use_gemm_for_unit_maps;
pub mod use_global_pools;

pub use check::Check;
pub use cost_model::{CostModel, Roofline, Totals};
pub use lower::lowering;
pub use manager::{Options, PassManager, Report};
pub use pass::{Changed, Exactness, OptLevel, Pass, PassCx, PassError, PassInfo};
pub use pipeline::pipeline;
pub use rewrite::{Reject, Rewrite, Rewriter};
