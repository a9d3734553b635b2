//! Reads the text form. Time and memory are bounded by the length of the text, nesting by [`MAX_NESTING`].

use std::collections::HashMap;
use std::sync::Arc;

use lehr_tensor::{DataType, Tensor};

use super::lexer::{Cursor, Label, ParseError, Parsed, Problem};
use super::tensor::{parse_contents, parse_f32};
use crate::attribute::{Attribute, Attributes};
use crate::dim::{Shape, SymValues};
use crate::graph::Graph;
use crate::ids::ValueId;
use crate::op::{OpRef, Registry, full_name};
use crate::opaque::Opaque;
use crate::origin::{Origin, SourceRef};
use crate::types::{TensorType, ValueType};
use crate::verify::MAX_NESTING;

/// Longest text of one shape or of one list of symbolic contents, in bytes.
const MAX_SHAPE_TEXT: usize = 1 << 16;

/// Reads a graph; types that the text leaves out are inferred.
///
/// # Errors
/// The first problem with its place: grammar, unknown operators, bad attributes, undefined values, inputs that can not
/// be valid.
pub fn parse(text: &str, registry: &dyn Registry) -> Result<Graph, ParseError> {
    let mut parser = Parser { cursor: Cursor::new(text), registry, depth: 0, filled: 0 };
    let result = parser.graph().and_then(|graph| parser.end().map(|()| graph));
    result.map_err(|problem| parser.cursor.locate(problem))
}

/// Reads a type, as `f32[N,3]`.
///
/// # Errors
/// The first problem with its place.
pub fn parse_type(text: &str) -> Result<ValueType, ParseError> {
    let mut cursor = Cursor::new(text);
    let result = read_type(&mut cursor, 0).and_then(|ty| match cursor.at_end() {
        true => Ok(ty),
        false => cursor.expected("the end of the text"),
    });
    result.map_err(|problem| cursor.locate(problem))
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    registry: &'a dyn Registry,
    depth: usize,
    /// Bytes made by `fill`, which the length of the text does not bound.
    filled: usize,
}

/// One graph under construction.
struct Scope {
    graph: Graph,
    values: HashMap<Label, ValueId>,
    outputs: Vec<ValueId>,
    output_names: Vec<Arc<str>>,
}

/// A value on the left side of `=`.
struct Defined {
    at: usize,
    label: Label,
    name: Option<String>,
    ty: Option<ValueType>,
}

impl Scope {
    fn bind(&mut self, defined: Defined, id: ValueId) -> Parsed<()> {
        let Defined { at, label, name, .. } = defined;
        self.graph.set_value_name(id, name.as_deref());
        if self.values.insert(label.clone(), id).is_some() {
            return Err(Problem { at, message: format!("value {} is defined twice", describe(&label)) });
        }
        Ok(())
    }
}

fn describe(label: &Label) -> String {
    match label {
        Label::Named(name) => format!("%{name}"),
        Label::Numbered(number) => format!("%{number}"),
    }
}

