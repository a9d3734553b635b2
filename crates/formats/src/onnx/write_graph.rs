//! The graph as the messages of a model file of a given opset. Reports every node that the opset can not express.

use std::collections::{BTreeSet, HashMap, HashSet};

use lehr_graph::diagnostic::{Code, Diagnostic, NodeRef};
use lehr_graph::op::full_name;
use lehr_graph::{
    Attribute, Attributes, Builder, Def, Flags, Graph, Node, NodeId, ValueId, WriteCx, WriteInput,
};
use lehr_ops::schema::{self, DefaultValue, Schema, Slot, check_node};
use lehr_tensor::{DataType, Tensor};

use super::attributes::schema_kind;
use super::proto::attribute_proto::AttributeType;
use super::proto::{AttributeProto, GraphProto, NodeProto, ValueInfoProto};
use super::tensor_write::write_tensor;
use super::types::write_type;

/// Version of domains other than the default one; each is versioned on its own.
fn version_of(domain: &str, opset: i64) -> i64 {
    match domain {
        "" => opset,
        _ => schema::all().iter().filter(|s| s.domain == domain).map(|s| s.since).max().unwrap_or(1),
    }
}

/// A graph message, the domains it uses with their versions, and what could not be expressed.
pub(super) struct Written {
    pub graph: GraphProto,
    pub domains: Vec<(String, i64)>,
    pub problems: Vec<Diagnostic>,
    /// How many nodes are written by what they consist of although a newer opset has them as they are.
    pub expanded: usize,
}

/// Writes `graph` for `opset` of the default domain.
pub(super) fn write_graph(graph: &Graph, opset: i64) -> Written {
    let mut writer = Writer {
        opset,
        used: HashSet::new(),
        node_names: HashSet::new(),
        counter: 0,
        domains: BTreeSet::new(),
        problems: Vec::new(),
        expanded: 0,
    };
    let proto = writer.graph(graph, &[]);
    writer.domains.insert(String::new());
    let domains = writer.domains.iter().map(|d| (d.clone(), version_of(d, opset))).collect();
    Written { graph: proto, domains, problems: writer.problems, expanded: writer.expanded }
}

struct Writer {
    opset: i64,
    /// Names are unique in the whole file: a subgraph must not shadow what it can see.
    used: HashSet<String>,
    node_names: HashSet<String>,
    counter: usize,
    domains: BTreeSet<String>,
    problems: Vec<Diagnostic>,
    expanded: usize,
}

/// Names of the values of one graph in the file.
type Names = HashMap<ValueId, String>;

/// A node between graph and file.
struct Draft {
    domain: String,
    op_type: String,
    attributes: Attributes,
    inputs: Vec<WriteInput>,
}

impl Writer {
    fn graph(&mut self, graph: &Graph, captured: &[String]) -> GraphProto {
        let mut proto = GraphProto { name: Some(graph_name(graph)), ..GraphProto::default() };
        let mut names = Names::new();
        for (&id, name) in graph.captures().iter().zip(captured) {
            names.insert(id, name.clone());
        }
        // The interface keeps its names; everything else gives way.
        let outputs: Vec<String> =
            (0..graph.outputs().len()).map(|i| graph.output_name(i).to_owned()).collect();
        for &id in graph.inputs() {
            let name = self.reserve(graph.value(id).name().unwrap_or("input"));
            proto.input.push(value_info(&name, graph, id));
            names.insert(id, name);
        }
        let outputs: Vec<String> = outputs.iter().map(|name| self.reserve(name)).collect();
        let copies = self.name_outputs(graph, &outputs, &mut names);
        self.nodes(graph, &mut names, &mut proto);
        for (id, name) in copies {
            let source = self.name_of(graph, id, &mut names, &mut proto);
            proto.node.push(identity(source, name));
        }
        proto.output =
            graph.outputs().iter().zip(&outputs).map(|(&id, n)| value_info(n, graph, id)).collect();
        proto
    }

    /// Gives produced values the name of the output they are; returns the outputs that need a copy for their name.
    fn name_outputs(
        &mut self,
        graph: &Graph,
        outputs: &[String],
        names: &mut Names,
    ) -> Vec<(ValueId, String)> {
        let mut copies = Vec::new();
        for (&id, name) in graph.outputs().iter().zip(outputs) {
            if matches!(graph.value(id).def(), Def::Node { .. }) && !names.contains_key(&id) {
                names.insert(id, name.clone());
            } else {
                copies.push((id, name.clone()));
            }
        }
        copies
    }

    fn nodes(&mut self, graph: &Graph, names: &mut Names, proto: &mut GraphProto) {
        for id in graph.topological_order() {
            self.node(graph, id, names, proto);
        }
    }

