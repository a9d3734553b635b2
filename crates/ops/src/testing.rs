//! One case of one operator: inputs and what must come out. Every way the operator has is held to it: inference,
//! reference evaluation, decomposition, and the fast kernel on every available tier with one and two threads.

use std::sync::Arc;

use lehr_graph::{
    AxisRole, Builder, Datum, EvalCx, Flags, InferCx, Op, OpError, OpRef, Permutation, PermutedInput, Shape,
    Signature, ValueType,
};
use lehr_kernels::isa::Isa;
use lehr_kernels::team::Team;
use lehr_tensor::{DataType, Tensor, Wide};

use crate::cpu::{Buffers, RunCx};
use crate::evaluate::Reference;
use crate::registry::cpu_op;
use crate::transpose::Transpose;

/// The outputs of each way that an operator has, by its name.
pub(crate) type Ways = Vec<(String, Vec<Option<Datum>>)>;

/// A case under construction.
pub(crate) struct Case {
    op: OpRef,
    inputs: Vec<Option<Datum>>,
    constant: Vec<bool>,
    rtol: f64,
    atol: f64,
}

impl Case {
    /// A case of `op`.
    pub(crate) fn new(op: impl Op) -> Self {
        Self { op: Arc::new(op), inputs: Vec::new(), constant: Vec::new(), rtol: 1e-5, atol: 1e-7 }
    }

    /// The next input.
    pub(crate) fn input(mut self, value: impl Into<Datum>) -> Self {
        self.inputs.push(Some(value.into()));
        self.constant.push(false);
        self
    }

    /// The next input, known to inference as a constant.
    pub(crate) fn constant(mut self, value: Tensor) -> Self {
        self.inputs.push(Some(value.into()));
        self.constant.push(true);
        self
    }

    /// The next input is absent.
    pub(crate) fn absent(mut self) -> Self {
        self.inputs.push(None);
        self.constant.push(false);
        self
    }

    /// Other tolerances than 1e-5 relative and 1e-7 absolute.
    pub(crate) fn tolerance(mut self, rtol: f64, atol: f64) -> Self {
        (self.rtol, self.atol) = (rtol, atol);
        self
    }

    /// The single output must be this.
    #[track_caller]
    pub(crate) fn expect(self, output: impl Into<Datum>) {
        self.expect_all(vec![output.into()]);
    }

    /// The outputs must be these.
    #[track_caller]
    pub(crate) fn expect_all(self, expected: Vec<Datum>) {
        let results = self.run(expected.len()).expect("the case is valid");
        for (way, outputs) in results {
            for (index, (got, want)) in outputs.iter().zip(&expected).enumerate() {
                let got = got.as_ref().unwrap_or_else(|| panic!("{way}: output {index} was not set"));
                self.compare(&format!("{way}, output {index}"), got, want);
            }
        }
    }

    /// Every fast way must give what the reference evaluation gives.
    #[track_caller]
    pub(crate) fn agree(self) {
        let results = self.run(1).expect("the case is valid");
        assert!(results.len() > 1, "there is no fast way");
        let expected = results[0].1[0].clone().expect("an output");
        for (way, outputs) in &results {
            self.compare(way, outputs[0].as_ref().expect("an output"), &expected);
        }
    }

