//! Fuses BatchNormalization and Mul, Div, Add, Sub and Neg with constants along the input channels into all the Conv,
//! ConvTranspose, Gemm and MatMul that read them: `W · (s · x + t) + b` is `(W · s) · x + (W · t + b)`.
//!
//! At a padded border the zeros lack `t`, and so do some outputs of a ConvTranspose. There `s · x + t` becomes
//! `x + t / s` at least, if that saves a node.

use lehr_graph::{Flags, Graph, PatchBuilder, PatchValue, Use, ValueId};
use lehr_ops::add::Add;
use lehr_ops::batch_normalization::BatchNormalization;
use lehr_ops::neg::Neg;

use crate::affine::{Affine, ScaleShift};
use crate::constants::floats;
use crate::linear::Linear;
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct FuseScaleBiasAhead;

impl Rewrite for FuseScaleBiasAhead {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "fuse_scale_bias_ahead",
            doc: "folds constants that are multiplied or added, and BatchNormalization, into the weights behind them",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.flags().contains(Flags::ELEMENTWISE) || op.is::<Neg>() || op.is::<BatchNormalization>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let step = Affine::of(graph, found.root()).ok_or(Reject::NoEffect)?;
        let readers = readers(graph, &step)?;
        if let Some(reader) = readers.iter().find(|reader| !reader.takes()) {
            return partly(graph, &step, &readers, patch).map_err(|reject| match reject {
                Reject::NoEffect => reader.refusal(),
                because => because,
            });
        }
        for reader in &readers {
            let fused = reader.linear.preceded_by(&reader.step, step.input.into(), patch)?;
            patch.replace(reader.linear.output, fused);
        }
        Ok(())
    }
}

/// A linear operator with the numbers in front of it.
struct Reader<'g> {
    linear: Linear<'g>,
    step: ScaleShift,
}

impl Reader<'_> {
    fn takes(&self) -> bool {
        self.step.is_scale() || (self.linear.sees_all_weights() && self.has_place_for_bias())
    }

    fn has_place_for_bias(&self) -> bool {
        self.linear.has_bias() || !self.linear.adds_bias_separately()
    }

    fn refusal(&self) -> Reject {
        Reject::because(match self.linear.sees_all_weights() {
            true => "the bias would need a node of its own",
            false => "what is added does not reach the outputs at the borders like the others",
        })
    }
}

/// All who read the step, if they are all linear.
fn readers<'g>(graph: &'g Graph, step: &Affine<'g>) -> Result<Vec<Reader<'g>>, Reject> {
    let reader = |a_use: &Use| {
        let Use::Node { node, .. } = *a_use else { return Err(Reject::NoEffect) };
        let linear = Linear::at(graph, node)?;
        if linear.input != step.output {
            return Err(Reject::NoEffect);
        }
        let (rank, axis, channels) = linear.input_channels()?;
        Ok(Reader { step: step.along(rank, axis, channels)?, linear })
    };
    graph.value(step.output).uses().iter().map(reader).collect()
}

/// Fuses the factors of a multiplication in front of an addition.
fn partly<'g>(
    graph: &'g Graph,
    step: &Affine<'g>,
    readers: &[Reader<'g>],
    patch: &mut PatchBuilder<'_>,
) -> Result<(), Reject> {
    let first = readers.first().ok_or(Reject::NoEffect)?;
    let (rank, axis, channels) = first.linear.input_channels()?;
    let earlier = graph.producer(step.input).and_then(|id| Affine::of(graph, id)).ok_or(Reject::NoEffect)?;
    let is_alone = graph.value(earlier.output).uses().len() == 1;
    let alike = readers.iter().all(|r| r.linear.input_channels() == Ok((rank, axis, channels)));
    if !alike || !is_alone || step.is_batch_norm() || earlier.is_batch_norm() {
        return Err(Reject::NoEffect);
    }
    let whole = first.step.after(&earlier.along(rank, axis, channels)?);
    if whole.is_shift() || whole.scale.contains(&0.0) {
        return Err(Reject::NoEffect);
    }
    let shifted = shifted(&earlier, &whole, rank - axis, patch)?;
    let scale = ScaleShift { shift: vec![0.0; channels], scale: whole.scale };
    for reader in readers {
        let fused = reader.linear.preceded_by(&scale, shifted, patch)?;
        patch.replace(reader.linear.output, fused);
    }
    Ok(())
}

