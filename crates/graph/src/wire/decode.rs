//! Bytes to graphs.

use std::sync::Arc;

use lehr_tensor::{DataType, Tensor};

use super::codes::Reader;
use super::{ConstantSource, MAX_SHARED_NAME, NodeError, NodeProblem, WireError};
use crate::attribute::{Attribute, Attributes};
use crate::dim::{Dim, Shape, SymExpr, SymInt, SymValues};
use crate::graph::Graph;
use crate::ids::ValueId;
use crate::op::{OpRef, Registry};
use crate::opaque::Opaque;
use crate::origin::{Origin, SourceRef};
use crate::types::{TensorType, ValueType};
use crate::verify::{Level, MAX_NESTING, verify};

/// Most nodes that are told of.
const MOST_ERRORS: usize = 1000;

pub(super) fn attribute_code(attribute: &Attribute) -> u8 {
    match attribute {
        Attribute::Int(_) => 0,
        Attribute::Float(_) => 1,
        Attribute::String(_) => 2,
        Attribute::Ints(_) => 3,
        Attribute::Floats(_) => 4,
        Attribute::Strings(_) => 5,
        Attribute::Tensor(_) => 6,
        Attribute::Tensors(_) => 7,
        Attribute::Graph(_) => 8,
        Attribute::Type(_) => 9,
    }
}

/// Reads the rest of the data as one graph and verifies it.
pub(super) fn decode(
    reader: Reader<'_>,
    registry: &dyn Registry,
    constants: &dyn ConstantSource,
) -> Result<Graph, WireError> {
    let (names, expressions, errors) = (Vec::new(), Vec::new(), Vec::new());
    let mut decoder = Decoder { reader, registry, constants, names, expressions, errors, depth: 0 };
    let graph = decoder.graph()?;
    if !decoder.errors.is_empty() {
        return Err(WireError::Nodes(decoder.errors));
    }
    if decoder.reader.remaining() > 0 {
        let rest = decoder.reader.remaining();
        return decoder.reader.invalid("the end of the data", format!("{rest} more bytes"));
    }
    match verify(&graph, Level::Wellformed).err().and_then(|errors| errors.into_iter().next()) {
        Some(error) => Err(WireError::Broken(error)),
        None => Ok(graph),
    }
}

struct Decoder<'a> {
    reader: Reader<'a>,
    registry: &'a dyn Registry,
    constants: &'a dyn ConstantSource,
    names: Vec<Arc<str>>,
    expressions: Vec<SymExpr>,
    /// Nodes that could not be built; opaque ones stand for them meanwhile.
    errors: Vec<NodeError>,
    depth: usize,
}

type Decoded<T> = Result<T, WireError>;

