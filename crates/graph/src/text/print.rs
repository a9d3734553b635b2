//! Writes the text form.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use lehr_tensor::DataType;

use super::lexer::{is_label_char, is_word_char, quote};
use super::tensor::{print_f32, print_tensor};
use crate::attribute::{Attribute, Attributes};
use crate::graph::{Def, Graph, Node};
use crate::ids::ValueId;
use crate::op::Op;
use crate::opaque::Opaque;
use crate::origin::Origin;
use crate::types::{TensorType, ValueType};
use crate::verify::MAX_NESTING;

/// How the contents of large constants are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constants {
    /// As a hash: the text says whether two are equal, but can not be read back.
    Hashed,
    /// As base64: the text can be read back.
    Full,
}

/// What a text holds besides the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrintOptions {
    /// Form of large constants.
    pub constants: Constants,
    /// Whether the origins of nodes are written.
    pub origins: bool,
}

/// The text for reading: large constants as hashes.
pub fn print(graph: &Graph) -> String {
    print_with(graph, PrintOptions { constants: Constants::Hashed, origins: true })
}

/// The whole graph: reading the text gives an equal one.
pub fn print_full(graph: &Graph) -> String {
    print_with(graph, PrintOptions { constants: Constants::Full, origins: true })
}

/// The text with a choice of what it holds.
pub fn print_with(graph: &Graph, options: PrintOptions) -> String {
    let mut out = String::new();
    Printer { options, out: &mut out, depth: 1 }.graph(graph);
    out.push('\n');
    out
}

/// A type with its symbolic contents, as `i64[2]{N,3}`.
pub fn print_type(ty: &ValueType) -> String {
    let mut out = String::new();
    write_type(ty, &mut out);
    out
}

struct Printer<'a> {
    options: PrintOptions,
    out: &'a mut String,
    depth: usize,
}

impl Printer<'_> {
    fn graph(&mut self, graph: &Graph) {
        self.push("graph ");
        self.quote(graph.name());
        self.push(" {");
        if self.depth > MAX_NESTING {
            self.push(" … }");
            return;
        }
        let mut body = Body { names: Names::new(graph), graph, printer: self };
        body.print();
        self.line(self.depth - 1);
        self.push("}");
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn quote(&mut self, text: &str) {
        quote(text, self.out);
    }

    fn line(&mut self, indent: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", indent));
    }

    fn word(&mut self, text: &str) {
        let plain =
            text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(is_word_char);
        if plain { self.push(text) } else { self.quote(text) }
    }

    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.push("[");
        for (at, value) in items.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            item(self, value);
        }
        self.push("]");
    }

    fn op(&mut self, op: &dyn Op) {
        if let Some(opaque) = op.downcast_ref::<Opaque>() {
            self.push("opaque ");
            self.op_name(opaque.domain(), opaque.op_type());
        } else {
            self.op_name(op.schema().domain, op.schema().name);
        }
    }

    fn op_name(&mut self, domain: &str, name: &str) {
        if !domain.is_empty() {
            self.word(domain);
            self.push("::");
        }
        self.word(name);
    }

    fn attributes(&mut self, attributes: &Attributes) {
        if attributes.is_empty() {
            return;
        }
        self.push(" {");
        for (at, (name, value)) in attributes.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.word(name);
            self.push(" = ");
            self.attribute(value);
        }
        self.push("}");
    }

    fn attribute(&mut self, attribute: &Attribute) {
        match attribute {
            Attribute::Int(v) => self.push(&v.to_string()),
            Attribute::Float(v) => self.push(&print_f32(*v)),
            Attribute::String(v) => self.quote(v),
            Attribute::Ints(v) if v.is_empty() => self.push("ints[]"),
            Attribute::Floats(v) if v.is_empty() => self.push("floats[]"),
            Attribute::Strings(v) if v.is_empty() => self.push("strings[]"),
            Attribute::Ints(v) => self.list(v, |p, x| p.push(&x.to_string())),
            Attribute::Floats(v) => self.list(v, |p, x| p.push(&print_f32(*x))),
            Attribute::Strings(v) => self.list(v, |p, x| p.quote(x)),
            Attribute::Tensor(t) => {
                self.push("tensor ");
                self.tensor(t);
            }
            Attribute::Tensors(v) => {
                self.push("tensors");
                self.list(v, |p, t| p.tensor(t));
            }
            Attribute::Graph(g) => {
                Printer { options: self.options, out: self.out, depth: self.depth + 1 }.graph(g);
            }
            Attribute::Type(t) => {
                self.push("type ");
                write_type(t, self.out);
            }
        }
    }

    fn tensor(&mut self, tensor: &lehr_tensor::Tensor) {
        print_tensor(tensor, self.options.constants == Constants::Full, self.out);
    }

    fn origin(&mut self, origin: &Origin) {
        if !origin.sources().is_empty() {
            self.push(" from ");
            self.list(origin.sources(), |p, source| {
                p.push(&source.index.to_string());
                p.push(" ");
                p.quote(&source.op_type);
                p.push(" ");
                p.quote(&source.name);
            });
        }
        if let Some(pass) = origin.made_by() {
            self.push(" by ");
            self.quote(pass);
        }
    }
}

/// The statements of one graph.
struct Body<'a, 'p, 'o> {
    graph: &'a Graph,
    names: Names<'a>,
    printer: &'p mut Printer<'o>,
}

