//! Numeric checks: evaluates a graph before and after a pass with the reference interpreter.

use std::collections::BTreeSet;

use lehr_graph::dim::{Assignment, Symbol};
use lehr_graph::{Datum, Dim, Graph, OpError, Shape, TensorType, ValueType};
use lehr_ops::evaluate::Reference;
use lehr_tensor::{DataType, Tensor, Wide};

/// How results are checked.
#[derive(Clone, Debug)]
pub struct Check {
    /// Inputs; random ones when not given.
    pub inputs: Option<Vec<Option<Datum>>>,
    /// Seed of random inputs and random operators.
    pub seed: u64,
    /// Relative tolerance for floats.
    pub rtol: f64,
    /// Absolute tolerance for floats.
    pub atol: f64,
}

impl Default for Check {
    fn default() -> Self {
        Self { inputs: None, seed: 1, rtol: 1e-4, atol: 1e-5 }
    }
}

/// What differs between two results.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The graph can not be evaluated any more.
    #[error("the graph can not be evaluated any more: {0}")]
    Eval(String),
    /// Another number of outputs, another type or shape.
    #[error("output '{output}': expected {expected}, got {got}")]
    Kind {
        /// Name of the output.
        output: String,
        /// What it was.
        expected: String,
        /// What it is.
        got: String,
    },
    /// Contents differ.
    #[error(
        "output '{output}' differs by up to {difference:e} (element {at}: expected {expected}, got {got})"
    )]
    Contents {
        /// Name of the output.
        output: String,
        /// Largest absolute difference.
        difference: f64,
        /// Where it is.
        at: usize,
        /// What was there.
        expected: String,
        /// What is there.
        got: String,
    },
}

/// Inputs and the results of the last good graph.
pub(crate) struct Checker {
    check: Check,
    inputs: Vec<Option<Datum>>,
    expected: Vec<Datum>,
}

impl Checker {
    /// Evaluates `graph` as it is; an error says why that is not possible.
    pub(crate) fn new(graph: &Graph, check: &Check) -> Result<Self, String> {
        let reference = Reference { seed: check.seed, ..Reference::default() };
        if let Some(inputs) = &check.inputs {
            let expected = reference.run(graph, inputs.clone()).map_err(|e| e.to_string())?;
            return Ok(Self { check: check.clone(), inputs: inputs.clone(), expected });
        }
        let mut problem = String::new();
        for attempt in Attempt::ALL {
            let result = random_inputs(graph, check.seed, attempt)
                .and_then(|inputs| Ok((reference.run(graph, inputs.clone())?, inputs)));
            match result {
                Ok((expected, inputs)) => return Ok(Self { check: check.clone(), inputs, expected }),
                Err(error) => problem = error.to_string(),
            }
        }
        Err(format!("no random inputs fit the graph: {problem}"))
    }

    /// Holds `graph` to the last results.
    pub(crate) fn compare(&mut self, graph: &Graph) -> Result<(), CheckError> {
        let reference = Reference { seed: self.check.seed, ..Reference::default() };
        let got =
            reference.run(graph, self.inputs.clone()).map_err(|error| CheckError::Eval(error.to_string()))?;
        if got.len() != self.expected.len() {
            return Err(CheckError::Kind {
                output: "*".into(),
                expected: format!("{} outputs", self.expected.len()),
                got: got.len().to_string(),
            });
        }
        for (index, (got, expected)) in got.iter().zip(&self.expected).enumerate() {
            compare(graph.output_name(index), got, expected, &self.check)?;
        }
        self.expected = got;
        Ok(())
    }
}

/// Holds `got` to `expected` within the tolerances of `check`; `output` names it in errors.
///
/// # Errors
/// [`CheckError`] with the largest difference.
pub fn compare(output: &str, got: &Datum, expected: &Datum, check: &Check) -> Result<(), CheckError> {
    let kind =
        || CheckError::Kind { output: output.to_owned(), expected: expected.describe(), got: got.describe() };
    match (got, expected) {
        (Datum::Tensor(g), Datum::Tensor(e)) if (g.dtype(), g.shape()) == (e.dtype(), e.shape()) => {
            compare_tensors(output, g, e, check)
        }
        (Datum::Sequence(g), Datum::Sequence(e)) if g.len() == e.len() => {
            g.iter().zip(e).try_for_each(|(g, e)| compare(output, g, e, check))
        }
        (Datum::Optional(None), Datum::Optional(None)) => Ok(()),
        (Datum::Optional(Some(g)), Datum::Optional(Some(e))) => compare(output, g, e, check),
        (Datum::Map(g), Datum::Map(e)) if g.keys == e.keys => {
            g.values.iter().zip(&e.values).try_for_each(|(g, e)| compare(output, g, e, check))
        }
        _ => Err(kind()),
    }
}

fn compare_tensors(output: &str, got: &Tensor, expected: &Tensor, check: &Check) -> Result<(), CheckError> {
    if got == expected {
        return Ok(());
    }
    let (Ok(g), Ok(e)) = (got.to_f64s(), expected.to_f64s()) else {
        return Err(CheckError::Contents {
            output: output.to_owned(),
            difference: f64::NAN,
            at: 0,
            expected: format!("{expected:?}"),
            got: format!("{got:?}"),
        });
    };
    let exact = !expected.dtype().is_float();
    let mut worst: Option<(f64, usize)> = None;
    for (at, (&g, &e)) in g.iter().zip(&e).enumerate() {
        if g == e || (g.is_nan() && e.is_nan()) {
            continue;
        }
        let difference = (g - e).abs();
        let close = !exact && difference <= check.atol + check.rtol * e.abs();
        // A NaN on one side only is worse than any number.
        let size = if difference.is_nan() { f64::INFINITY } else { difference };
        if !close && worst.is_none_or(|(largest, _)| size > largest) {
            worst = Some((size, at));
        }
    }
    let Some((difference, at)) = worst else { return Ok(()) };
    let number = |values: &[f64]| values.get(at).map(f64::to_string).unwrap_or_default();
    Err(CheckError::Contents {
        output: output.to_owned(),
        difference,
        at,
        expected: number(&e),
        got: number(&g),
    })
}

