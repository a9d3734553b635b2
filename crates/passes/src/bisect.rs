//! Finds the one edit that changes what a graph computes.

use lehr_graph::Graph;

use crate::manager::{Options, PassManager};
use crate::pass::{Edit, PassError};

/// What was found.
#[derive(Debug)]
pub enum Verdict {
    /// No edit changes a result beyond the tolerance.
    Innocent {
        /// How many edits there were.
        edits: usize,
        /// Why results could not be compared, if they could not.
        unchecked: Option<String>,
    },
    /// The graph computes the same without this edit and something else with it.
    Guilty {
        /// The edit.
        edit: Edit,
        /// What it did.
        error: PassError,
    },
}

/// Runs the pipeline with fewer and fewer edits until the first that changes a result, or breaks the graph, is found.
///
/// # Errors
/// [`PassError`] when the pipeline can not run at all.
pub fn bisect(manager: &PassManager, graph: &Graph, options: &Options) -> Result<Verdict, PassError> {
    let attempt = |max_edits: Option<usize>| {
        let check = Some(options.check.clone().unwrap_or_default());
        let options = Options { verify: true, check, max_edits, ..options.clone() };
        manager.run(&mut graph.clone(), &options)
    };
    let (mut error, mut bad) = match attempt(options.max_edits) {
        Ok(report) => return Ok(Verdict::Innocent { edits: report.edits, unchecked: report.unchecked }),
        Err(error) => match guilty(&error) {
            Some(edit) => (error, edit),
            None => return Err(error),
        },
    };
    let mut good = 0;
    while good + 1 < bad.number {
        let middle = good + (bad.number - good) / 2;
        match attempt(Some(middle)) {
            Ok(_) => good = middle,
            Err(other) => match guilty(&other) {
                Some(edit) => (error, bad) = (other, edit),
                None => return Err(other),
            },
        }
    }
    Ok(Verdict::Guilty { edit: bad, error })
}

fn guilty(error: &PassError) -> Option<Edit> {
    match error {
        PassError::Mismatch { edit, .. } | PassError::Broken { edit, .. } => edit.as_deref().cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
    use crate::pattern::{Match, Pattern, node_of};
    use crate::rewrite::{Reject, Rewrite, Rewriter};
    use crate::testing::graph;
    use lehr_graph::PatchBuilder;
    use lehr_ops::{abs::Abs, relu::Relu};

    /// Takes `Abs` for `Relu`, which is right for numbers that are not negative.
    struct Hasty;

    impl Rewrite for Hasty {
        fn info(&self) -> PassInfo {
            PassInfo { name: "hasty", doc: "for tests", level: OptLevel::O1, exactness: Exactness::BitExact }
        }

        fn pattern(&self) -> Pattern {
            node_of::<Abs>()
        }

        fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
            let node = patch.graph().node(found.root());
            let new = patch.node(std::sync::Arc::new(Relu {}), &[node.input(0).map(Into::into)], 1)?;
            patch.replace(node.outputs()[0], new[0]);
            Ok(())
        }
    }

    #[test]
    fn names_the_edit() {
        let g = graph(
            "graph { input %x: f32[8]
                %a = Relu(%x) %b = Abs(%a) %c = Abs(%b) %d = Neg(%c) %wrong = Abs(%d) %e = Relu(%wrong) %f = Abs(%e)
                output %f }",
        );
        let manager = PassManager::single(Rewriter(Hasty));
        let Verdict::Guilty { edit, error } = bisect(&manager, &g, &Options::default()).unwrap() else {
            panic!("the third edit is wrong");
        };
        assert_eq!((edit.pass, edit.number, edit.place.as_str()), ("hasty", 3, "'wrong'"), "{error}");
        let g = graph("graph { input %x: f32[8] %a = Relu(%x) %b = Abs(%a) output %b }");
        assert!(matches!(bisect(&manager, &g, &Options::default()), Ok(Verdict::Innocent { edits: 1, .. })));
    }
}
