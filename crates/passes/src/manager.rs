//! The pass manager: runs pipelines, takes passes into subgraphs, verifies, checks results, times, and bisects.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lehr_graph::infer::refine_readers;
use lehr_graph::verify::{Level, MAX_NESTING, VerifyError, verify};
use lehr_graph::{Graph, NodeId, ValueType};

use crate::check::{Check, Checker};
use crate::cost_model::{CostModel, Roofline, Totals};
use crate::pass::{Edit, Exactness, Note, Pass, PassCx, PassError, PassInfo};

/// Passes that are repeated together until none of them changes anything.
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// Its passes in order.
    pub passes: Vec<Box<dyn Pass>>,
}

/// A pipeline.
pub struct PassManager {
    name: String,
    stages: Vec<Stage>,
}

/// How a pipeline is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Verify the graph after every pass that changed it.
    pub verify: bool,
    /// Evaluate the graph before and after every pass that changed it.
    pub check: Option<Check>,
    /// Stop after this pass has run for the first time.
    pub stop_after: Option<String>,
    /// Passes that are left out.
    pub disable: BTreeSet<String>,
    /// The only passes that are run, unless empty.
    pub only: BTreeSet<String>,
    /// Run bit-exact passes only.
    pub exact: bool,
    /// Make only this many edits.
    pub max_edits: Option<usize>,
    /// Names of values that must stay alive and visible; rewrites over them are refused.
    pub keep: BTreeSet<String>,
    /// Most bytes of a folded constant that is larger than what it is computed from.
    pub fold_limit: usize,
    /// By which moves are justified.
    pub cost_model: Arc<dyn CostModel>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            verify: cfg!(debug_assertions),
            check: None,
            stop_after: None,
            disable: BTreeSet::new(),
            only: BTreeSet::new(),
            exact: false,
            max_edits: None,
            keep: BTreeSet::new(),
            fold_limit: 64 << 10,
            cost_model: Arc::new(Roofline::default()),
        }
    }
}

impl Options {
    /// Whether a pass is run.
    fn wants(&self, pass: &PassInfo) -> bool {
        let chosen = self.only.is_empty() || self.only.contains(pass.name);
        let allowed = !self.exact || pass.exactness == Exactness::BitExact;
        chosen && allowed && !self.disable.contains(pass.name)
    }
}

/// Times, edits and effect of one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The pass.
    pub pass: &'static str,
    /// Its error class.
    pub exactness: Exactness,
    /// What it changed.
    pub effect: Effect,
    /// How often it ran over the outermost graph.
    pub runs: usize,
    /// Its edits.
    pub edits: usize,
    /// Time in the pass, subgraphs included, verification not.
    pub time: Duration,
}

/// By how much a pass changed a graph; what became less is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Nodes, those of subgraphs included.
    pub nodes: i64,
    /// Bytes of constants.
    pub parameter_bytes: i64,
    /// Multiply-accumulates, with every symbol at [`Totals::HINT`].
    pub macs: i64,
    /// Bytes read and written, likewise.
    pub bytes: i64,
    /// Estimated picojoules of one run, likewise; see [`crate::energy`].
    pub energy_pj: i64,
}

impl Effect {
    fn add(&mut self, before: &Totals, after: &Totals) {
        let change = |before: u64, after: u64| after.cast_signed().saturating_sub(before.cast_signed());
        self.nodes += change(before.nodes as u64, after.nodes as u64);
        self.parameter_bytes += change(before.parameter_bytes, after.parameter_bytes);
        self.macs += change(before.macs, after.macs);
        self.bytes += change(before.bytes, after.bytes);
        self.energy_pj += (after.energy_pj() - before.energy_pj()).round() as i64;
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One row per pass in the order of their first run.
    pub rows: Vec<Row>,
    /// The edits in order.
    pub log: Vec<Edit>,
    /// Why rewrites did not fire.
    pub notes: Vec<Note>,
    /// How many edits there were.
    pub edits: usize,
    /// Size of the graph before and after.
    pub totals: (Totals, Totals),
    /// Why results could not be checked although that was asked for.
    pub unchecked: Option<String>,
}

/// The timing table.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24} {:>5} {:>7} {:>10}", "pass", "runs", "edits", "ms")?;
        for row in &self.rows {
            let ms = row.time.as_secs_f64() * 1e3;
            writeln!(f, "{:<24} {:>5} {:>7} {ms:>10.2}", row.pass, row.runs, row.edits)?;
        }
        write!(f, "{} nodes became {}", self.totals.0.nodes, self.totals.1.nodes)?;
        match &self.unchecked {
            Some(reason) => write!(f, "; results were not checked: {reason}"),
            None => Ok(()),
        }
    }
}