impl Parser<'_> {
    fn end(&mut self) -> Parsed<()> {
        if self.cursor.at_end() { Ok(()) } else { self.cursor.expected("the end of the text") }
    }

    fn graph(&mut self) -> Parsed<Graph> {
        if !self.cursor.keyword("graph") {
            return self.cursor.expected("'graph'");
        }
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return self.cursor.fail(format!("expected at most {MAX_NESTING} nested graphs"));
        }
        let name = if self.cursor.peek() == Some('"') { self.cursor.string()? } else { String::new() };
        self.cursor.expect("{")?;
        let mut scope = Scope {
            graph: Graph::new(name),
            values: HashMap::new(),
            outputs: Vec::new(),
            output_names: Vec::new(),
        };
        while !self.cursor.accept("}") {
            self.statement(&mut scope)?;
        }
        self.depth -= 1;
        scope.graph.set_named_outputs(scope.outputs, scope.output_names);
        Ok(scope.graph)
    }

    fn statement(&mut self, scope: &mut Scope) -> Parsed<()> {
        if self.cursor.peek() == Some('%') {
            return self.node(scope);
        }
        match self.cursor.peek_word() {
            "meta" => self.meta(scope),
            "input" => self.formal(scope, "input"),
            "capture" => self.formal(scope, "capture"),
            "const" => self.constant(scope),
            "output" => self.output(scope),
            "none" => self.node(scope),
            _ => self.cursor.expected("a statement or '}'"),
        }
    }

    fn meta(&mut self, scope: &mut Scope) -> Parsed<()> {
        self.cursor.keyword("meta");
        let key = self.cursor.string()?;
        self.cursor.expect("=")?;
        let value = self.cursor.string()?;
        scope.graph.meta_mut().insert(key, value);
        Ok(())
    }

    fn formal(&mut self, scope: &mut Scope, word: &str) -> Parsed<()> {
        self.cursor.keyword(word);
        let defined = self.defined()?;
        let ty = defined.ty.clone().unwrap_or_default();
        let id = match word {
            "input" => scope.graph.add_input("", ty),
            _ => scope.graph.add_capture("", ty),
        };
        scope.bind(defined, id)
    }

    fn constant(&mut self, scope: &mut Scope) -> Parsed<()> {
        self.cursor.keyword("const");
        let defined = self.defined()?;
        self.cursor.expect("=")?;
        let tensor = self.tensor()?;
        let ty = defined.ty.clone();
        let id = scope.graph.add_constant(tensor, None);
        if let Some(ty) = ty {
            scope.graph.set_type(id, ty);
        }
        scope.bind(defined, id)
    }

    fn output(&mut self, scope: &mut Scope) -> Parsed<()> {
        self.cursor.keyword("output");
        let id = self.reference(scope)?;
        let name = match self.cursor.keyword("as") {
            true => self.cursor.string()?,
            false => scope.graph.value(id).name().unwrap_or_default().to_owned(),
        };
        scope.outputs.push(id);
        scope.output_names.push(name.into());
        Ok(())
    }

    fn defined(&mut self) -> Parsed<Defined> {
        let at = self.cursor.position();
        let label = self.cursor.label()?;
        let name = match (&label, self.cursor.keyword("as")) {
            (_, true) => Some(self.cursor.string()?),
            (Label::Named(name), false) => Some(name.clone()),
            (Label::Numbered(_), false) => None,
        };
        let ty = match self.cursor.accept(":") {
            true => Some(read_type(&mut self.cursor, 0)?),
            false => None,
        };
        Ok(Defined { at, label, name, ty })
    }

    fn reference(&mut self, scope: &Scope) -> Parsed<ValueId> {
        let at = self.cursor.position();
        let label = self.cursor.label()?;
        scope.values.get(&label).copied().ok_or_else(|| Problem {
            at,
            message: format!("value {} is not defined before this place", describe(&label)),
        })
    }

    fn node(&mut self, scope: &mut Scope) -> Parsed<()> {
        let mut outputs = Vec::new();
        if !self.cursor.keyword("none") {
            outputs.push(self.defined()?);
            while self.cursor.accept(",") {
                outputs.push(self.defined()?);
            }
        }
        self.cursor.expect("=")?;
        let at = self.cursor.position();
        let is_opaque = self.opaque();
        let (domain, op_type) = self.op_name()?;
        let inputs = self.arguments(scope)?;
        let attributes = self.attributes()?;
        let op = match is_opaque {
            true => Arc::new(Opaque::new(domain, op_type, attributes)),
            false => self.op(at, &domain, &op_type, &attributes)?,
        };
        let name = if self.cursor.keyword("name") { self.cursor.string()? } else { String::new() };
        let origin = self.origin()?;
        let ids = add_node(scope, at, op, inputs, &outputs, (name, origin))?;
        for (defined, id) in outputs.into_iter().zip(ids) {
            scope.bind(defined, id)?;
        }
        Ok(())
    }

    /// Steps over the word `opaque` unless it is the name of an operator.
    fn opaque(&mut self) -> bool {
        if self.cursor.peek_word() != "opaque" {
            return false;
        }
        let behind = self.cursor.rest().strip_prefix("opaque").unwrap_or_default().trim_start();
        if behind.starts_with('(') || behind.starts_with("::") {
            return false;
        }
        self.cursor.keyword("opaque")
    }

    fn op_name(&mut self) -> Parsed<(String, String)> {
        let first = self.cursor.name("an operator")?;
        if !self.cursor.accept("::") {
            return Ok((String::new(), first));
        }
        Ok((first, self.cursor.name("an operator")?))
    }

    fn op(&mut self, at: usize, domain: &str, op_type: &str, attributes: &Attributes) -> Parsed<OpRef> {
        let fail = |message| Err(Problem { at, message });
        let full = || full_name(domain, op_type);
        let Some(schema) = self.registry.schema(domain, op_type) else {
            return fail(format!("operator {} is not known", full()));
        };
        let op = (schema.from_attributes)(attributes)
            .map_err(|error| Problem { at, message: format!("{}: {error}", full()) })?;
        // An operator ignores what it does not know, which would hide a misspelt name.
        let own = op.attributes();
        match attributes.iter().find(|(name, _)| own.get(name).is_none()) {
            Some((name, _)) => fail(format!("{} has no attribute '{name}'", full())),
            None => Ok(op),
        }
    }

    fn arguments(&mut self, scope: &Scope) -> Parsed<Vec<Option<ValueId>>> {
        self.cursor.expect("(")?;
        let mut inputs = Vec::new();
        if self.cursor.accept(")") {
            return Ok(inputs);
        }
        loop {
            inputs.push(match self.cursor.keyword("_") {
                true => None,
                false => Some(self.reference(scope)?),
            });
            if !self.cursor.accept(",") {
                self.cursor.expect(")")?;
                return Ok(inputs);
            }
        }
    }

    fn attributes(&mut self) -> Parsed<Attributes> {
        let mut list: Vec<(String, Attribute)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        if !self.cursor.accept("{") || self.cursor.accept("}") {
            return Ok(Attributes::new());
        }
        loop {
            let name = self.cursor.name("an attribute")?;
            if !seen.insert(name.clone()) {
                return self.cursor.fail(format!("attribute '{name}' is given twice"));
            }
            self.cursor.expect("=")?;
            list.push((name, self.attribute()?));
            if !self.cursor.accept(",") {
                self.cursor.expect("}")?;
                return Ok(list.into_iter().collect());
            }
        }
    }

    fn attribute(&mut self) -> Parsed<Attribute> {
        match self.cursor.peek() {
            Some('"') => return Ok(Attribute::String(self.cursor.string()?)),
            Some('[') => return self.list_attribute(),
            _ => {}
        }
        let word = self.cursor.peek_word();
        match word {
            "" | "inf" | "nan" => return self.number_attribute(),
            "graph" => return Ok(Attribute::Graph(Arc::new(self.graph()?))),
            _ => self.cursor.keyword(word),
        };
        match word {
            "true" => Ok(Attribute::Int(1)),
            "false" => Ok(Attribute::Int(0)),
            "ints" => self.empty_list(Attribute::Ints(Vec::new())),
            "floats" => self.empty_list(Attribute::Floats(Vec::new())),
            "strings" => self.empty_list(Attribute::Strings(Vec::new())),
            "tensor" => Ok(Attribute::Tensor(self.tensor()?)),
            "tensors" => self.tensors(),
            "type" => Ok(Attribute::Type(read_type(&mut self.cursor, 0)?)),
            // An element type by name, which files store as its number.
            _ => match DataType::from_name(word) {
                Some(dtype) => Ok(Attribute::Int(i64::from(dtype.to_onnx()))),
                None => self.cursor.fail(format!("expected the value of an attribute, got '{word}'")),
            },
        }
    }

    fn empty_list(&mut self, list: Attribute) -> Parsed<Attribute> {
        self.cursor.expect("[")?;
        self.cursor.expect("]")?;
        Ok(list)
    }

    fn tensors(&mut self) -> Parsed<Attribute> {
        self.cursor.expect("[")?;
        let mut list = Vec::new();
        if self.cursor.accept("]") {
            return Ok(Attribute::Tensors(list));
        }
        loop {
            list.push(self.tensor()?);
            if !self.cursor.accept(",") {
                self.cursor.expect("]")?;
                return Ok(Attribute::Tensors(list));
            }
        }
    }

    fn number_attribute(&mut self) -> Parsed<Attribute> {
        let text = self.cursor.number()?;
        match is_float(text) {
            true => Ok(Attribute::Float(self.float(text)?)),
            false => Ok(Attribute::Int(self.int(text)?)),
        }
    }

    fn list_attribute(&mut self) -> Parsed<Attribute> {
        self.cursor.expect("[")?;
        let (mut strings, mut numbers) = (Vec::new(), Vec::new());
        loop {
            match self.cursor.peek() {
                Some('"') if numbers.is_empty() => strings.push(self.cursor.string()?),
                _ if strings.is_empty() => numbers.push(self.cursor.number()?),
                _ => return self.cursor.expected("a string"),
            }
            if !self.cursor.accept(",") {
                break;
            }
        }
        self.cursor.expect("]")?;
        if !strings.is_empty() {
            return Ok(Attribute::Strings(strings));
        }
        match numbers.iter().any(|text| is_float(text)) {
            true => Ok(Attribute::Floats(numbers.into_iter().map(|t| self.float(t)).collect::<Parsed<_>>()?)),
            false => Ok(Attribute::Ints(numbers.into_iter().map(|t| self.int(t)).collect::<Parsed<_>>()?)),
        }
    }

    fn float(&self, text: &str) -> Parsed<f32> {
        match parse_f32(text) {
            Some(value) => Ok(value),
            None => self.cursor.fail(format!("expected a number, got '{text}'")),
        }
    }

    fn int(&self, text: &str) -> Parsed<i64> {
        match text.parse() {
            Ok(value) => Ok(value),
            Err(_) => self.cursor.fail(format!("expected an integer of 64 bits, got '{text}'")),
        }
    }

    fn tensor(&mut self) -> Parsed<Tensor> {
        let name = self.cursor.word().unwrap_or_default();
        let Some(dtype) = DataType::from_name(name) else {
            return self.cursor.fail(format!("expected an element type, got '{name}'"));
        };
        let shape = read_shape(&mut self.cursor)?;
        let Some(sizes) = shape.as_fixed() else {
            return self.cursor.fail(format!("expected fixed sizes, got {shape}"));
        };
        parse_contents(&mut self.cursor, dtype, &sizes, &mut self.filled)
    }

    fn origin(&mut self) -> Parsed<Origin> {
        let mut sources = Vec::new();
        if self.cursor.keyword("from") {
            self.cursor.expect("[")?;
            loop {
                sources.push(self.source()?);
                if !self.cursor.accept(",") {
                    break;
                }
            }
            self.cursor.expect("]")?;
        }
        let made_by = if self.cursor.keyword("by") { Some(self.cursor.string()?) } else { None };
        Ok(Origin::from_parts(sources, made_by.as_deref()))
    }

    fn source(&mut self) -> Parsed<SourceRef> {
        let text = self.cursor.number()?;
        let Ok(index) = text.parse() else {
            return self.cursor.fail(format!("expected a position in the file, got '{text}'"));
        };
        let op_type = self.cursor.string()?.into();
        let name = self.cursor.string()?.into();
        Ok(SourceRef { name, op_type, index })
    }
}

