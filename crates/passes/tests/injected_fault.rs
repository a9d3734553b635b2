//! One wrong rewrite among the real passes: checks and bisection must name it, and where it struck.

use std::sync::Arc;

use lehr_graph::{Graph, PatchBuilder, text::parse};
use lehr_ops::registry::Operators;
use lehr_ops::{leaky_relu::LeakyRelu, relu::Relu};
use lehr_passes::bisect::{Verdict, bisect};
use lehr_passes::manager::Stage;
use lehr_passes::pattern::{Match, Pattern, node_of};
use lehr_passes::pipeline::stages_of;
use lehr_passes::{
    Check, Exactness, OptLevel, Options, PassCx, PassError, PassInfo, PassManager, Reject, Rewrite, Rewriter,
};

/// Takes a leaky rectifier for one that does not leak.
struct Leak;

impl Rewrite for Leak {
    fn info(&self) -> PassInfo {
        PassInfo { name: "leak", doc: "for tests", level: OptLevel::O1, exactness: Exactness::BitExact }
    }

    fn pattern(&self) -> Pattern {
        node_of::<LeakyRelu>()
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let node = patch.graph().node(found.root());
        let new = patch.node(Arc::new(Relu {}), &[node.input(0).map(Into::into)], 1)?;
        patch.replace(node.outputs()[0], new[0]);
        Ok(())
    }
}

/// The passes of the highest level with the wrong one in the middle of the first stage.
fn faulty_pipeline() -> PassManager {
    let mut stages: Vec<Stage> = stages_of(OptLevel::O3);
    let passes = &mut stages[0].passes;
    passes.insert(passes.len() / 2, Box::new(Rewriter(Leak)));
    PassManager::new("faulty", stages)
}

/// A leaky rectifier of what is never negative, which may be replaced, and one that may not; and work for the others.
fn model() -> Graph {
    let text = "graph { input %x: f32[N,4]
        const %w = f32[4,4] [1,2,3,4, -1,2,-3,4, 0.5,1,2,1, 1,-1,1,-1]
        const %one = f32[] [1]
        const %bias = f32[4] [0.5, -0.5, 1, 2]
        %a = Identity(%x) %b = Mul(%a, %one) %c = Abs(%b) %d = LeakyRelu(%c) {alpha = 0.5}
        %e = MatMul(%d, %w) %f = Sub(%bias, %e) %wrong = LeakyRelu(%f) {alpha = 0.5} %g = Identity(%wrong)
        %h = Mul(%g, %one) %i = Shape(%h) %j = Reshape(%h, %i) %y = Add(%j, %x)
        output %y }";
    parse(text, &Operators).unwrap()
}

#[test]
fn bisection_names_the_wrong_edit_among_all_passes() {
    let Verdict::Guilty { edit, error } = bisect(&faulty_pipeline(), &model(), &Options::default()).unwrap()
    else {
        panic!("a rewrite is wrong");
    };
    assert_eq!((edit.pass, edit.place.as_str()), ("leak", "'wrong'"), "{error}");
    assert!(matches!(error, PassError::Mismatch { .. }), "{error}");
}

#[test]
fn a_check_stops_at_the_wrong_pass() {
    let options = Options { check: Some(Check::default()), ..Options::default() };
    let error = faulty_pipeline().run(&mut model(), &options).unwrap_err();
    let PassError::Mismatch { pass, .. } = &error else { panic!("{error}") };
    assert_eq!(pass, "leak");
    assert!(
        error.to_string().starts_with("pass 'leak' changed the result: output 'y' differs by up to"),
        "{error}"
    );
}

#[test]
fn the_real_passes_are_innocent() {
    let manager = lehr_passes::pipeline(OptLevel::O3);
    let verdict = bisect(&manager, &model(), &Options::default()).unwrap();
    assert!(matches!(verdict, Verdict::Innocent { edits: 1.., unchecked: None }), "{verdict:?}");
}