/// Called after every pass that changed the graph, with its name.
pub type Observer<'a> = &'a mut dyn FnMut(&'static str, &Graph);

impl PassManager {
    /// A pipeline of stages.
    pub fn new(name: impl Into<String>, stages: Vec<Stage>) -> Self {
        Self { name: name.into(), stages }
    }

    /// A pipeline of one pass, run until it changes nothing.
    pub fn single(pass: impl Pass + 'static) -> Self {
        let name = pass.info().name;
        Self::new(name, vec![Stage { name, passes: vec![Box::new(pass)] }])
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its passes in order.
    pub fn passes(&self) -> impl Iterator<Item = &dyn Pass> {
        self.stages.iter().flat_map(|stage| &stage.passes).map(|pass| &**pass)
    }

    /// Runs the pipeline.
    ///
    /// # Errors
    /// [`PassError`]; the graph is then as the last good pass left it, except after [`PassError::Broken`] and
    /// [`PassError::Mismatch`], where it is as the guilty pass left it.
    pub fn run(&self, graph: &mut Graph, options: &Options) -> Result<Report, PassError> {
        self.run_observed(graph, options, &mut |_, _| {})
    }

    /// The same; `observe` sees the graph after every pass that changed it.
    ///
    /// # Errors
    /// As [`PassManager::run`].
    pub fn run_observed(
        &self,
        graph: &mut Graph,
        options: &Options,
        observe: Observer<'_>,
    ) -> Result<Report, PassError> {
        self.check_names(options)?;
        let mut run = Run::new(graph, options, observe)?;
        // What a late stage makes known or equal may be news to an early one.
        for _ in 0..MAX_SWEEPS {
            let before = run.cx.edits();
            if run.sweep(&self.stages, graph)? == Next::Stop || run.cx.edits() == before {
                break;
            }
        }
        Ok(run.finish())
    }

    fn check_names(&self, options: &Options) -> Result<(), PassError> {
        let known: Vec<_> = self.passes().map(|pass| pass.info().name.to_owned()).collect();
        match options
            .disable
            .iter()
            .chain(&options.only)
            .chain(&options.stop_after)
            .find(|name| !known.contains(name))
        {
            Some(name) => Err(PassError::UnknownPass { name: name.clone(), known }),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Continue,
    Stop,
}

/// Most rounds of one stage; each round that changes anything makes the graph smaller or simpler, so that few are needed.
const MAX_ROUNDS: usize = 16;
/// Most sweeps over all stages; the second finds little, and the last nothing.
const MAX_SWEEPS: usize = 4;

struct Run<'a> {
    options: &'a Options,
    observe: Observer<'a>,
    cx: PassCx<'a>,
    level: Option<Level>,
    checker: Option<Checker>,
    report: Report,
}

impl<'a> Run<'a> {
    fn new(graph: &Graph, options: &'a Options, observe: Observer<'a>) -> Result<Self, PassError> {
        let level = if options.verify || options.check.is_some() { Some(start_level(graph)?) } else { None };
        let totals = Totals::of(graph);
        let mut report = Report { totals: (totals, totals), ..Report::default() };
        let checker = match options.check.as_ref().map(|check| Checker::new(graph, check)) {
            Some(Ok(checker)) => Some(checker),
            Some(Err(reason)) => {
                report.unchecked = Some(reason);
                None
            }
            None => None,
        };
        let cx = PassCx::new(&options.keep, options.fold_limit, &*options.cost_model, options.max_edits);
        Ok(Self { options, observe, cx, level, checker, report })
    }

    fn sweep(&mut self, stages: &[Stage], graph: &mut Graph) -> Result<Next, PassError> {
        for stage in stages {
            if self.stage(stage, graph)? == Next::Stop {
                return Ok(Next::Stop);
            }
        }
        Ok(Next::Continue)
    }

    fn stage(&mut self, stage: &Stage, graph: &mut Graph) -> Result<Next, PassError> {
        for _ in 0..MAX_ROUNDS {
            let before = self.cx.edits();
            for pass in &stage.passes {
                let name = pass.info().name;
                if !self.options.wants(&pass.info()) {
                    continue;
                }
                self.pass(&**pass, graph)?;
                if self.options.stop_after.as_deref() == Some(name) || self.cx.is_exhausted() {
                    return Ok(Next::Stop);
                }
            }
            if self.cx.edits() == before {
                break;
            }
        }
        Ok(Next::Continue)
    }

    fn pass(&mut self, pass: &dyn Pass, graph: &mut Graph) -> Result<(), PassError> {
        let info = pass.info();
        let name = info.name;
        let before = self.cx.edits();
        let start = Instant::now();
        self.cx.enter(name);
        let result = run_nested(pass, graph, &mut self.cx, 1);
        let edits = self.cx.edits() - before;
        self.record(info, edits, start.elapsed(), graph);
        result?;
        if edits == 0 {
            return Ok(());
        }
        (self.observe)(name, graph);
        if let Some(level) = self.level {
            verify(graph, level).map_err(|errors| PassError::Broken {
                pass: name.into(),
                edit: self.cx.log().last().cloned().map(Box::new),
                errors,
            })?;
        }
        if let Some(checker) = &mut self.checker {
            checker.compare(graph).map_err(|source| PassError::Mismatch {
                pass: name.into(),
                edit: self.cx.log().last().cloned().map(Box::new),
                source,
            })?;
        }
        Ok(())
    }

    fn record(&mut self, info: PassInfo, edits: usize, time: Duration, graph: &Graph) {
        let rows = &mut self.report.rows;
        let at = rows.iter().position(|row| row.pass == info.name).unwrap_or_else(|| {
            let (pass, exactness) = (info.name, info.exactness);
            let effect = Effect::default();
            rows.push(Row { pass, exactness, effect, runs: 0, edits: 0, time: Duration::ZERO });
            rows.len() - 1
        });
        let Some(row) = rows.get_mut(at) else { return };
        row.runs += 1;
        row.edits += edits;
        row.time += time;
        if edits > 0 {
            let after = Totals::of(graph);
            row.effect.add(&self.report.totals.1, &after);
            self.report.totals.1 = after;
        }
    }

    fn finish(mut self) -> Report {
        self.report.edits = self.cx.edits();
        (self.report.log, self.report.notes) = self.cx.into_records();
        self.report
    }
}

/// What held before must hold after: a graph with unknown operators can not be held to its types.
fn start_level(graph: &Graph) -> Result<Level, PassError> {
    let broken = |errors: Vec<VerifyError>| PassError::BrokenInput { errors };
    verify(graph, Level::Wellformed).map_err(broken)?;
    Ok(if verify(graph, Level::Typed).is_ok() { Level::Typed } else { Level::Wellformed })
}

/// Runs a pass over the subgraphs of `graph`, then over `graph` itself.
fn run_nested(
    pass: &dyn Pass,
    graph: &mut Graph,
    cx: &mut PassCx<'_>,
    depth: usize,
) -> Result<(), PassError> {
    for id in graph.topological_order() {
        if depth < MAX_NESTING && !cx.is_exhausted() {
            run_subgraphs(pass, graph, id, cx, depth)?;
        }
    }
    pass.run(graph, cx).map(drop)
}

fn run_subgraphs(
    pass: &dyn Pass,
    graph: &mut Graph,
    id: NodeId,
    cx: &mut PassCx<'_>,
    depth: usize,
) -> Result<(), PassError> {
    let node = graph.node(id);
    let subgraphs: Vec<_> = node.op().subgraphs().into_iter().map(|(_, g)| Arc::clone(g)).collect();
    if subgraphs.is_empty() {
        return Ok(());
    }
    let before = cx.edits();
    let types: Vec<_> = node.inputs().iter().map(|v| v.map(|v| graph.value(v).ty().clone())).collect();
    let mut rewritten = Vec::with_capacity(subgraphs.len());
    for subgraph in subgraphs {
        let mut inner = (*subgraph).clone();
        refine_captures(&mut inner, &types);
        run_nested(pass, &mut inner, cx, depth + 1)?;
        rewritten.push(Arc::new(inner));
    }
    if cx.edits() == before {
        return Ok(());
    }
    let node = graph.node(id);
    if let Some(op) = node.op().with_subgraphs(rewritten) {
        graph.set_op(id, op);
        // The node's own types may now be known better; it is inferred as a reader of its inputs.
        let inputs: Vec<_> = graph.node(id).inputs().iter().flatten().copied().collect();
        refine_readers(graph, &inputs);
    }
    Ok(())
}

/// The enclosing graph may know more of a captured value than the subgraph was read with.
fn refine_captures(inner: &mut Graph, outer: &[Option<ValueType>]) {
    let captures = inner.captures().to_vec();
    let start = outer.len().saturating_sub(captures.len());
    let mut changed = Vec::new();
    for (capture, ty) in captures.into_iter().zip(outer.iter().skip(start)) {
        let Some(merged) = ty.as_ref().and_then(|ty| ty.refine(inner.value(capture).ty()).ok()) else {
            continue;
        };
        if merged != *inner.value(capture).ty() {
            inner.set_type(capture, merged);
            changed.push(capture);
        }
    }
    refine_readers(inner, &changed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pass::{Changed, OptLevel};
    use crate::pattern::{Match, Pattern, node_of};
    use crate::pipeline::pipeline;
    use crate::rewrite::{Reject, Rewrite, Rewriter};
    use crate::testing::{graph, text};
    use lehr_graph::{Origin, PatchBuilder};
    use lehr_ops::{abs::Abs, neg::Neg};

    const CHAIN: &str = "graph { input %x: f32[N,2]
        %a = Relu(%x) %b = Identity(%a) %c = Identity(%b) %d = Identity(%c)
        output %d }";

    /// Replaces every `Abs` by `replacement`.
    struct Swap(fn() -> lehr_graph::OpRef);

    impl Rewrite for Swap {
        fn info(&self) -> PassInfo {
            PassInfo { name: "swap", doc: "for tests", level: OptLevel::O1, exactness: Exactness::BitExact }
        }

        fn pattern(&self) -> Pattern {
            node_of::<Abs>()
        }

        fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
            let node = patch.graph().node(found.root());
            let new = patch.node((self.0)(), &[node.input(0).map(Into::into)], 1)?;
            patch.replace(node.outputs()[0], new[0]);
            Ok(())
        }
    }

    /// Makes a cycle.
    struct Vandal;

    impl Pass for Vandal {
        fn info(&self) -> PassInfo {
            PassInfo { name: "vandal", doc: "for tests", level: OptLevel::O1, exactness: Exactness::BitExact }
        }

        fn run(&self, graph: &mut Graph, cx: &mut PassCx<'_>) -> Result<Changed, PassError> {
            let x = graph.inputs()[0];
            let added = graph.add_node(Arc::new(Abs {}), vec![Some(x)], 1, "", Origin::default());
            if let Ok(node) = added {
                let own = graph.node(node).outputs()[0];
                graph.set_input(node, 0, Some(own));
            }
            cx.permit(String::new);
            Ok(Changed(1))
        }
    }

    fn checked() -> Options {
        Options { verify: true, check: Some(Check::default()), ..Options::default() }
    }

    #[test]
    fn resolves_shape_arithmetic() {
        let mut g = graph(
            "graph { input %x: f32[N,4,2]
            const %zero = i64[1] [0]
            const %minus = i64[1] [-1]
            %s = Shape(%x) %n = Gather(%s, %zero) %t = Concat(%n, %minus) {axis = 0}
            %y = Reshape(%x, %t)
            %u = Shape(%y) %one = Constant() {value = tensor i64[1] [1]} %m = Gather(%u, %one)
            output %y output %m }",
        );
        let report = pipeline(OptLevel::O1).run(&mut g, &checked()).unwrap();
        assert_eq!(report.unchecked, None);
        assert!(text(&g).contains("%y: f32[N,8] = Reshape"), "{}", text(&g));
        assert!(text(&g).contains("const %m = i64[1] [8]"), "{}", text(&g));
        assert_eq!(g.n_nodes(), 1);
    }

    #[test]
    fn names_the_guilty_pass() {
        let abs = "graph { input %x: f32[4] %y = Abs(%x) output %y }";
        let wrong = PassManager::single(Rewriter(Swap(|| Arc::new(Neg {}))));
        let error = wrong.run(&mut graph(abs), &checked()).unwrap_err();
        assert!(matches!(error, PassError::Mismatch { ref pass, .. } if pass == "swap"), "{error}");
        assert!(error.to_string().contains("output 'y' differs by up to 1."), "{error}");

        let error = PassManager::single(Vandal).run(&mut graph(abs), &checked()).unwrap_err();
        assert!(error.to_string().contains("pass 'vandal' broke the graph"), "{error}");
        assert!(error.to_string().contains("expected no cycles"), "{error}");

        let endless = PassManager::single(Rewriter(Swap(|| Arc::new(Abs {}))));
        let error = endless.run(&mut graph(abs), &checked()).unwrap_err();
        assert!(matches!(error, PassError::Endless { .. }), "{error}");
    }

    #[test]
    fn bisects_disables_and_stops() {
        let nodes = |configure: fn(&mut Options)| {
            let mut options = checked();
            configure(&mut options);
            let mut g = graph(CHAIN);
            pipeline(OptLevel::O1).run(&mut g, &options).map(|report| (g.n_nodes(), report.edits))
        };
        assert_eq!(nodes(|_| {}).unwrap(), (1, 3));
        assert_eq!(nodes(|o| o.max_edits = Some(2)).unwrap(), (2, 2));
        assert_eq!(nodes(|o| o.max_edits = Some(0)).unwrap(), (4, 0));
        assert_eq!(nodes(|o| o.disable = ["remove_identities".into()].into()).unwrap(), (4, 0));
        assert_eq!(nodes(|o| o.stop_after = Some("materialise_shapes".into())).unwrap(), (4, 0));
        let error = nodes(|o| o.stop_after = Some("nonsense".into())).unwrap_err().to_string();
        assert!(
            error.starts_with("no pass 'nonsense' in this pipeline, expected one of: eliminate_dead_code")
        );
    }

    #[test]
    fn says_when_it_can_not_check() {
        let mut g =
            graph("graph { input %x: f32[2] %i = Identity(%x) %y: f32[2] = opaque Foo(%i) output %y }");
        let report = pipeline(OptLevel::O1).run(&mut g, &checked()).unwrap();
        assert!(report.unchecked.as_deref().is_some_and(|r| r.contains("operator Foo is not known")));
        assert_eq!(g.n_nodes(), 1);
        assert!(report.to_string().contains("results were not checked"));
    }

    #[test]
    fn is_deterministic() {
        let run = || {
            let mut g = graph(CHAIN);
            let report = pipeline(OptLevel::O2).run(&mut g, &Options::default()).unwrap();
            (text(&g), report.notes)
        };
        assert_eq!(run(), run());
    }
}