/// `x + t / s`.
fn shifted(
    earlier: &Affine<'_>,
    whole: &ScaleShift,
    rank: usize,
    patch: &mut PatchBuilder<'_>,
) -> Result<PatchValue, Reject> {
    let input: ValueId = earlier.input;
    let dtype = patch.ty(input).dtype().ok_or(Reject::NoEffect)?;
    let terms: Vec<f64> = whole.shift.iter().zip(&whole.scale).map(|(shift, scale)| shift / scale).collect();
    let mut shape = vec![1; rank];
    let is_uniform = terms.windows(2).all(|pair| pair.first() == pair.last());
    let terms = match terms.first() {
        Some(&term) if is_uniform => vec![term],
        _ => terms,
    };
    shape.first_mut().into_iter().for_each(|first| *first = terms.len());
    let terms = patch.constant(floats(dtype, &shape, terms)?);
    Ok(patch.call(Add {}, &[input.into(), terms])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites_within, assert_unchanged};

    #[track_caller]
    fn fuses(before: &str, after: &str) {
        assert_rewrites_within(|| Rewriter(FuseScaleBiasAhead), before, after);
    }

    #[test]
    fn batch_norm_in_front_of_a_conv() {
        let norm = "const %g = f32[2] [3, 2] const %b = f32[2] [0.5, -1] const %m = f32[2] [1, 4]
            const %v = f32[2] [9, 0.25] %h = BatchNormalization(%x, %g, %b, %m, %v) {epsilon = 0.0}";
        fuses(
            &format!(
                "graph {{ input %x: f32[N,2,3] {norm} const %w = f32[2,2,1] [1, 2, 3, 4]
                %y = Conv(%h, %w) output %y }}"
            ),
            "graph { input %x: f32[N,2,3] const %w = f32[2,2,1] [1, 8, 3, 16] const %c = f32[2] [-34.5, -69.5]
            %y = Conv(%x, %w, %c) output %y }",
        );
    }

    #[test]
    fn groups_and_transposed_convs() {
        fuses(
            "graph { input %x: f32[N,2,3] const %s = f32[2,1] [3, 5] const %w = f32[2,1,2] [1, 2, 3, 4]
            %h = Mul(%x, %s) %y = Conv(%h, %w) {group = 2, pads = [1, 1]} output %y }",
            "graph { input %x: f32[N,2,3] const %w = f32[2,1,2] [3, 6, 15, 20]
            %y = Conv(%x, %w) {group = 2, pads = [1, 1]} output %y }",
        );
        fuses(
            "graph { input %x: f32[N,2,3] const %s = f32[2,1] [3, 5] const %w = f32[2,1,2] [1, 2, 3, 4]
            %h = Mul(%s, %x) %y = ConvTranspose(%h, %w) output %y }",
            "graph { input %x: f32[N,2,3] const %w = f32[2,1,2] [3, 6, 15, 20]
            %y = ConvTranspose(%x, %w) output %y }",
        );
    }

    #[test]
    fn all_readers_take_it() {
        fuses(
            "graph { input %x: f32[B,N,2] const %s = f32[2] [2, 10] const %t = f32[2] [1, 2]
            const %w = f32[2,1] [1, 2] const %v = f32[2,1] [3, 4] const %b = f32[1] [7]
            %h = Mul(%x, %s) %k = Add(%h, %t) %p = MatMul(%k, %w) %y = Add(%p, %b)
            %q = MatMul(%k, %v) %z = Add(%q, %b) output %y output %z }",
            "graph { input %x: f32[B,N,2] const %w = f32[2,1] [2, 20] const %v = f32[2,1] [6, 40]
            const %b = f32[1] [12] const %c = f32[1] [18]
            %p = MatMul(%x, %w) %y = Add(%p, %b) %q = MatMul(%x, %v) %z = Add(%q, %c) output %y output %z }",
        );
    }

    #[test]
    fn gemm_multiplies_the_bias_by_alpha() {
        fuses(
            "graph { input %x: f32[N,2] const %t = f32[2] [1, 2] const %w = f32[1,2] [1, 2]
            %k = Add(%x, %t) %y = Gemm(%k, %w) {alpha = 2.0, transB = true} output %y }",
            "graph { input %x: f32[N,2] const %w = f32[1,2] [1, 2] const %b = f32[1] [10]
            %y = Gemm(%x, %w, %b) {alpha = 2.0, transB = true} output %y }",
        );
    }

    #[test]
    fn at_padded_borders_the_addition_stays() {
        let conv = "Conv(%k, %w) {pads = [1, 1]}";
        let head = "input %x: f32[N,2,3] const %w = f32[1,2,2] [1, 2, 3, 4]";
        fuses(
            &format!(
                "graph {{ {head} const %s = f32[1] [2] const %t = f32[1] [6]
                %h = Mul(%x, %s) %k = Add(%h, %t) %y = {conv} output %y }}"
            ),
            "graph { input %x: f32[N,2,3] const %t = f32[1,1] [3] const %w = f32[1,2,2] [2, 4, 6, 8]
            %k = Add(%x, %t) %y = Conv(%k, %w) {pads = [1, 1]} output %y }",
        );
        assert_unchanged(
            || Rewriter(FuseScaleBiasAhead),
            &format!("graph {{ {head} const %t = f32[1] [6] %k = Add(%x, %t) %y = {conv} output %y }}"),
            Some("at the borders"),
        );
    }

    #[test]
    fn what_it_must_not_touch() {
        let unchanged = |body: &str, reason| {
            let text = format!(
                "graph {{ input %x: f32[B,N,2] const %s = f32[2] [2, 4] const %r = f32[3,1] [2, 4, 5]
                const %w = f32[2,2] [1, 2, 3, 4] {body} }}"
            );
            assert_unchanged(|| Rewriter(FuseScaleBiasAhead), &text, reason);
        };
        unchanged("%h = Add(%x, %s) %y = MatMul(%h, %w) output %y", Some("a node of its own"));
        unchanged("%h = Mul(%x, %s) %y = MatMul(%h, %w) output %y output %h", None);
        unchanged("%h = Mul(%x, %s) %y = MatMul(%h, %w) %z = Relu(%h) output %y output %z", None);
        unchanged("input %v: f32[2,2] %h = Mul(%x, %s) %y = MatMul(%h, %v) output %y", Some("not constant"));
        unchanged(
            "input %z: f32[B,3,2] %h = Mul(%z, %r) %y = MatMul(%h, %w) output %y",
            Some("does not differ along axis 2"),
        );
    }
}
