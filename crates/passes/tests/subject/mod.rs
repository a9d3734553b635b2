//! A graph with its results, and everything it is put through.

use std::fmt;

use lehr_graph::text::print_full;
use lehr_graph::{Datum, Graph, ValueId};
use lehr_ops::evaluate::Reference;
use lehr_passes::{Check, Exactness, OptLevel, Options, PassManager, check, pipeline};
use lehr_tensor::{DataType, Tensor, Wide};

/// A graph, what it is fed, and what it gives.
#[derive(Clone)]
pub struct Subject {
    pub graph: Graph,
    pub inputs: Vec<Option<Datum>>,
    expected: Vec<Datum>,
    /// What each output may be off; `None` when numbers overflow, so that rounding decides about infinities, and when
    /// infinities are fed, of which only bit-exact passes promise anything: spelled out, the probability of what is
    /// infinitely likely is `inf / inf` and that of all else 0, where Softmax gives NaN for all of them.
    tolerances: Option<Vec<f64>>,
    /// Whether constants hold NaN or infinities.
    is_wild: bool,
}

/// What a graph is put through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The pipeline of a level.
    Level(OptLevel),
    /// One pass of the highest level.
    Only(String, Exactness),
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(level) => write!(f, "{level}"),
            Self::Only(pass, exactness) => write!(f, "{pass} alone ({})", exactness.name()),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Failure {
    pub plan: Plan,
    pub problem: String,
}

impl Subject {
    /// Nothing when the graph can not be evaluated.
    pub fn new(graph: Graph, inputs: Vec<Option<Datum>>, is_wild: bool) -> Option<Self> {
        let mut largest = 1.0;
        let (mut is_finite, mut is_empty) = (true, false);
        let mut look = |datum: &Datum| {
            is_empty |= datum.as_tensor().is_some_and(Tensor::is_empty);
            for x in numbers(datum) {
                if x.is_finite() { largest = x.abs().max(largest) } else { is_finite = false }
            }
        };
        inputs.iter().flatten().for_each(&mut look);
        let feeds_infinity = inputs.iter().flatten().flat_map(numbers).any(f64::is_infinite);
        let expected = Reference::default().run_observed(&graph, inputs.clone(), &mut |_, d| look(d)).ok()?;
        expected.iter().for_each(&mut look);
        // `-1` in a reshape of nothing can be any size, which types settle and evaluation can not.
        if is_empty && is_symbolic(&graph) {
            return None;
        }
        let unit = unit_of(&graph);
        let tolerances = if (is_finite || is_wild) && !feeds_infinity && largest < 1.0 / unit {
            let shifted = Reference::default().run(&graph, shifted(&inputs, unit)).ok()?;
            let sensitivity = |(a, b): (&Datum, &Datum)| {
                let pairs = numbers(a).into_iter().zip(numbers(b));
                pairs.map(|(a, b)| (a - b).abs()).filter(|d| d.is_finite()).fold(0.0, f64::max)
            };
            Some(
                expected
                    .iter()
                    .zip(&shifted)
                    .map(|pair| 64.0 * (unit * largest + sensitivity(pair)))
                    .collect(),
            )
        } else {
            None
        };
        Some(Self { graph, inputs, expected, tolerances, is_wild })
    }

    /// The same inputs' graph with other nodes.
    pub fn with(&self, graph: Graph, inputs: Vec<Option<Datum>>) -> Option<Self> {
        Self::new(graph, inputs, self.is_wild)
    }

    /// Every computed value.
    pub fn values(&self) -> Vec<(ValueId, Datum)> {
        let mut values = Vec::new();
        let observe = &mut |id, datum: &Datum| values.push((id, datum.clone()));
        let _ = Reference::default().run_observed(&self.graph, self.inputs.clone(), observe);
        values
    }

    /// Holds a rewritten graph to the results.
    fn compare(&self, graph: &Graph, is_exact: bool) -> Result<(), String> {
        let got = Reference::default().run(graph, self.inputs.clone()).map_err(|error| error.to_string())?;
        if got.len() != self.expected.len() {
            return Err(format!("expected {} outputs, got {}", self.expected.len(), got.len()));
        }
        for (index, (got, expected)) in got.iter().zip(&self.expected).enumerate() {
            let name = graph.output_name(index);
            if name != self.graph.output_name(index) {
                return Err(format!(
                    "output {index}: expected name '{}', got '{name}'",
                    self.graph.output_name(index)
                ));
            }
            let atol = match (&self.tolerances, is_exact) {
                (_, true) => 0.0,
                (Some(tolerances), false) => tolerances[index],
                (None, false) => continue,
            };
            let check = Check { rtol: 0.0, atol, ..Check::default() };
            check::compare(name, got, expected, &check)
                .map_err(|error| format!("{error}; tolerance {atol:e}"))?;
            if is_exact && bits(got) != bits(expected) {
                return Err(format!("output '{name}': signs of zeros differ"));
            }
        }
        Ok(())
    }
}