    /// Inference or evaluation must fail with a message that contains `part`.
    #[track_caller]
    pub(crate) fn expect_error(self, part: &str) {
        let error = match self.run(1) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("expected an error with '{part}'"),
        };
        assert!(error.contains(part), "expected '{part}' in '{error}'");
    }

    /// Outputs of every way, named.
    pub(crate) fn run(&self, n_outputs: usize) -> Result<Ways, OpError> {
        let types: Vec<_> = self.inputs.iter().map(|d| d.as_ref().map(forget_contents)).collect();
        let inferred = self.infer(&types, n_outputs)?;
        let environment = Reference::default();
        let mut cx = EvalCx::new(&self.inputs, vec![true; n_outputs], &environment);
        self.op.eval(&mut cx)?;
        let outputs = cx.finish();
        for (index, (ty, value)) in inferred.iter().zip(&outputs).enumerate() {
            if let Some(value) = value {
                check_inferred(&format!("{:?}, output {index}", self.op), ty, value);
            }
        }
        self.check_axes(&types, &inferred, &outputs);
        let mut ways = vec![("eval".to_owned(), outputs)];
        if let Some(outputs) = self.decomposed(n_outputs)? {
            ways.push(("decomposition".into(), outputs));
        }
        ways.extend(self.fast(&types, &inferred)?);
        ways.extend(self.permuted(&inferred)?);
        Ok(ways)
    }

    fn infer(&self, types: &[Option<ValueType>], n_outputs: usize) -> Result<Vec<ValueType>, OpError> {
        let constants = self.constants();
        let mut cx = InferCx::new(types.iter().map(Option::as_ref).collect(), constants, n_outputs);
        self.op.infer(&mut cx)?;
        Ok(cx.finish())
    }

    fn constants(&self) -> Vec<Option<&Tensor>> {
        let known = self.inputs.iter().zip(&self.constant);
        known.map(|(d, c)| d.as_ref().filter(|_| *c).and_then(Datum::as_tensor)).collect()
    }

    fn decomposed(&self, n_outputs: usize) -> Result<Option<Vec<Option<Datum>>>, OpError> {
        let types: Vec<_> = self.inputs.iter().map(|d| d.as_ref().map(Datum::value_type)).collect();
        let mut builder = Builder::for_values(&types, &self.inputs, n_outputs);
        if !self.op.decompose(&mut builder)? {
            return Ok(None);
        }
        let (graph, slots) = builder.finish();
        let results = Reference::default().run(&graph, self.inputs.clone())?;
        let mut outputs = vec![None; n_outputs];
        for (slot, value) in slots.into_iter().zip(results) {
            outputs[slot] = Some(value);
        }
        Ok(Some(outputs))
    }

    fn fast(&self, types: &[Option<ValueType>], inferred: &[ValueType]) -> Result<Ways, OpError> {
        let Some(op) = cpu_op(&*self.op) else { return Ok(Vec::new()) };
        let constants = self.constants();
        let io = Signature {
            inputs: types.iter().map(Option::as_ref).collect(),
            constants: constants.clone(),
            outputs: inferred.iter().collect(),
        };
        let mut ways = Vec::new();
        for isa in Isa::supported() {
            let Some(recipe) = op.choose(&io, isa) else { continue };
            let packed = Arc::new(op.pack(&recipe, &constants)?);
            let kernel = op.bind(&recipe, packed)?;
            for threads in [1, 2] {
                let team = Team::new(threads);
                for dying in [false, true] {
                    let mut inputs = self.inputs.clone();
                    op.packed_inputs(&recipe).into_iter().for_each(|index| inputs[index] = None);
                    let dying = vec![dying; inputs.len()];
                    let environment = Reference::default();
                    let mut cx =
                        RunCx::new(&mut inputs, &dying, inferred.len(), &team, isa, &Fresh, &environment);
                    kernel.run(&mut cx)?;
                    ways.push((
                        format!("{} on {} with {threads} threads", recipe.algorithm, isa.tier().name()),
                        cx.finish(),
                    ));
                }
            }
        }
        Ok(ways)
    }

    /// Holds [`Op::axes`] to its word: where all indices of the axes that an independent axis comes from are made equal to
    /// index `i`, every index of the result must be bit for bit what index `i` was.
    #[track_caller]
    fn check_axes(&self, types: &[Option<ValueType>], inferred: &[ValueType], outputs: &[Option<Datum>]) {
        let io = Signature {
            inputs: types.iter().map(Option::as_ref).collect(),
            constants: self.constants(),
            outputs: inferred.iter().collect(),
        };
        let map = self.op.axes(&io);
        for (output, (roles, y)) in map.outputs.iter().zip(outputs).enumerate() {
            let Some(Datum::Tensor(y)) = y.as_ref().filter(|_| !self.op.flags().contains(Flags::RANDOM))
            else {
                continue;
            };
            for (axis, role) in roles.iter().enumerate() {
                let AxisRole::Independent(sources) = role else { continue };
                for index in
                    [0, y.shape()[axis].saturating_sub(1)].into_iter().filter(|&i| i < y.shape()[axis])
                {
                    let mut inputs = self.inputs.clone();
                    for &(input, own) in sources {
                        if let Some(Some(Datum::Tensor(x))) = inputs.get(input) {
                            inputs[input] = Some(repeated(x, own, index).into());
                        }
                    }
                    let environment = Reference::default();
                    let mut cx = EvalCx::new(&inputs, vec![true; outputs.len()], &environment);
                    if self.op.eval(&mut cx).is_err() {
                        continue;
                    }
                    let got = cx.finish().into_iter().nth(output).flatten();
                    let got = got.as_ref().and_then(Datum::as_tensor).expect("the same outputs");
                    let what =
                        format!("{:?}: index {index} of axis {axis} of output {output} as {role:?}", self.op);
                    assert_same_bits(&what, got, &repeated(y, axis, index));
                }
            }
        }
    }

    /// The node under every other order of axes that it takes, with its outputs in their own order again.
    fn permuted(&self, inferred: &[ValueType]) -> Result<Ways, OpError> {
        let types: Vec<_> = self.inputs.iter().map(|d| d.as_ref().map(Datum::value_type)).collect();
        let io = Signature {
            inputs: types.iter().map(Option::as_ref).collect(),
            constants: self.inputs.iter().map(|d| d.as_ref().and_then(Datum::as_tensor)).collect(),
            outputs: inferred.iter().collect(),
        };
        let rank = |shape: Option<&Shape>| shape.map_or(0, Shape::rank);
        let rank = rank(io.input_shape(0)).max(rank(io.output_shape(0)));
        let mut ways = Vec::new();
        for order in orders(rank) {
            let Some(permuted) = self.op.permuted(&io, &order) else { continue };
            let given = self.inputs.iter().map(Option::as_ref).chain(std::iter::repeat(None));
            let inputs: Vec<_> = given.zip(&permuted.inputs).map(|(d, input)| ordered(d, input)).collect();
            let environment = Reference::default();
            let mut cx = EvalCx::new(&inputs, vec![true; inferred.len()], &environment);
            permuted.op.as_ref().unwrap_or(&self.op).eval(&mut cx)?;
            let back = |(value, order): (Option<Datum>, &Permutation)| {
                value.map(|value| transposed(value.as_tensor().expect("a tensor"), &order.inverse()).into())
            };
            let outputs = cx.finish().into_iter().zip(&permuted.outputs).map(back).collect();
            ways.push((format!("in order {order:?}"), outputs));
        }
        Ok(ways)
    }

    #[track_caller]
    fn compare(&self, what: &str, got: &Datum, want: &Datum) {
        match (got, want) {
            (Datum::Tensor(g), Datum::Tensor(w)) => self.compare_tensors(what, g, w),
            (Datum::Sequence(g), Datum::Sequence(w)) => {
                assert_eq!(g.len(), w.len(), "{what}: lengths differ");
                g.iter().zip(w).for_each(|(g, w)| self.compare(what, g, w));
            }
            (Datum::Optional(Some(g)), Datum::Optional(Some(w))) => self.compare(what, g, w),
            (g, w) => assert_eq!(g, w, "{what}"),
        }
    }

    #[track_caller]
    fn compare_tensors(&self, what: &str, got: &Tensor, want: &Tensor) {
        assert_eq!(got.dtype(), want.dtype(), "{what}: element types differ");
        assert_eq!(got.shape(), want.shape(), "{what}: shapes differ");
        if let (Wide::F(g), Wide::F(w)) = (got.widen(), want.widen()) {
            for (at, (g, w)) in g.iter().zip(&w).enumerate() {
                let close =
                    g == w || (g.is_nan() && w.is_nan()) || (g - w).abs() <= self.atol + self.rtol * w.abs();
                assert!(close, "{what}: element {at} is {g}, expected {w}");
            }
        } else {
            assert_eq!(got, want, "{what}: contents differ");
        }
    }
}