impl Decoder<'_> {
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Decoded<T>) -> Decoded<T> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(WireError::Nesting);
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn graph(&mut self) -> Decoded<Graph> {
        self.nested(Self::graph_body)
    }

    fn graph_body(&mut self) -> Decoded<Graph> {
        let mut graph = Graph::new(self.reader.text()?);
        for _ in 0..self.reader.count()? {
            let key = self.reader.text()?.to_owned();
            let value = self.reader.text()?.to_owned();
            graph.meta_mut().insert(key, value);
        }
        let mut values = Vec::new();
        for capture in [false, true] {
            for _ in 0..self.reader.count()? {
                let (name, ty) = self.value()?;
                let id = if capture { graph.add_capture("", ty) } else { graph.add_input("", ty) };
                graph.set_value_name(id, name.as_deref());
                values.push(id);
            }
        }
        for _ in 0..self.reader.count()? {
            values.push(self.constant(&mut graph)?);
        }
        for _ in 0..self.reader.count()? {
            self.node(&mut graph, &mut values)?;
        }
        let (mut outputs, mut names) = (Vec::new(), Vec::new());
        for _ in 0..self.reader.count()? {
            match self.reference(&values)? {
                Some(id) => outputs.push(id),
                None => return self.reader.invalid("a value for an output", "none"),
            }
            names.push(self.name()?);
        }
        graph.set_named_outputs(outputs, names);
        Ok(graph)
    }

    fn constant(&mut self, graph: &mut Graph) -> Decoded<ValueId> {
        let tensor = self.tensor()?;
        let name = self.optional_name()?;
        let id = graph.add_constant(tensor, name.as_deref());
        if self.flag()? {
            let ty = self.ty()?;
            graph.set_type(id, ty);
        }
        Ok(id)
    }

    fn node(&mut self, graph: &mut Graph, values: &mut Vec<ValueId>) -> Decoded<()> {
        let (op, problem) = self.op()?;
        let count = self.reader.count()?;
        let inputs = (0..count).map(|_| self.reference(values)).collect::<Decoded<Vec<_>>>()?;
        let count = self.reader.count()?;
        let outputs = (0..count).map(|_| self.value()).collect::<Decoded<Vec<_>>>()?;
        let name = self.name()?;
        let origin = self.origin()?;
        if let Some(problem) = problem {
            self.errors.push(NodeError { node: name.to_string(), op: op.full_name(), problem });
        }
        if self.errors.len() >= MOST_ERRORS {
            return Err(WireError::Nodes(std::mem::take(&mut self.errors)));
        }
        let (names, types): (Vec<_>, Vec<_>) = outputs.into_iter().unzip();
        let node = graph.add_node_with_types(op, inputs, types, name, origin);
        for (id, name) in graph.node(node).outputs().to_vec().into_iter().zip(names) {
            graph.set_value_name(id, name.as_deref());
            values.push(id);
        }
        Ok(())
    }

    /// The operator; an opaque one, and why, where it can not be built.
    fn op(&mut self) -> Decoded<(OpRef, Option<NodeProblem>)> {
        let is_opaque = self.flag()?;
        let (domain, op_type) = (self.name()?, self.name()?);
        let attributes = self.attributes()?;
        let problem = if is_opaque {
            None
        } else {
            let schema = self.registry.schema(&domain, &op_type).ok_or(NodeProblem::UnknownOperator);
            match schema.and_then(|schema| Ok((schema.from_attributes)(&attributes)?)) {
                Ok(op) => return Ok((op, None)),
                Err(problem) => Some(problem),
            }
        };
        Ok((Arc::new(Opaque::new(domain.to_string(), op_type.to_string(), attributes)), problem))
    }

    fn reference(&mut self, values: &[ValueId]) -> Decoded<Option<ValueId>> {
        let number = self.reader.number()?;
        let Some(index) = number.checked_sub(1) else { return Ok(None) };
        match usize::try_from(index).ok().and_then(|i| values.get(i)) {
            Some(&id) => Ok(Some(id)),
            None => self.reader.invalid(format!("one of {} values", values.len()), index),
        }
    }

    fn value(&mut self) -> Decoded<(Option<Arc<str>>, ValueType)> {
        Ok((self.optional_name()?, self.ty()?))
    }

    fn origin(&mut self) -> Decoded<Origin> {
        let mut sources = Vec::new();
        for _ in 0..self.reader.count()? {
            let number = self.reader.number()?;
            let Ok(index) = usize::try_from(number) else {
                return self.reader.invalid("a position in a file", number);
            };
            let op_type = self.name()?;
            sources.push(SourceRef { op_type, name: self.name()?, index });
        }
        Ok(Origin::from_parts(sources, self.optional_name()?.as_deref()))
    }

    fn attributes(&mut self) -> Decoded<Attributes> {
        let mut list = Vec::new();
        for _ in 0..self.reader.count()? {
            let name = self.name()?.to_string();
            list.push((name, self.attribute()?));
        }
        Ok(list.into_iter().collect())
    }

    fn attribute(&mut self) -> Decoded<Attribute> {
        let reader = &mut self.reader;
        Ok(match reader.byte()? {
            0 => Attribute::Int(reader.signed()?),
            1 => Attribute::Float(float(reader)?),
            2 => Attribute::String(reader.text()?.to_owned()),
            3 => Attribute::Ints(reader.list(Reader::signed)?),
            4 => Attribute::Floats(reader.list(float)?),
            5 => Attribute::Strings(reader.list(|r| r.text().map(str::to_owned))?),
            6 => Attribute::Tensor(self.tensor()?),
            7 => {
                let count = reader.count()?;
                Attribute::Tensors((0..count).map(|_| self.tensor()).collect::<Decoded<_>>()?)
            }
            8 => Attribute::Graph(Arc::new(self.graph()?)),
            9 => Attribute::Type(self.ty()?),
            other => return reader.invalid("a kind of attribute", other),
        })
    }

    fn tensor(&mut self) -> Decoded<Tensor> {
        let at = self.reader.at();
        let index = self.reader.number()?;
        self.constants.get(index).ok_or(WireError::MissingTensor { at, index })
    }

    fn ty(&mut self) -> Decoded<ValueType> {
        Ok(match self.reader.byte()? {
            0 => ValueType::Unknown,
            1 => ValueType::Tensor(self.tensor_type()?),
            2 => ValueType::Sequence(Box::new(self.nested(Self::ty)?)),
            3 => ValueType::Optional(Box::new(self.nested(Self::ty)?)),
            4 => match self.dtype()? {
                Some(key) => ValueType::Map { key, value: Box::new(self.nested(Self::ty)?) },
                None => return self.reader.invalid("the type of keys", "none"),
            },
            other => return self.reader.invalid("a kind of type", other),
        })
    }

    fn tensor_type(&mut self) -> Decoded<TensorType> {
        let dtype = self.dtype()?;
        let shape = if self.flag()? { Some(self.shape()?) } else { None };
        let known = if self.flag()? { Some(self.known()?) } else { None };
        Ok(TensorType { dtype, shape, known })
    }

    fn dtype(&mut self) -> Decoded<Option<DataType>> {
        let code = self.reader.byte()?;
        if code == 0 {
            return Ok(None);
        }
        match DataType::from_onnx(i32::from(code)) {
            Some(dtype) => Ok(Some(dtype)),
            None => self.reader.invalid("an element type", code),
        }
    }

    fn shape(&mut self) -> Decoded<Shape> {
        let count = self.reader.count()?;
        (0..count).map(|_| self.dim()).collect()
    }

    fn dim(&mut self) -> Decoded<Dim> {
        match self.reader.byte()? {
            0 => Ok(Dim::Unknown),
            1 => Ok(Dim::Fixed(self.reader.number()?)),
            2 => {
                let expression = self.expression()?;
                Dim::try_from(expression).or_else(|negative| self.reader.invalid("a size", negative.0))
            }
            other => self.reader.invalid("a kind of size", other),
        }
    }

    fn known(&mut self) -> Decoded<SymValues> {
        let sizes = self.reader.list(|reader| {
            let size = reader.number()?;
            usize::try_from(size).or_else(|_| reader.invalid("a size that memory can hold", size))
        })?;
        let count = sizes.iter().fold(1usize, |n, &size| n.saturating_mul(size));
        if count > SymValues::MAX_LEN {
            return self.reader.invalid(format!("at most {} known values", SymValues::MAX_LEN), count);
        }
        let values = (0..count).map(|_| self.known_value()).collect::<Decoded<_>>()?;
        SymValues::new(&sizes, values).or_else(|error| self.reader.invalid("known values", error))
    }

    fn known_value(&mut self) -> Decoded<SymInt> {
        match self.reader.byte()? {
            0 => Ok(SymInt::Unknown),
            1 => Ok(SymInt::constant(self.reader.signed()?)),
            2 => Ok(SymInt::Known(self.expression()?)),
            other => self.reader.invalid("a kind of known value", other),
        }
    }

    fn expression(&mut self) -> Decoded<SymExpr> {
        let number = self.reader.number()?;
        let Some(index) = number.checked_sub(1) else {
            let text = self.reader.text()?;
            let parsed = text.parse::<SymExpr>();
            let expression = parsed.or_else(|error| self.reader.invalid("an expression", error))?;
            self.expressions.push(expression.clone());
            return Ok(expression);
        };
        match usize::try_from(index).ok().and_then(|i| self.expressions.get(i)) {
            Some(expression) => Ok(expression.clone()),
            None => self.reader.invalid(format!("one of {} expressions", self.expressions.len()), index),
        }
    }

    fn optional_name(&mut self) -> Decoded<Option<Arc<str>>> {
        let number = self.reader.number()?;
        if number == 0 {
            return Ok(None);
        }
        let Some(index) = number.checked_sub(2) else {
            let name: Arc<str> = self.reader.text()?.into();
            if name.len() <= MAX_SHARED_NAME {
                self.names.push(name.clone());
            }
            return Ok(Some(name));
        };
        match usize::try_from(index).ok().and_then(|i| self.names.get(i)) {
            Some(name) => Ok(Some(name.clone())),
            None => self.reader.invalid(format!("one of {} names", self.names.len()), index),
        }
    }

    fn name(&mut self) -> Decoded<Arc<str>> {
        match self.optional_name()? {
            Some(name) => Ok(name),
            None => self.reader.invalid("a name", "none"),
        }
    }

    fn flag(&mut self) -> Decoded<bool> {
        match self.reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => self.reader.invalid("0 or 1", other),
        }
    }
}

fn float(reader: &mut Reader<'_>) -> Decoded<f32> {
    Ok(f32::from_bits(u32::from_le_bytes(reader.array()?)))
}