impl Body<'_, '_, '_> {
    fn print(&mut self) {
        let graph = self.graph;
        for (key, value) in graph.meta() {
            self.statement("meta ");
            self.printer.quote(key);
            self.printer.push(" = ");
            self.printer.quote(value);
        }
        for (list, word) in [(graph.inputs(), "input "), (graph.captures(), "capture ")] {
            for &id in list {
                self.statement(word);
                self.define(id);
                self.type_of(id);
            }
        }
        for id in graph.topological_order() {
            let node = graph.node(id);
            self.constants(node.inputs().iter().flatten());
            self.node(node);
        }
        self.constants(graph.outputs());
        for (index, &id) in graph.outputs().iter().enumerate() {
            self.statement("output ");
            self.reference(id);
            let own = graph.value(id).name().unwrap_or_default();
            if graph.output_name(index) != own {
                self.printer.push(" as ");
                self.printer.quote(graph.output_name(index));
            }
        }
    }

    fn statement(&mut self, word: &str) {
        self.printer.line(self.printer.depth);
        self.printer.push(word);
    }

    fn define(&mut self, id: ValueId) {
        let named = self.names.assign(id);
        self.reference(id);
        if let (false, Some(name)) = (named, self.graph.value(id).name()) {
            self.printer.push(" as ");
            self.printer.quote(name);
        }
    }

    fn reference(&mut self, id: ValueId) {
        let label = self.names.labels.get(&id).cloned().unwrap_or_else(|| format!("?{id:?}"));
        self.printer.push(&label);
    }

    fn type_of(&mut self, id: ValueId) {
        self.printer.push(": ");
        write_type(self.graph.value(id).ty(), self.printer.out);
    }

    /// Constants stand right before their first reader.
    fn constants<'v>(&mut self, ids: impl IntoIterator<Item = &'v ValueId>) {
        for &id in ids {
            let Def::Constant(tensor) = self.graph.value(id).def() else { continue };
            if self.names.labels.contains_key(&id) {
                continue;
            }
            self.statement("const ");
            self.define(id);
            if *self.graph.value(id).ty() != ValueType::Tensor(TensorType::of(tensor)) {
                self.type_of(id);
            }
            self.printer.push(" = ");
            self.printer.tensor(tensor);
        }
    }

    fn node(&mut self, node: &Node) {
        self.statement("");
        for (at, &output) in node.outputs().iter().enumerate() {
            if at > 0 {
                self.printer.push(", ");
            }
            self.define(output);
            self.type_of(output);
        }
        if node.outputs().is_empty() {
            self.printer.push("none");
        }
        self.printer.push(" = ");
        self.printer.op(node.op());
        self.printer.push("(");
        for (at, input) in node.inputs().iter().enumerate() {
            if at > 0 {
                self.printer.push(", ");
            }
            match input {
                Some(id) => self.reference(*id),
                None => self.printer.push("_"),
            }
        }
        self.printer.push(")");
        match node.op().downcast_ref::<Opaque>() {
            Some(opaque) => self.printer.attributes(opaque.own_attributes()),
            None => self.printer.attributes(&node.op().attributes()),
        }
        if !node.name().is_empty() {
            self.printer.push(" name ");
            self.printer.quote(node.name());
        }
        if self.printer.options.origins {
            self.printer.origin(node.origin());
        }
    }
}

/// Labels of the values printed so far.
struct Names<'a> {
    graph: &'a Graph,
    labels: HashMap<ValueId, String>,
    taken: HashSet<&'a str>,
    unnamed: usize,
}

impl<'a> Names<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self { graph, labels: HashMap::new(), taken: HashSet::new(), unnamed: 0 }
    }

    /// Gives the value a label; whether it is the value's own name.
    fn assign(&mut self, id: ValueId) -> bool {
        let name = self.graph.value(id).name().filter(|name| !name.is_empty());
        if let Some(name) = name.filter(|name| self.taken.insert(name)) {
            self.labels.insert(id, named_label(name));
            return true;
        }
        self.labels.insert(id, format!("%{}", self.unnamed));
        self.unnamed += 1;
        false
    }
}

fn named_label(name: &str) -> String {
    let numeric = name.bytes().all(|b| b.is_ascii_digit());
    if !numeric && name.chars().all(is_label_char) {
        return format!("%{name}");
    }
    let mut label = "%".to_owned();
    quote(name, &mut label);
    label
}

fn write_type(ty: &ValueType, out: &mut String) {
    match ty {
        ValueType::Tensor(tensor) => write_tensor_type(tensor, out),
        ValueType::Unknown => out.push_str("unknown"),
        ValueType::Sequence(item) => write_wrapped("seq<", item, out),
        ValueType::Optional(item) => write_wrapped("optional<", item, out),
        ValueType::Map { key, value } => write_wrapped(&format!("map<{key}, "), value, out),
    }
}

fn write_wrapped(before: &str, item: &ValueType, out: &mut String) {
    out.push_str(before);
    write_type(item, out);
    out.push('>');
}

fn write_tensor_type(ty: &TensorType, out: &mut String) {
    out.push_str(ty.dtype.map_or("any", DataType::name));
    match &ty.shape {
        // Writing to a string cannot fail.
        Some(shape) => drop(write!(out, "{shape}")),
        None => out.push_str("[..]"),
    }
    let Some(known) = &ty.known else { return };
    out.push('{');
    if ty.shape.as_ref().and_then(|s| s.as_fixed()).as_deref() != Some(known.shape()) {
        let sizes: Vec<_> = known.shape().iter().map(usize::to_string).collect();
        let _ = write!(out, "[{}]:", sizes.join(","));
    }
    let values: Vec<_> = known.values().iter().map(ToString::to_string).collect();
    out.push_str(&values.join(","));
    out.push('}');
}