    fn node(&mut self, graph: &Graph, id: NodeId, names: &mut Names, proto: &mut GraphProto) {
        let node = graph.node(id);
        let why = match self.draft(graph, id) {
            Ok(draft) => return self.emit(graph, node, draft, names, proto),
            Err(why) => why,
        };
        match self.expand(graph, id, names, proto) {
            true => self.expanded += usize::from(is_standard(node) && !is_formula(graph, node)),
            false => self.refuse(node, why),
        }
    }

    /// The node in the form of the asked opset, or why there is none.
    fn draft(&self, graph: &Graph, id: NodeId) -> Result<Draft, String> {
        let node = graph.node(id);
        if node.op().flags().contains(Flags::OPAQUE) {
            return Err("the operator is not known".into());
        }
        let domain = node.op().schema().domain;
        let mut cx = WriteCx::new(node.op(), graph.signature(id), version_of(domain, self.opset));
        node.op().write(&mut cx).map_err(|e| e.to_string())?;
        let (domain, op_type, mut attributes, inputs) = cx.finish();
        let versions = schema::versions(&domain, &op_type);
        if versions.is_empty() {
            return match domain.as_str() {
                "" => Err("the operator is not part of the standard".into()),
                _ => Ok(Draft { domain, op_type, attributes, inputs }),
            };
        }
        let version = version_of(&domain, self.opset);
        let Some(wanted) = schema::schema(&domain, &op_type, version) else {
            let since = versions.first().map_or(0, |s| s.since);
            return Err(format!("opset {version} does not have the operator; it exists since {since}"));
        };
        drop_unknown_defaults(&mut attributes, wanted, versions);
        let draft = Draft { domain, op_type, attributes, inputs };
        let problems = hold_against_schema(&draft, wanted, graph, node);
        if problems.is_empty() { Ok(draft) } else { Err(format!("opset {version}: {}", problems.join("; "))) }
    }

    /// Writes the node by what it consists of; returns whether that was possible.
    fn expand(&mut self, graph: &Graph, id: NodeId, names: &mut Names, proto: &mut GraphProto) -> bool {
        let node = graph.node(id);
        let io = graph.signature(id);
        let types: Vec<_> = io.inputs.iter().map(|ty| ty.cloned()).collect();
        let constants: Vec<_> = io.constants.iter().map(|c| c.cloned()).collect();
        let mut builder = Builder::for_types(&types, &constants, node.outputs().len());
        if !node.op().decompose(&mut builder).unwrap_or(false) {
            return false;
        }
        let (body, slots) = builder.finish();
        // An output that the decomposition does not give must not be needed.
        let needed = node.outputs().iter().enumerate().filter(|(_, v)| !graph.value(**v).uses().is_empty());
        if needed.into_iter().any(|(slot, _)| !slots.contains(&slot)) {
            return false;
        }
        let mut inner = Names::new();
        for (&formal, actual) in body.inputs().iter().zip(node.inputs()) {
            if let Some(actual) = actual {
                let name = self.name_of(graph, *actual, names, proto);
                inner.insert(formal, name);
            }
        }
        let outputs: Vec<String> =
            slots.iter().map(|&slot| self.name_of(graph, node.outputs()[slot], names, proto)).collect();
        let copies = self.name_outputs(&body, &outputs, &mut inner);
        self.nodes(&body, &mut inner, proto);
        for (id, name) in copies {
            let source = self.name_of(&body, id, &mut inner, proto);
            proto.node.push(identity(source, name));
        }
        true
    }

    fn emit(&mut self, graph: &Graph, node: &Node, draft: Draft, names: &mut Names, proto: &mut GraphProto) {
        self.domains.insert(draft.domain.clone());
        let has_subgraphs = !node.op().subgraphs().is_empty();
        let n_captures = node.op().subgraphs().first().map_or(0, |(_, g)| g.captures().len());
        let n_formal = node.inputs().len() - n_captures.min(node.inputs().len());
        let mut inputs = Vec::new();
        for input in &draft.inputs {
            match input {
                WriteInput::Absent => inputs.push(String::new()),
                WriteInput::Node(index) if has_subgraphs && *index >= n_formal => (),
                WriteInput::Node(index) => match node.input(*index) {
                    Some(id) => inputs.push(self.name_of(graph, id, names, proto)),
                    None => inputs.push(String::new()),
                },
                WriteInput::Constant(tensor) => inputs.push(self.constant(tensor, None, proto)),
            }
        }
        while inputs.last().is_some_and(String::is_empty) {
            inputs.pop();
        }
        let mut captured = Vec::new();
        for id in node.inputs()[n_formal..].iter() {
            captured.push(id.map(|id| self.name_of(graph, id, names, proto)).unwrap_or_default());
        }
        let attribute =
            draft.attributes.iter().map(|(name, value)| self.attribute(name, value, &captured)).collect();
        let mut output: Vec<String> = node
            .outputs()
            .iter()
            .map(|&id| match graph.value(id).uses().is_empty() {
                true => String::new(),
                false => self.name_of(graph, id, names, proto),
            })
            .collect();
        while output.len() > 1 && output.last().is_some_and(String::is_empty) {
            output.pop();
        }
        if output.first().is_some_and(String::is_empty) {
            output[0] = self.fresh("unused");
        }
        proto.node.push(NodeProto {
            input: inputs,
            output,
            name: self.node_name(node.name()),
            op_type: Some(draft.op_type),
            domain: (!draft.domain.is_empty()).then_some(draft.domain),
            attribute,
            ..NodeProto::default()
        });
    }