/// `x` with all indices of `axis` equal to one of them.
fn repeated(x: &Tensor, axis: usize, index: usize) -> Tensor {
    let indices = vec![i64::try_from(index).expect("small"); x.shape()[axis]];
    let inputs = [Some(Datum::Tensor(x.clone())), Some(Datum::Tensor(Tensor::vector(indices)))];
    let environment = Reference::default();
    let mut cx = EvalCx::new(&inputs, vec![true], &environment);
    let axis = i64::try_from(axis).expect("small");
    crate::gather::Gather { axis }.eval(&mut cx).expect("the index is valid");
    let y = cx.finish().into_iter().next().flatten();
    y.and_then(|y| y.as_tensor().cloned()).expect("a tensor")
}

#[track_caller]
fn assert_same_bits(what: &str, got: &Tensor, want: &Tensor) {
    assert_eq!(got.shape(), want.shape(), "{what}: shapes differ");
    match (got.widen(), want.widen()) {
        (Wide::F(g), Wide::F(w)) => {
            let same = |(g, w): (&f64, &f64)| g.to_bits() == w.to_bits() || (g.is_nan() && w.is_nan());
            assert!(g.iter().zip(&w).all(same), "{what}: got {g:?}, expected {w:?}");
        }
        _ => assert_eq!(got, want, "{what}"),
    }
}