/// One way to choose sizes and integers; graphs constrain both in ways that types do not say.
#[derive(Clone, Copy)]
struct Attempt {
    /// Size of the first symbol and of unknown dimensions.
    size: u64,
    /// What is added for each further symbol.
    step: u64,
    /// Integers are below this.
    below: i64,
}

impl Attempt {
    const ALL: [Attempt; 11] = [
        Attempt { size: 2, step: 1, below: 2 },
        Attempt { size: 2, step: 0, below: 2 },
        Attempt { size: 1, step: 0, below: 2 },
        Attempt { size: 4, step: 4, below: 2 },
        Attempt { size: 8, step: 0, below: 2 },
        Attempt { size: 16, step: 0, below: 2 },
        Attempt { size: 2, step: 0, below: 1 },
        Attempt { size: 32, step: 0, below: 2 },
        // Pictures and sound: a batch of one, and enough for several strides and windows.
        Attempt { size: 1, step: 63, below: 2 },
        Attempt { size: 64, step: 0, below: 2 },
        Attempt { size: 1, step: 1279, below: 2 },
    ];
}

/// Random inputs of the types that `graph` declares; symbolic sizes become small ones.
fn random_inputs(graph: &Graph, seed: u64, attempt: Attempt) -> Result<Vec<Option<Datum>>, OpError> {
    let formals: Vec<_> = graph.inputs().iter().chain(graph.captures()).collect();
    let mut symbols = BTreeSet::new();
    formals.iter().for_each(|&&id| collect_symbols(graph.value(id).ty(), &mut symbols));
    let mut sizes = Assignment::new();
    for (index, symbol) in symbols.into_iter().enumerate() {
        sizes.insert(symbol, attempt.size + attempt.step * index as u64);
    }
    let mut random = Random { state: seed, sizes, attempt };
    formals.into_iter().map(|&id| random.datum(graph.value(id).ty()).map(Some)).collect()
}

fn collect_symbols(ty: &ValueType, into: &mut BTreeSet<Symbol>) {
    match ty {
        ValueType::Tensor(TensorType { shape: Some(shape), .. }) => into.extend(shape.symbols()),
        ValueType::Sequence(item) | ValueType::Optional(item) | ValueType::Map { value: item, .. } => {
            collect_symbols(item, into);
        }
        _ => {}
    }
}

struct Random {
    state: u64,
    sizes: Assignment,
    attempt: Attempt,
}

impl Random {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [-1, 1).
    fn float(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn datum(&mut self, ty: &ValueType) -> Result<Datum, OpError> {
        match ty {
            ValueType::Tensor(ty) => Ok(Datum::Tensor(self.tensor(ty)?)),
            ValueType::Sequence(item) => Ok(Datum::Sequence(vec![self.datum(item)?, self.datum(item)?])),
            ValueType::Optional(item) => Ok(Datum::Optional(Some(Box::new(self.datum(item)?)))),
            other => Err(OpError::Unsupported(format!("no random value of type {other}"))),
        }
    }

    fn tensor(&mut self, ty: &TensorType) -> Result<Tensor, OpError> {
        let (Some(dtype), Some(shape)) = (ty.dtype, &ty.shape) else {
            return Err(OpError::Unsupported(format!("no random value of type {ty}")));
        };
        let sizes = self.fixed(shape)?;
        let count = lehr_tensor::checked_len(&sizes)?;
        if count > 1 << 24 {
            return Err(OpError::Unsupported(format!("no random value of {count} elements")));
        }
        let below = self.attempt.below.unsigned_abs();
        let wide = match dtype {
            DataType::String => Wide::S((0..count).map(|_| format!("s{}", self.next() % below)).collect()),
            DataType::Bool => Wide::B((0..count).map(|_| self.next() & 1 == 1).collect()),
            DataType::C64 | DataType::C128 => {
                Wide::C((0..count).map(|_| [self.float(), self.float()]).collect())
            }
            d if d.is_float() => Wide::F((0..count).map(|_| self.float()).collect()),
            d if d.is_signed_int() => {
                Wide::I((0..count).map(|_| (self.next() % below).cast_signed()).collect())
            }
            _ => Wide::U((0..count).map(|_| self.next() % below).collect()),
        };
        Ok(Tensor::narrow(dtype, &sizes, wide)?)
    }

    fn fixed(&self, shape: &Shape) -> Result<Vec<usize>, OpError> {
        let size = |dim: &Dim| match dim {
            Dim::Unknown => usize::try_from(self.attempt.size).ok(),
            known => known.eval(&self.sizes).and_then(|size| usize::try_from(size).ok()),
        };
        let sizes: Option<Vec<_>> = shape.iter().map(size).collect();
        sizes.ok_or_else(|| OpError::Unsupported(format!("no small sizes for {shape}")))
    }
}
