//! Graphs to bytes.

use std::collections::HashMap;

use lehr_tensor::DataType;

use super::codes::{put_bytes, put_number, put_signed};
use super::{ConstantSink, MAX_SHARED_NAME, WireError};
use crate::attribute::{Attribute, Attributes};
use crate::dim::{Dim, Shape, SymExpr, SymInt, SymValues};
use crate::graph::{Def, Graph, Node};
use crate::ids::ValueId;
use crate::opaque::Opaque;
use crate::origin::Origin;
use crate::types::{TensorType, ValueType};
use crate::verify::MAX_NESTING;

pub(super) struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    constants: &'a mut dyn ConstantSink,
    names: HashMap<String, u64>,
    expressions: HashMap<SymExpr, u64>,
    depth: usize,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, constants: &'a mut dyn ConstantSink) -> Self {
        Self { out, constants, names: HashMap::new(), expressions: HashMap::new(), depth: 0 }
    }

    pub(super) fn graph(&mut self, graph: &Graph) -> Result<(), WireError> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(WireError::Nesting);
        }
        self.text(graph.name());
        self.count(graph.meta().len());
        for (key, value) in graph.meta() {
            self.text(key);
            self.text(value);
        }
        let mut numbers = HashMap::new();
        self.formals(graph, graph.inputs(), &mut numbers);
        self.formals(graph, graph.captures(), &mut numbers);
        let order = graph.topological_order();
        self.graph_constants(graph, &order, &mut numbers);
        self.count(order.len());
        for &id in &order {
            let node = graph.node(id);
            self.node(graph, node, &numbers)?;
            for &output in node.outputs() {
                let number = numbers.len() as u64;
                numbers.insert(output, number);
            }
        }
        self.count(graph.outputs().len());
        for (index, id) in graph.outputs().iter().enumerate() {
            self.reference(Some(id), &numbers);
            self.name(graph.output_name(index));
        }
        self.depth -= 1;
        Ok(())
    }

    fn formals(&mut self, graph: &Graph, ids: &[ValueId], numbers: &mut HashMap<ValueId, u64>) {
        self.count(ids.len());
        for &id in ids {
            self.value(graph, id);
            numbers.insert(id, numbers.len() as u64);
        }
    }

    /// Constants in the order of their first reader, which unlike their ids equal graphs have in common.
    fn graph_constants(
        &mut self,
        graph: &Graph,
        order: &[crate::ids::NodeId],
        numbers: &mut HashMap<ValueId, u64>,
    ) {
        let read = order.iter().flat_map(|&id| graph.node(id).inputs().iter().flatten());
        let mut constants = Vec::new();
        for &id in read.chain(graph.outputs()) {
            if matches!(graph.value(id).def(), Def::Constant(_)) && !numbers.contains_key(&id) {
                numbers.insert(id, numbers.len() as u64);
                constants.push(id);
            }
        }
        self.count(constants.len());
        for id in constants {
            let value = graph.value(id);
            let Def::Constant(tensor) = value.def() else { continue };
            let index = self.constants.put(tensor);
            put_number(self.out, index);
            self.optional_name(value.name());
            let own_type = *value.ty() != ValueType::Tensor(TensorType::of(tensor));
            self.flag(own_type);
            if own_type {
                self.ty(value.ty());
            }
        }
    }

    fn node(&mut self, graph: &Graph, node: &Node, numbers: &HashMap<ValueId, u64>) -> Result<(), WireError> {
        let opaque = node.op().downcast_ref::<Opaque>();
        self.flag(opaque.is_some());
        match opaque {
            Some(op) => {
                self.name(op.domain());
                self.name(op.op_type());
                self.attributes(op.own_attributes())?;
            }
            None => {
                self.name(node.op().schema().domain);
                self.name(node.op().schema().name);
                self.attributes(&node.op().attributes())?;
            }
        }
        self.count(node.inputs().len());
        for input in node.inputs() {
            self.reference(input.as_ref(), numbers);
        }
        self.count(node.outputs().len());
        for &output in node.outputs() {
            self.value(graph, output);
        }
        self.name(node.name());
        self.origin(node.origin());
        Ok(())
    }

    /// A value that is not there (absent, or of a broken graph) is 0.
    fn reference(&mut self, id: Option<&ValueId>, numbers: &HashMap<ValueId, u64>) {
        let number = id.and_then(|id| numbers.get(id)).map_or(0, |n| n + 1);
        put_number(self.out, number);
    }

    fn value(&mut self, graph: &Graph, id: ValueId) {
        let value = graph.value(id);
        self.optional_name(value.name());
        self.ty(value.ty());
    }

    fn origin(&mut self, origin: &Origin) {
        self.count(origin.sources().len());
        for source in origin.sources() {
            put_number(self.out, source.index as u64);
            self.name(&source.op_type);
            self.name(&source.name);
        }
        self.optional_name(origin.made_by());
    }

    fn attributes(&mut self, attributes: &Attributes) -> Result<(), WireError> {
        self.count(attributes.iter().count());
        for (name, value) in attributes.iter() {
            self.name(name);
            self.attribute(value)?;
        }
        Ok(())
    }

    fn attribute(&mut self, attribute: &Attribute) -> Result<(), WireError> {
        self.out.push(super::decode::attribute_code(attribute));
        match attribute {
            Attribute::Int(v) => put_signed(self.out, *v),
            Attribute::Float(v) => self.out.extend(v.to_bits().to_le_bytes()),
            Attribute::String(v) => self.text(v),
            Attribute::Ints(v) => {
                self.count(v.len());
                v.iter().for_each(|&x| put_signed(self.out, x));
            }
            Attribute::Floats(v) => {
                self.count(v.len());
                v.iter().for_each(|x| self.out.extend(x.to_bits().to_le_bytes()));
            }
            Attribute::Strings(v) => {
                self.count(v.len());
                v.iter().for_each(|x| self.text(x));
            }
            Attribute::Tensor(t) => self.tensor(t),
            Attribute::Tensors(v) => {
                self.count(v.len());
                v.iter().for_each(|t| self.tensor(t));
            }
            Attribute::Graph(g) => self.graph(g)?,
            Attribute::Type(t) => self.ty(t),
        }
        Ok(())
    }

    fn tensor(&mut self, tensor: &lehr_tensor::Tensor) {
        let index = self.constants.put(tensor);
        put_number(self.out, index);
    }

    fn ty(&mut self, ty: &ValueType) {
        match ty {
            ValueType::Unknown => self.out.push(0),
            ValueType::Tensor(tensor) => {
                self.out.push(1);
                self.tensor_type(tensor);
            }
            ValueType::Sequence(item) => {
                self.out.push(2);
                self.ty(item);
            }
            ValueType::Optional(item) => {
                self.out.push(3);
                self.ty(item);
            }
            ValueType::Map { key, value } => {
                self.out.push(4);
                self.dtype(Some(*key));
                self.ty(value);
            }
        }
    }

    fn tensor_type(&mut self, ty: &TensorType) {
        self.dtype(ty.dtype);
        self.flag(ty.shape.is_some());
        ty.shape.iter().for_each(|shape| self.shape(shape));
        self.flag(ty.known.is_some());
        ty.known.iter().for_each(|known| self.known(known));
    }

    fn dtype(&mut self, dtype: Option<DataType>) {
        self.out.push(dtype.map_or(0, |d| d.to_onnx() as u8));
    }

    fn shape(&mut self, shape: &Shape) {
        self.count(shape.rank());
        for dim in shape {
            match dim {
                Dim::Unknown => self.out.push(0),
                Dim::Fixed(size) => {
                    self.out.push(1);
                    put_number(self.out, *size);
                }
                Dim::Expr(expression) => {
                    self.out.push(2);
                    self.expression(expression);
                }
            }
        }
    }

    fn known(&mut self, known: &SymValues) {
        self.count(known.rank());
        known.shape().iter().for_each(|&size| put_number(self.out, size as u64));
        for value in known.values() {
            match (value, value.as_constant()) {
                (SymInt::Unknown, _) => self.out.push(0),
                (_, Some(number)) => {
                    self.out.push(1);
                    put_signed(self.out, number);
                }
                (SymInt::Known(expression), None) => {
                    self.out.push(2);
                    self.expression(expression);
                }
            }
        }
    }

    fn expression(&mut self, expression: &SymExpr) {
        if let Some(&number) = self.expressions.get(expression) {
            return put_number(self.out, number);
        }
        put_number(self.out, 0);
        self.text(&expression.to_string());
        let number = self.expressions.len() as u64 + 1;
        self.expressions.insert(expression.clone(), number);
    }

    /// 0 for none, 1 for a new name that follows, else an earlier one.
    fn optional_name(&mut self, name: Option<&str>) {
        match name {
            None => put_number(self.out, 0),
            Some(name) => self.name(name),
        }
    }

    fn name(&mut self, name: &str) {
        if let Some(&number) = self.names.get(name) {
            return put_number(self.out, number);
        }
        put_number(self.out, 1);
        self.text(name);
        if name.len() <= MAX_SHARED_NAME {
            let number = self.names.len() as u64 + 2;
            self.names.insert(name.to_owned(), number);
        }
    }

    fn text(&mut self, text: &str) {
        put_bytes(self.out, text.as_bytes());
    }

    fn count(&mut self, count: usize) {
        put_number(self.out, count as u64);
    }

    fn flag(&mut self, flag: bool) {
        self.out.push(u8::from(flag));
    }
}