/// All orders of up to four axes.
fn orders(rank: usize) -> Vec<Permutation> {
    if rank > 4 {
        return Vec::new();
    }
    let counts = std::iter::repeat_n(0..rank, rank);
    let all = counts.fold(vec![vec![]], |orders: Vec<Vec<usize>>, axes| {
        orders.iter().flat_map(|o| axes.clone().map(|axis| [o.as_slice(), &[axis]].concat())).collect()
    });
    all.into_iter().filter_map(Permutation::new).filter(|order| !order.is_identity()).collect()
}

/// What a permuted node reads in place of `value`.
fn ordered(value: Option<&Datum>, input: &PermutedInput) -> Option<Datum> {
    match input {
        PermutedInput::Absent => None,
        PermutedInput::Same => value.cloned(),
        PermutedInput::Constant(tensor) => Some(tensor.clone().into()),
        PermutedInput::Ordered { order, ones } => {
            let mut y = transposed(value?.as_tensor()?, order);
            for &place in ones {
                let mut shape = y.shape().to_vec();
                shape.insert(place, 1);
                y = y.reshape(&shape).expect("ones fit");
            }
            Some(y.into())
        }
    }
}

fn transposed(x: &Tensor, order: &Permutation) -> Tensor {
    let inputs = [Some(Datum::Tensor(x.clone()))];
    let environment = Reference::default();
    let mut cx = EvalCx::new(&inputs, vec![true], &environment);
    Transpose { perm: Some(order.to_ints()) }.eval(&mut cx).expect("the ranks are equal");
    let y = cx.finish().into_iter().next().flatten();
    y.and_then(|y| y.as_tensor().cloned()).expect("a tensor")
}

/// Gives new buffers each time, filled with what must not shine through.
struct Fresh;

impl Buffers for Fresh {
    fn take(&self, len: usize) -> Vec<f32> {
        vec![f32::NAN; len]
    }

    fn give(&self, _buffer: Vec<f32>) {}
}

/// The type of a value without its contents: inference may use them only when the input is a constant.
fn forget_contents(value: &Datum) -> ValueType {
    let mut ty = value.value_type();
    if let ValueType::Tensor(tensor) = &mut ty {
        tensor.known = None;
    }
    ty
}

#[track_caller]
fn check_inferred(what: &str, ty: &ValueType, value: &Datum) {
    let actual = forget_contents(value);
    if let Err(problem) = ty.refine(&actual) {
        panic!("{what}: inferred {ty}, evaluated {}: {problem}", value.describe());
    }
}

/// A shorthand for tests: an `f32` tensor.
pub(crate) fn f32s(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_slice(shape, values).expect("the shape fits")
}

/// A shorthand for tests: an `i64` tensor.
pub(crate) fn i64s(shape: &[usize], values: &[i64]) -> Tensor {
    Tensor::from_slice(shape, values).expect("the shape fits")
}

/// A shorthand for tests: a tensor of any numeric type from `f64` values.
pub(crate) fn numbers(dtype: DataType, shape: &[usize], values: &[f64]) -> Tensor {
    let wide = Tensor::from_slice(shape, values).expect("the shape fits");
    wide.cast(dtype, Default::default()).expect("numbers cast")
}

/// A shorthand for tests: a tensor of texts.
pub(crate) fn texts(shape: &[usize], values: &[&str]) -> Tensor {
    let values = values.iter().map(|text| (*text).to_owned()).collect();
    Tensor::from_strings(shape, values).expect("the shape fits")
}