    fn attribute(&mut self, name: &str, value: &Attribute, captured: &[String]) -> AttributeProto {
        use AttributeType as T;
        let mut proto = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
        let kind = match value {
            Attribute::Int(v) => {
                proto.i = Some(*v);
                T::Int
            }
            Attribute::Float(v) => {
                proto.f = Some(*v);
                T::Float
            }
            Attribute::String(v) => {
                proto.s = Some(v.clone().into());
                T::String
            }
            Attribute::Ints(v) => {
                proto.ints = v.clone();
                T::Ints
            }
            Attribute::Floats(v) => {
                proto.floats = v.clone();
                T::Floats
            }
            Attribute::Strings(v) => {
                proto.strings = v.iter().map(|s| s.clone().into()).collect();
                T::Strings
            }
            Attribute::Tensor(t) => {
                proto.t = Some(write_tensor("", t));
                T::Tensor
            }
            Attribute::Tensors(v) => {
                proto.tensors = v.iter().map(|t| write_tensor("", t)).collect();
                T::Tensors
            }
            Attribute::Graph(g) => {
                proto.g = Some(self.graph(g, captured));
                T::Graph
            }
            Attribute::Type(ty) => {
                proto.tp = write_type(ty);
                T::TypeProto
            }
        };
        proto.r#type = Some(kind as i32);
        proto
    }

    /// The name of a value in the file; a constant becomes a weight of the graph at its first use.
    fn name_of(&mut self, graph: &Graph, id: ValueId, names: &mut Names, proto: &mut GraphProto) -> String {
        if let Some(name) = names.get(&id) {
            return name.clone();
        }
        let value = graph.value(id);
        let name = match value.def() {
            Def::Constant(tensor) => self.constant(tensor, value.name(), proto),
            _ => match value.name() {
                Some(name) => self.reserve(name),
                None => self.fresh("v"),
            },
        };
        names.insert(id, name.clone());
        name
    }

    fn constant(&mut self, tensor: &Tensor, name: Option<&str>, proto: &mut GraphProto) -> String {
        let name = match name {
            Some(name) => self.reserve(name),
            None => self.fresh("const"),
        };
        proto.initializer.push(write_tensor(&name, tensor));
        name
    }

    /// `wanted`, or that with a number when it is taken.
    fn reserve(&mut self, wanted: &str) -> String {
        if !wanted.is_empty() && self.used.insert(wanted.to_owned()) {
            return wanted.to_owned();
        }
        self.fresh(if wanted.is_empty() { "v" } else { wanted })
    }

    /// `wanted`, or that with a number when another node has it, which some runtimes refuse; an empty name stays empty.
    fn node_name(&mut self, wanted: &str) -> Option<String> {
        if wanted.is_empty() {
            return None;
        }
        let numbered = (2..).map(|number| format!("{wanted}_{number}"));
        let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
        names.find(|name| self.node_names.insert(name.clone()))
    }

    fn fresh(&mut self, stem: &str) -> String {
        loop {
            self.counter += 1;
            let name = format!("{stem}_{}", self.counter);
            if self.used.insert(name.clone()) {
                return name;
            }
        }
    }

    fn refuse(&mut self, node: &Node, why: String) {
        let name = match node.name() {
            "" => node.origin().sources().first().map_or("", |s| &*s.name),
            name => name,
        };
        let op = node.op().schema();
        let at = NodeRef { name: name.to_owned(), op: full_name(op.domain, op.name), opset: self.opset };
        let finding = Diagnostic::error(Code::NotWritable, why).at(at);
        self.problems.push(finding.help("ask for a newer opset, or replace the operator"));
    }
}

fn is_standard(node: &Node) -> bool {
    let facts = node.op().schema();
    !schema::versions(facts.domain, facts.name).is_empty()
}

