//! Random convolutional graphs: chains and branches of what such models consist of. A seed gives the same graph everywhere.

mod motifs;

use lehr_graph::op::Registry;
use lehr_graph::{Attribute, Attributes, Dim, Graph, OpError, Origin, Shape, ValueId, ValueType};
use lehr_ops::registry::Operators;
use lehr_tensor::{DataType, Tensor};

/// Most elements of a value but for the batch.
const MAX_ELEMENTS: usize = 12_000;

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `from` to `to`, both included.
    pub fn within(&mut self, from: usize, to: usize) -> usize {
        from + usize::try_from(self.next() % (to - from + 1) as u64).expect("less than the range")
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.within(1, n) == 1
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.within(0, from.len() - 1)]
    }

    /// Values in [-scale, scale).
    pub fn tensor(&mut self, sizes: &[usize], scale: f32) -> Tensor {
        let len: usize = sizes.iter().product();
        let values = (0..len).map(|_| ((self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale);
        Tensor::from_vec(sizes, values.collect()).expect("as many values as elements")
    }
}

/// A graph whose first axis is the symbol N, and the sizes of its input behind that.
pub struct Net {
    pub graph: Graph,
    pub random: Random,
    pub input: [usize; 3],
    values: Vec<ValueId>,
}

/// The graph of a seed.
pub fn net(seed: u64) -> Net {
    let mut random = Random::new(seed);
    let side = random.pick(&[1, 4, 9, 14]);
    let channels = if random.one_in(3) { 3 } else { random.within(1, 40) };
    let input = [channels, random.within(1, side), random.within(1, side)];
    let mut net = Net { graph: Graph::new("maps"), random, input, values: Vec::new() };
    let batch = if net.random.one_in(2) { Dim::symbol("N") } else { Dim::Fixed(2) };
    let shape: Shape = [batch].into_iter().chain(input.map(Dim::from)).collect();
    let x = net.graph.add_input("x", ValueType::tensor(DataType::F32, shape));
    net.values.push(x);
    for _ in 0..net.random.within(2, 9) {
        net.grow();
    }
    net.choose_outputs();
    net
}

impl Net {
    /// Adds one motif behind a random value, more often behind the last one; one that does not suit it adds nothing.
    fn grow(&mut self) {
        for _ in 0..8 {
            let last = self.values[self.values.len() - 1];
            let from = if self.random.one_in(4) { self.any_value() } else { last };
            let motif = self.random.pick(motifs::ALL);
            if let Ok(made) = motif(self, from) {
                self.values.push(made);
                return;
            }
        }
    }

    fn any_value(&mut self) -> ValueId {
        let values = std::mem::take(&mut self.values);
        let picked = self.random.pick(&values);
        self.values = values;
        picked
    }

    fn choose_outputs(&mut self) {
        let mut outputs = vec![self.values[self.values.len() - 1]];
        let other = self.any_value();
        if !outputs.contains(&other) && other != self.values[0] && self.random.one_in(2) {
            outputs.push(other);
        }
        self.graph.set_outputs(outputs);
    }

    /// Channels, height and width.
    fn sizes(&self, value: ValueId) -> Result<[usize; 3], OpError> {
        let shape = self.graph.value(value).ty().shape().cloned().unwrap_or_default();
        let fixed: Option<Vec<usize>> = shape.iter().skip(1).map(Dim::as_fixed).collect();
        fixed.and_then(|sizes| <[usize; 3]>::try_from(sizes).ok()).map_or_else(unsuited, Ok)
    }

    /// A value of another place of the graph that has these sizes.
    fn like(&mut self, sizes: impl Fn([usize; 3]) -> bool, but: ValueId) -> Result<ValueId, OpError> {
        let fits = |&&v: &&ValueId| v != but && self.sizes(v).is_ok_and(&sizes);
        let all: Vec<ValueId> = self.values.iter().filter(fits).copied().collect();
        if all.is_empty() { unsuited() } else { Ok(self.random.pick(&all)) }
    }

    fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.graph.add_constant(tensor, None)
    }

    /// A constant of floats around zero.
    fn weight(&mut self, sizes: &[usize], scale: f32) -> ValueId {
        let tensor = self.random.tensor(sizes, scale);
        self.constant(tensor)
    }

    fn indices(&mut self, values: &[usize]) -> ValueId {
        let values: Vec<i64> = values.iter().map(|&v| i64::try_from(v).expect("small")).collect();
        self.constant(Tensor::vector(values))
    }

    fn op(&mut self, name: &str, inputs: &[ValueId], attributes: &[(&str, Attribute)]) -> Made {
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        Ok(self.op_n(name, &inputs, attributes, 1)?[0])
    }

    fn op_n(
        &mut self,
        name: &str,
        inputs: &[Option<ValueId>],
        attributes: &[(&str, Attribute)],
        n: usize,
    ) -> Result<Vec<ValueId>, OpError> {
        let schema = Operators.schema("", name).unwrap_or_else(|| panic!("operator {name} is not known"));
        let attributes: Attributes = attributes.iter().map(|(n, a)| ((*n).to_owned(), a.clone())).collect();
        let op = (schema.from_attributes)(&attributes)?;
        let node = self.graph.add_node(op, inputs.to_vec(), n, "", Origin::default())?;
        let outputs = self.graph.node(node).outputs().to_vec();
        for &output in &outputs {
            let shape = self.graph.value(output).ty().shape().cloned().unwrap_or_default();
            let elements: Option<usize> = shape.iter().skip(1).map(Dim::as_fixed).product();
            if elements.is_none_or(|n| n == 0 || n > MAX_ELEMENTS) {
                return unsuited();
            }
        }
        Ok(outputs)
    }
}

/// A value, or why the motif does not suit what it was to stand behind.
pub type Made = Result<ValueId, OpError>;

fn unsuited<T>() -> Result<T, OpError> {
    Err(OpError::Unsupported("not for this value".into()))
}