fn numbers(datum: &Datum) -> Vec<f64> {
    datum.as_tensor().and_then(|tensor| tensor.to_f64s().ok()).unwrap_or_default()
}

/// All bits, where one NaN is as good as another.
fn bits(datum: &Datum) -> Vec<u64> {
    let bits = |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    numbers(datum).into_iter().map(bits).collect()
}

fn is_symbolic(graph: &Graph) -> bool {
    let shapes = graph.inputs().iter().filter_map(|&id| graph.value(id).ty().shape());
    shapes.into_iter().any(|shape| !shape.symbols().is_empty())
}

/// Unit of rounding of the coarsest type that is computed with; formulas' constants are no better than f32 anywhere.
fn unit_of(graph: &Graph) -> f64 {
    let half = graph.value_ids().any(|id| graph.value(id).ty().dtype() == Some(DataType::F16));
    if half { 1e-3 } else { 1.2e-7 }
}

/// Floats changed by as much as one rounding changes them.
fn shifted(inputs: &[Option<Datum>], unit: f64) -> Vec<Option<Datum>> {
    let shift = |tensor: &Tensor| match tensor.widen() {
        Wide::F(values) => {
            let sign = |at: usize| if at * 7 % 5 < 2 { unit } else { -unit };
            let values = values.iter().enumerate().map(|(at, x)| x * (1.0 + sign(at))).collect();
            Tensor::narrow(tensor.dtype(), tensor.shape(), Wide::F(values)).expect("as many elements")
        }
        _ => tensor.clone(),
    };
    inputs
        .iter()
        .map(|i| i.as_ref().map(|d| d.as_tensor().map_or_else(|| d.clone(), |t| Datum::Tensor(shift(t)))))
        .collect()
}

/// The pipelines.
pub struct Bench {
    levels: Vec<(OptLevel, PassManager)>,
}

impl Bench {
    pub fn new() -> Self {
        Self { levels: [OptLevel::O1, OptLevel::O3].map(|level| (level, pipeline(level))).into() }
    }

    fn plans(&self) -> Vec<Plan> {
        let mut plans: Vec<_> = self.levels.iter().map(|(level, _)| Plan::Level(*level)).collect();
        let highest = pipeline(OptLevel::O3);
        for pass in highest.passes().map(|pass| pass.info()) {
            let plan = Plan::Only(pass.name.into(), pass.exactness);
            if !plans.contains(&plan) {
                plans.push(plan);
            }
        }
        plans
    }

    /// Everything that goes wrong.
    pub fn failures(&self, subject: &Subject) -> Vec<Failure> {
        let fails = |plan: Plan| self.problem(subject, &plan).map(|problem| Failure { plan, problem });
        self.plans().into_iter().filter_map(fails).collect()
    }

    /// What goes wrong in one plan.
    pub fn problem(&self, subject: &Subject, plan: &Plan) -> Option<String> {
        self.judge(subject, plan).err()
    }

    fn judge(&self, subject: &Subject, plan: &Plan) -> Result<(), String> {
        let mut options = Options::default();
        let (level, is_exact) = match plan {
            Plan::Level(level) => (*level, *level == OptLevel::O1),
            Plan::Only(name, exactness) => {
                options.only.insert(name.clone());
                (OptLevel::O3, *exactness == Exactness::BitExact)
            }
        };
        let (_, manager) = self.levels.iter().find(|(own, _)| *own == level).expect("one of the levels");
        let run = |graph: &mut Graph, verify: bool| {
            let options = Options { verify, ..options.clone() };
            manager.run(graph, &options).map_err(|error| error.to_string())
        };
        let mut graph = subject.graph.clone();
        let report = run(&mut graph, false)?;
        if report.edits == 0 {
            return Ok(());
        }
        let mut again = subject.graph.clone();
        run(&mut again, true)?;
        if print_full(&again) != print_full(&graph) {
            return Err("two runs give different graphs".into());
        }
        subject.compare(&graph, is_exact).map_err(|problem| {
            let edits: Vec<_> =
                report.log.iter().map(|edit| format!("{} {}", edit.pass, edit.place)).collect();
            format!("{problem}\nedits: {}", edits.join("; "))
        })?;
        let second = run(&mut graph, true)?;
        match second.log.first() {
            Some(edit) => Err(format!("a second run still finds something: {} at {}", edit.pass, edit.place)),
            None => Ok(()),
        }
    }
}
