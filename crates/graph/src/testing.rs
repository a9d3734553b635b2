//! A few operators and a registry for the tests of this crate.

use std::sync::Arc;

use lehr_tensor::{DataType, Tensor, bf16};

use crate::attribute::Attribute;
use crate::declare_op;
use crate::dim::Dim;
use crate::error::OpError;
use crate::eval::EvalCx;
use crate::graph::Graph;
use crate::infer::{InferCx, broadcast_inputs};
use crate::op::{Op, OpRef, OpSchema, Registry};
use crate::opaque::Opaque;
use crate::origin::{Origin, SourceRef};
use crate::types::{TensorType, ValueType};

declare_op! {
    /// Broadcasts its inputs; holds an attribute of every kind.
    pub struct Every("", "Every", 1) inputs(0, 3) outputs(0, 3) flags(ELEMENTWISE) {
        /// An attribute.
        int: Option<i64> = None,
        /// An attribute.
        float: Option<f32> = None,
        /// An attribute.
        string: Option<String> = None,
        /// An attribute.
        ints: Option<Vec<i64>> = None,
        /// An attribute.
        floats: Option<Vec<f32>> = None,
        /// An attribute.
        strings: Option<Vec<String>> = None,
        /// An attribute.
        tensor: Option<Tensor> = None,
        /// An attribute.
        tensors: Option<Vec<Tensor>> = None,
        /// An attribute.
        ty: Option<ValueType> = None,
    }
}

impl Op for Every {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        if cx.n_inputs() == 0 {
            return Ok(());
        }
        let inputs: Vec<_> = (0..cx.n_inputs()).filter(|&i| cx.has_input(i)).collect();
        let (dtype, shape) = (cx.dtype(0)?, broadcast_inputs(cx, &inputs)?);
        for index in 0..cx.n_outputs() {
            cx.set_tensor(index, dtype, shape.clone());
        }
        Ok(())
    }

    fn eval(&self, _cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        Err(OpError::Unsupported("for tests of the graph only".into()))
    }
}

declare_op! {
    /// Holds a subgraph.
    pub struct Nest("test.domain", "Nest", 1) inputs(0, usize::MAX) outputs(1, usize::MAX) flags(CONTROL_FLOW) {
        /// The subgraph.
        body: Arc<Graph>,
    }
}

impl Op for Nest {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let captures: Vec<_> = (0..cx.n_inputs()).map(|i| cx.ty(i).cloned()).collect();
        for (index, ty) in crate::infer::infer_outputs(&self.body, &captures)?.into_iter().enumerate() {
            cx.set(index, ty);
        }
        Ok(())
    }

    fn subgraphs(&self) -> Vec<(&'static str, &Arc<Graph>)> {
        vec![("body", &self.body)]
    }

    fn with_subgraphs(&self, graphs: Vec<Arc<Graph>>) -> Option<OpRef> {
        let [body] = graphs.try_into().ok()?;
        Some(Arc::new(Self { body }))
    }
}

/// The operators of this file.
pub(crate) struct TestOps;

impl Registry for TestOps {
    fn schema(&self, domain: &str, name: &str) -> Option<&'static OpSchema> {
        static EVERY: OpSchema = Every::SCHEMA;
        static NEST: OpSchema = Nest::SCHEMA;
        match (domain, name) {
            ("", "Every") => Some(&EVERY),
            ("test.domain", "Nest") => Some(&NEST),
            ("lehr", "Opaque") => Some(Opaque::SCHEMA),
            _ => None,
        }
    }
}

/// An operator without attributes.
pub(crate) fn plain() -> Every {
    Every {
        int: None,
        float: None,
        string: None,
        ints: None,
        floats: None,
        strings: None,
        tensor: None,
        tensors: None,
        ty: None,
    }
}

pub(crate) fn f32_type(dims: &[Dim]) -> ValueType {
    ValueType::tensor(DataType::F32, dims.iter().cloned().collect())
}

fn constants() -> Vec<Tensor> {
    let odd_nan = f32::from_bits(0x7fa0_0001);
    let numbers = |n: usize| (0..n).map(|x| x as f32 * 0.37 - 3.0).collect::<Vec<_>>();
    vec![
        Tensor::vector(vec![1.5f32, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-45, f32::MAX]),
        Tensor::vector(vec![odd_nan]),
        Tensor::from_vec(&[70, 2], numbers(140)).unwrap(),
        Tensor::from_vec(&[100], vec![0.25f32; 100]).unwrap(),
        Tensor::vector(vec![i64::MIN, i64::MAX]),
        Tensor::vector(vec![u64::MAX]),
        Tensor::scalar(true),
        Tensor::vector(Vec::<f32>::new()),
        Tensor::from_codes(DataType::I4, &[3], &[15, 0, 7]).unwrap(),
        Tensor::from_codes(DataType::F8E4M3FN, &[3], &[0x7f, 0x80, 0x38]).unwrap(),
        Tensor::vector(vec![bf16::from_f32(2.3), bf16::NAN]),
        Tensor::vector(vec![[1.0f32, 2.0]]),
        Tensor::from_strings(&[2], vec!["a\"\\\n\u{1}ü".into(), String::new()]).unwrap(),
        Tensor::from_strings(&[70], (0..70).map(|i| i.to_string()).collect()).unwrap(),
        Tensor::vector(vec![0.1f64, 1e300, f64::MIN_POSITIVE]),
    ]
}