/// Adds the node; infers where a type is left out.
fn add_node(
    scope: &mut Scope,
    at: usize,
    op: OpRef,
    inputs: Vec<Option<ValueId>>,
    outputs: &[Defined],
    (name, origin): (String, Origin),
) -> Parsed<Vec<ValueId>> {
    let given: Option<Vec<_>> = outputs.iter().map(|o| o.ty.clone()).collect();
    let node = match given {
        Some(types) => scope.graph.add_node_with_types(op, inputs, types, name, origin),
        None => scope
            .graph
            .add_node(op, inputs, outputs.len(), name, origin)
            .map_err(|error| Problem { at, message: error.to_string() })?,
    };
    let ids = scope.graph.node(node).outputs().to_vec();
    for (defined, &id) in outputs.iter().zip(&ids) {
        if let Some(ty) = &defined.ty {
            scope.graph.set_type(id, ty.clone());
        }
    }
    Ok(ids)
}

fn is_float(text: &str) -> bool {
    text.contains(['.', 'e', 'E', 'n'])
}

fn read_type(cursor: &mut Cursor<'_>, depth: usize) -> Parsed<ValueType> {
    if depth > MAX_NESTING {
        return cursor.fail(format!("expected at most {MAX_NESTING} nested types"));
    }
    let at = cursor.position();
    let word = cursor.word().unwrap_or_default();
    match word {
        "unknown" => Ok(ValueType::Unknown),
        "seq" => Ok(ValueType::Sequence(Box::new(read_wrapped(cursor, depth)?))),
        "optional" => Ok(ValueType::Optional(Box::new(read_wrapped(cursor, depth)?))),
        "map" => read_map(cursor, depth),
        _ => {
            let dtype = DataType::from_name(word);
            if dtype.is_none() && word != "any" {
                return Err(Problem { at, message: format!("expected a type, got '{word}'") });
            }
            read_tensor_type(cursor, dtype).map(ValueType::Tensor)
        }
    }
}