/// A formula of elementwise operators is what every runtime fuses by itself: a newer opset for its sake would only shut
/// others out. In narrow types its parts would round where the operator does not.
fn is_formula(graph: &Graph, node: &Node) -> bool {
    let is_wide = |&id: &ValueId| matches!(graph.value(id).ty().dtype(), Some(DataType::F32 | DataType::F64));
    node.op().flags().contains(Flags::ELEMENTWISE) && node.outputs().iter().all(is_wide)
}

/// The table above all operators decides what a node of that opset may look like.
fn hold_against_schema(draft: &Draft, wanted: &Schema, graph: &Graph, node: &Node) -> Vec<String> {
    let captures = node.op().subgraphs().first().map_or(0, |(_, g)| g.captures().len());
    let n_formal = node.inputs().len() - captures.min(node.inputs().len());
    let types: Vec<Option<String>> = draft
        .inputs
        .iter()
        .filter(|input| !matches!(input, WriteInput::Node(i) if captures > 0 && *i >= n_formal))
        .map(|input| match input {
            WriteInput::Absent => None,
            WriteInput::Node(i) => Some(
                node.input(*i).and_then(|id| graph.value(id).ty().onnx_type_string()).unwrap_or_default(),
            ),
            WriteInput::Constant(t) => Some(format!("tensor({})", t.dtype().onnx_name())),
        })
        .collect();
    let inputs: Vec<Slot<'_>> = types.iter().map(|ty| slot(ty.as_deref())).collect();
    let output_types: Vec<Option<String>> = node
        .outputs()
        .iter()
        .map(|&id| match graph.value(id).uses().is_empty() {
            true => None,
            false => Some(graph.value(id).ty().onnx_type_string().unwrap_or_default()),
        })
        .collect();
    let mut outputs: Vec<Slot<'_>> = output_types.iter().map(|ty| slot(ty.as_deref())).collect();
    while outputs.len() > 1 && outputs.last() == Some(&Slot::Absent) {
        outputs.pop();
    }
    if let Some(first @ Slot::Absent) = outputs.first_mut() {
        *first = Slot::Untyped;
    }
    let attributes: Vec<_> = draft.attributes.iter().filter_map(|(n, a)| Some((n, kind(a)?))).collect();
    check_node(wanted, &inputs, &outputs, &attributes).iter().map(ToString::to_string).collect()
}

fn slot(ty: Option<&str>) -> Slot<'_> {
    match ty {
        None => Slot::Absent,
        Some("") => Slot::Untyped,
        Some(ty) => Slot::Typed(ty),
    }
}

fn kind(attribute: &Attribute) -> Option<schema::AttributeKind> {
    use AttributeType as T;
    schema_kind(match attribute {
        Attribute::Int(_) => T::Int,
        Attribute::Float(_) => T::Float,
        Attribute::String(_) => T::String,
        Attribute::Ints(_) => T::Ints,
        Attribute::Floats(_) => T::Floats,
        Attribute::Strings(_) => T::Strings,
        Attribute::Tensor(_) => T::Tensor,
        Attribute::Tensors(_) => T::Tensors,
        Attribute::Graph(_) => T::Graph,
        Attribute::Type(_) => T::TypeProto,
    })
}

/// An attribute that the asked version does not have is left out where it says what that version does anyway.
fn drop_unknown_defaults(attributes: &mut Attributes, wanted: &Schema, versions: &[Schema]) {
    let unknown: Vec<String> = attributes
        .iter()
        .filter(|(name, _)| wanted.attribute(name).is_none())
        .filter(|(name, value)| versions.iter().any(|v| v.since > wanted.since && is_default(v, name, value)))
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in unknown {
        attributes.remove(&name);
    }
}

fn is_default(version: &Schema, name: &str, value: &Attribute) -> bool {
    let Some(default) = version.attribute(name).and_then(|a| a.default.as_ref()) else { return false };
    match (default, value) {
        (DefaultValue::Float(a), Attribute::Float(b)) => a == b,
        (DefaultValue::Int(a), Attribute::Int(b)) => a == b,
        (DefaultValue::String(a), Attribute::String(b)) => a == b,
        (DefaultValue::Floats(a), Attribute::Floats(b)) => a == b,
        (DefaultValue::Ints(a), Attribute::Ints(b)) => a == b,
        (DefaultValue::Strings(a), Attribute::Strings(b)) => a == b,
        _ => false,
    }
}

fn graph_name(graph: &Graph) -> String {
    if graph.name().is_empty() { "graph".to_owned() } else { graph.name().to_owned() }
}

fn value_info(name: &str, graph: &Graph, id: ValueId) -> ValueInfoProto {
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: write_type(graph.value(id).ty()),
        ..Default::default()
    }
}

fn identity(input: String, output: String) -> NodeProto {
    NodeProto {
        input: vec![input],
        output: vec![output],
        op_type: Some("Identity".into()),
        ..Default::default()
    }
}