fn every_attribute() -> Every {
    Every {
        int: Some(-7),
        float: Some(f32::from_bits(0x7fc0_1234)),
        string: Some("with \"quotes\"\u{7f}".into()),
        ints: Some(vec![]),
        floats: Some(vec![1.0, f32::NEG_INFINITY, -0.0, 1e10]),
        strings: Some(vec!["x".into(), "y\ty".into()]),
        tensor: Some(Tensor::scalar(2.5f32)),
        tensors: Some(vec![Tensor::scalar(1i32), Tensor::vector(vec![1u8, 2])]),
        ty: Some(ValueType::Sequence(Box::new(ValueType::Map {
            key: DataType::String,
            value: Box::new(ValueType::Optional(Box::default())),
        }))),
    }
}

/// A graph with everything that a serialised form must carry.
pub(crate) fn rich_graph() -> Graph {
    let mut g = Graph::new("main \"graph\"");
    g.meta_mut().insert("producer".into(), "someone\nelse".into());
    let n = Dim::symbol("N");
    let x = g.add_input("x", f32_type(&[n.clone(), Dim::Fixed(1), Dim::Unknown]));
    let y = g.add_input("onnx::weird name", f32_type(&[n.add(&Dim::Fixed(1)), Dim::symbol("odd, \"name}")]));
    let twin = g.add_input("x", ValueType::Tensor(TensorType::default()));
    let anonymous = g.add_input("", ValueType::Unknown);
    g.set_value_name(anonymous, None);
    let mut last = vec![Some(x), None, Some(twin)];
    for (index, tensor) in constants().into_iter().enumerate() {
        let constant = g.add_constant(tensor, Some(&format!("{index}")));
        last = vec![Some(constant), None];
        let origin = Origin::from_source(SourceRef {
            name: format!("node {index}").into(),
            op_type: "Old".into(),
            index,
        });
        let node = g.add_node(Arc::new(plain()), last.clone(), 1, format!("n{index}"), origin).unwrap();
        last[0] = Some(g.node(node).outputs()[0]);
    }
    let sizes = g.add_constant(Tensor::vector(vec![2i64, 3]), None);
    let origins =
        [0, 1].map(|n| Origin::from_source(SourceRef { name: "a".into(), op_type: "B".into(), index: n }));
    let merged = Origin::merged(&origins, "some_pass");
    let node = g.add_node(Arc::new(every_attribute()), vec![Some(sizes), None], 2, "", merged).unwrap();
    let [first, second] = [g.node(node).outputs()[0], g.node(node).outputs()[1]];
    g.set_value_name(first, Some("first/output.0"));
    let known = crate::dim::SymValues::new(&[2], vec![(&n).into(), crate::dim::SymInt::Unknown]).unwrap();
    let shape = Some([Dim::Fixed(2)].into());
    g.set_type(
        second,
        ValueType::Tensor(TensorType { dtype: Some(DataType::I64), shape, known: Some(known) }),
    );
    let mut body = Graph::new("body");
    let inner = body.add_capture("x", ValueType::Unknown);
    let rest = body.add_capture("y", f32_type(&[n]));
    body.set_outputs(vec![rest, inner]);
    let nest = Arc::new(Nest { body: Arc::new(body) });
    let nested = g.add_node(nest, vec![Some(x), Some(y)], 2, "nest", Origin::default()).unwrap();
    let attributes = [("Weird attr".to_owned(), Attribute::Float(1.0))].into_iter().collect();
    let opaque = Opaque::new("un known".into(), "opaque".into(), attributes);
    let unknown = g.add_node(Arc::new(opaque), vec![], 1, "", Origin::default()).unwrap();
    g.add_node(Arc::new(plain()), vec![Some(second)], 0, "sink", Origin::default()).unwrap();
    let outputs = vec![
        first,
        g.node(nested).outputs()[0],
        g.node(unknown).outputs()[0],
        first,
        last[0].unwrap(),
        anonymous,
        sizes,
    ];
    let names = ["out", "", "unknown", "again"].map(Into::into).to_vec();
    g.set_named_outputs(outputs, names);
    g
}