fn read_wrapped(cursor: &mut Cursor<'_>, depth: usize) -> Parsed<ValueType> {
    cursor.expect("<")?;
    let item = read_type(cursor, depth + 1)?;
    cursor.expect(">")?;
    Ok(item)
}

fn read_map(cursor: &mut Cursor<'_>, depth: usize) -> Parsed<ValueType> {
    cursor.expect("<")?;
    let name = cursor.word().unwrap_or_default();
    let Some(key) = DataType::from_name(name) else {
        return cursor.fail(format!("expected the type of the keys, got '{name}'"));
    };
    cursor.expect(",")?;
    let value = Box::new(read_type(cursor, depth + 1)?);
    cursor.expect(">")?;
    Ok(ValueType::Map { key, value })
}

fn read_tensor_type(cursor: &mut Cursor<'_>, dtype: Option<DataType>) -> Parsed<TensorType> {
    let shape = if cursor.accept("[..]") { None } else { Some(read_shape(cursor)?) };
    let known = match cursor.rest().starts_with('{') {
        true => Some(read_known(cursor, shape.as_ref())?),
        false => None,
    };
    Ok(TensorType { dtype, shape, known })
}

fn read_shape(cursor: &mut Cursor<'_>) -> Parsed<Shape> {
    let at = cursor.position();
    let rest = cursor.rest();
    let end = rest.floor_char_boundary(MAX_SHAPE_TEXT);
    match Shape::parse_prefix(rest.get(..end).unwrap_or_default()) {
        Ok((shape, length)) => {
            cursor.advance(length);
            Ok(shape)
        }
        Err(error) => Err(Problem { at: at + error.at, message: error.problem.to_string() }),
    }
}

/// Reads `{N,3}` or, where the shape does not say how many there are, `{[2]:N,3}`.
fn read_known(cursor: &mut Cursor<'_>, shape: Option<&Shape>) -> Parsed<SymValues> {
    cursor.expect("{")?;
    let sizes = match cursor.peek() {
        Some('[') => {
            let own = read_shape(cursor)?;
            cursor.expect(":")?;
            own.as_fixed()
        }
        _ => shape.and_then(Shape::as_fixed),
    };
    let Some(sizes) = sizes else { return cursor.fail("expected fixed sizes for known contents") };
    let at = cursor.position();
    let Some(texts) = split_list(cursor.rest()) else {
        return cursor.fail("expected '}' after known contents");
    };
    let mut values = Vec::with_capacity(texts.len().min(SymValues::MAX_LEN));
    let mut length = 0;
    for text in &texts {
        let value = text.parse().map_err(|error: crate::dim::ParseDimError| Problem {
            at: at + length + error.at,
            message: error.problem.to_string(),
        })?;
        values.push(value);
        length += text.len() + 1;
    }
    cursor.advance(texts.iter().map(|t| t.len() + 1).sum::<usize>().max(1));
    SymValues::new(&sizes, values).or_else(|error| cursor.fail(error.to_string()))
}

/// The parts between the commas up to the closing brace, which is not in quotes or parentheses.
fn split_list(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut nested, mut quoted, mut escaped) = (Vec::new(), 0, 0u32, false, false);
    for (at, c) in text.char_indices() {
        if at > MAX_SHAPE_TEXT || parts.len() > SymValues::MAX_LEN {
            return None;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => nested += 1,
            ')' => nested = nested.saturating_sub(1),
            ',' | '}' if nested == 0 => {
                // `{}` holds nothing at all.
                if !(c == '}' && parts.is_empty() && start == at) {
                    parts.push(text.get(start..at)?);
                }
                start = at + 1;
                if c == '}' {
                    return Some(parts);
                }
            }
            _ => {}
        }
    }
    None
}
