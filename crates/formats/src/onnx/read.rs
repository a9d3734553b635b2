//! Builds the graph from the messages of a model file. Goes on after every problem, so that one reading reports all.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lehr_graph::diagnostic::{Code, Diagnostic, NodeRef};
use lehr_graph::op::full_name;
use lehr_graph::opaque::Opaque;
use lehr_graph::{
    Attribute, Attributes, Graph, OpError, Origin, ReadCx, ReadValues, SourceNode, SourceRef, ValueId,
    ValueType,
};
use lehr_ops::registry;
use lehr_ops::schema;

use super::attributes::{kind_of, read_attribute};
use super::check::check_against_schema;
use super::external::ExternalFiles;
use super::proto::attribute_proto::AttributeType;
use super::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto};
use super::sort::{free_names, sort_nodes, subgraphs};
use super::tensor::{read_sparse, read_tensor};
use super::types::read_type;

/// Most nodes that one model may have after its functions are expanded.
const MOST_NODES: usize = 1_000_000;

/// Reads the graph of `model`; problems are appended to `diagnostics`.
pub(super) fn read_graph(
    model: &ModelProto,
    files: ExternalFiles,
    diagnostics: &mut Vec<Diagnostic>,
) -> Graph {
    let mut functions = HashMap::new();
    for function in &model.functions {
        functions.insert((domain_of(function.domain()), function.name(), function.overload()), function);
    }
    let mut reader = Reader {
        functions,
        files,
        diagnostics,
        call_stack: Vec::new(),
        nodes_left: MOST_NODES,
        frame: Frame { opsets: opsets(&model.opset_import), attributes: None },
    };
    let empty = GraphProto::default();
    let mut graph = reader.graph(model.graph.as_ref().unwrap_or(&empty), &[]);
    for entry in &model.metadata_props {
        graph.meta_mut().insert(entry.key().to_owned(), entry.value().to_owned());
    }
    graph
}

/// Versions by domain, the default domain under its empty name.
pub(super) fn opsets(imports: &[OperatorSetIdProto]) -> BTreeMap<String, i64> {
    imports.iter().map(|i| (domain_of(i.domain()).to_owned(), i.version())).collect()
}

/// `ai.onnx` is the long name of the default domain.
fn domain_of(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// What the nodes at hand are read under: the model's versions, or those of the function being expanded.
#[derive(Clone)]
struct Frame {
    opsets: BTreeMap<String, i64>,
    /// Values of the attributes of the function being expanded.
    attributes: Option<Arc<HashMap<String, FunctionAttribute>>>,
}

/// An attribute passed to a function: a value, or a graph with the names that the call saw.
#[derive(Clone)]
struct FunctionAttribute(AttributeProto);

/// Values by name. Names of a function body do not see those of the caller.
#[derive(Default)]
struct Scope {
    names: HashMap<String, ValueId>,
}

struct Reader<'m, 'd> {
    functions: HashMap<(&'m str, &'m str, &'m str), &'m FunctionProto>,
    files: ExternalFiles,
    diagnostics: &'d mut Vec<Diagnostic>,
    call_stack: Vec<(&'m str, &'m str, &'m str)>,
    nodes_left: usize,
    frame: Frame,
}

/// A value of the enclosing graph that a subgraph uses.
enum Outer {
    /// Known beforehand: the subgraph gets a copy (of the reference, not of the data).
    Constant(lehr_tensor::Tensor),
    /// Passed at run time.
    Captured(ValueType),
}

impl Reader<'_, '_> {
    /// A graph that sees the given values of the enclosing one.
    fn graph(&mut self, proto: &GraphProto, outer: &[(String, Outer)]) -> Graph {
        let mut graph = Graph::new(proto.name());
        let mut scope = Scope::default();
        for (name, value) in outer {
            let id = match value {
                Outer::Constant(tensor) => graph.add_constant(tensor.clone(), Some(name)),
                Outer::Captured(ty) => graph.add_capture(name.as_str(), ty.clone()),
            };
            scope.names.insert(name.clone(), id);
        }
        self.initializers(proto, &mut graph, &mut scope);
        for input in &proto.input {
            // An input with an initializer is a weight: overriding weights at run time is not part of the signature.
            if graph_defines(&scope, &graph, input.name()) {
                continue;
            }
            let ty = input.r#type.as_ref().map(read_type).unwrap_or_default();
            let id = graph.add_input(input.name(), ty);
            scope.names.insert(input.name().to_owned(), id);
        }
        let declared: HashMap<&str, ValueType> = proto
            .value_info
            .iter()
            .chain(&proto.output)
            .filter_map(|v| Some((v.name(), read_type(v.r#type.as_ref()?))))
            .collect();
        self.nodes(&proto.node, &mut graph, &mut scope, &declared);
        self.outputs(proto, &mut graph, &scope);
        graph
    }

    fn initializers(&mut self, proto: &GraphProto, graph: &mut Graph, scope: &mut Scope) {
        let dense = proto.initializer.iter().map(|t| (t.name(), read_tensor(t, &mut self.files)));
        let mut read: Vec<_> = dense.collect();
        for sparse in &proto.sparse_initializer {
            let name = sparse.values.as_ref().map_or("", |v| v.name());
            read.push((name, read_sparse(sparse, &mut self.files)));
        }
        for (name, tensor) in read {
            match tensor {
                Ok(tensor) => {
                    let id = graph.add_constant(tensor, Some(name));
                    scope.names.insert(name.to_owned(), id);
                }
                Err(problem) => {
                    let code = if problem.starts_with("external data") {
                        Code::ExternalData
                    } else {
                        Code::BadConstant
                    };
                    self.diagnostics.push(Diagnostic::error(code, format!("weight '{name}': {problem}")));
                    // A stand-in, so that its readers are not reported as well.
                    let ty = ValueType::Unknown;
                    let id = graph.add_input(name, ty);
                    scope.names.insert(name.to_owned(), id);
                }
            }
        }
    }

    fn nodes(
        &mut self,
        nodes: &[NodeProto],
        graph: &mut Graph,
        scope: &mut Scope,
        declared: &HashMap<&str, ValueType>,
    ) {
        let order = sort_nodes(nodes);
        for &(index, ref name) in &order.duplicates {
            let message = format!("value '{name}' is produced by more than one node");
            self.problem(Code::DuplicateValue, &nodes[index], message);
        }
        if let Some(&first) = order.cyclic.first() {
            let names: Vec<_> =
                order.cyclic.iter().take(5).map(|&i| format!("'{}'", label(&nodes[i]))).collect();
            let message = format!("{} nodes depend on themselves: {}", order.cyclic.len(), names.join(", "));
            self.problem(Code::Cycle, &nodes[first], message);
        }
        if !order.was_sorted && order.cyclic.is_empty() {
            self.diagnostics
                .push(Diagnostic::warning(Code::Unsorted, "nodes were not in order and have been sorted"));
        }
        for index in order.sorted {
            if self.nodes_left == 0 {
                let message = format!("the model has more than {MOST_NODES} nodes");
                self.diagnostics.push(Diagnostic::error(Code::Limit, message));
                return;
            }
            self.nodes_left -= 1;
            self.node(index, &nodes[index], graph, scope, declared);
        }
    }

    fn node(
        &mut self,
        index: usize,
        proto: &NodeProto,
        graph: &mut Graph,
        scope: &mut Scope,
        declared: &HashMap<&str, ValueType>,
    ) {
        let Some(mut inputs) = self.inputs(proto, scope) else {
            self.bind_unknown(proto, graph, scope, declared);
            return;
        };
        let captures = self.captures(proto, graph, scope);
        inputs.extend(
            captures.iter().filter_map(|(_, id, outer)| matches!(outer, Outer::Captured(_)).then_some(*id)),
        );
        let outer: Vec<_> = captures.into_iter().map(|(name, _, outer)| (name, outer)).collect();

        let result = match self.function_of(proto) {
            Some(function) => self.call(proto, function, inputs.clone(), graph, scope),
            None => self.operator(index, proto, &outer, inputs.clone(), graph),
        };
        match result {
            Ok(values) => self.bind(proto, &values, graph, scope, declared),
            Err(Failure::Reported) => self.bind_unknown(proto, graph, scope, declared),
            Err(Failure::Op(error)) => {
                let code = match error {
                    OpError::Attribute { .. } => Code::BadAttribute,
                    OpError::Unsupported(_) => Code::UnsupportedForm,
                    _ => Code::BadInputs,
                };
                self.problem(code, proto, error.to_string());
                self.bind_unknown(proto, graph, scope, declared);
            }
        }
    }

    fn inputs(&mut self, proto: &NodeProto, scope: &Scope) -> Option<Vec<Option<ValueId>>> {
        let mut inputs = Vec::with_capacity(proto.input.len());
        let mut undefined = Vec::new();
        for name in &proto.input {
            match scope.names.get(name) {
                _ if name.is_empty() => inputs.push(None),
                Some(&id) => inputs.push(Some(id)),
                None => undefined.push(name.as_str()),
            }
        }
        if undefined.is_empty() {
            return Some(inputs);
        }
        let names = undefined.iter().map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
        self.problem(Code::UndefinedValue, proto, format!("reads {names}, which nothing produces"));
        None
    }

    /// Values of this graph that the subgraphs of a node use, in the order of their first use.
    fn captures(
        &mut self,
        proto: &NodeProto,
        graph: &Graph,
        scope: &Scope,
    ) -> Vec<(String, Option<ValueId>, Outer)> {
        let mut captures: Vec<(String, Option<ValueId>, Outer)> = Vec::new();
        for name in subgraphs(proto).flat_map(free_names) {
            if captures.iter().any(|(n, _, _)| *n == name) {
                continue;
            }
            // A name that is not here either is reported where it is used.
            let Some(&id) = scope.names.get(&name) else { continue };
            let outer = match graph.constant(id) {
                Some(tensor) => Outer::Constant(tensor.clone()),
                None => Outer::Captured(graph.value(id).ty().clone()),
            };
            captures.push((name, Some(id), outer));
        }
        captures
    }

    fn operator(
        &mut self,
        index: usize,
        proto: &NodeProto,
        outer: &[(String, Outer)],
        inputs: Vec<Option<ValueId>>,
        graph: &mut Graph,
    ) -> Result<ReadValues, Failure> {
        let domain = domain_of(proto.domain());
        let opset = self.opset_of(proto);
        let source = SourceNode {
            name: proto.name().to_owned(),
            op_type: proto.op_type().to_owned(),
            domain: domain.to_owned(),
            opset,
            attributes: self.attributes(proto, outer)?,
            n_outputs: proto.output.len(),
            index,
        };
        let origin = Origin::from_source(SourceRef {
            name: label(proto).into(),
            op_type: proto.op_type().into(),
            index,
        });
        let Some(registration) = registry::find(domain, proto.op_type()) else {
            self.unknown_operator(proto, domain, opset);
            let mut cx = ReadCx::new(graph, &source, inputs, origin);
            return Ok((Opaque::SCHEMA.read)(&mut cx)?);
        };
        let oldest = schema::versions(domain, proto.op_type()).first();
        if let Some(oldest) = oldest.filter(|oldest| oldest.since > opset) {
            let message = format!("exists since opset {} only; it is read in that form", oldest.since);
            let warning = Diagnostic::warning(Code::UnsupportedForm, message);
            self.diagnostics.push(warning.at(self.node_ref(proto)));
        }
        for problem in check_against_schema(&source, graph, &inputs, proto) {
            self.diagnostics.push(problem.at(self.node_ref(proto)));
        }
        let mut cx = ReadCx::new(graph, &source, inputs, origin);
        Ok((registration.schema.read)(&mut cx)?)
    }

    fn unknown_operator(&mut self, proto: &NodeProto, domain: &str, opset: i64) {
        let name = full_name(domain, proto.op_type());
        let finding = Diagnostic::error(Code::UnknownOperator, format!("operator {name} is not known"));
        let help = match schema::versions(domain, proto.op_type()).is_empty() {
            true => "replace the operator when exporting the model, or express it as a model-local function"
                .to_owned(),
            false => format!("the operator exists in the standard, but this build lacks it (opset {opset})"),
        };
        self.diagnostics.push(finding.at(self.node_ref(proto)).help(help));
    }

    fn attributes(&mut self, proto: &NodeProto, outer: &[(String, Outer)]) -> Result<Attributes, Failure> {
        let mut attributes = Attributes::new();
        let mut failed = false;
        for attribute in &proto.attribute {
            let name = attribute.name();
            let resolved = match attribute.ref_attr_name() {
                "" => Some(attribute.clone()),
                reference => self.function_attribute(reference),
            };
            // A reference to an attribute that the call left out leaves the attribute out.
            let Some(resolved) = resolved else { continue };
            let value = match (kind_of(&resolved), &resolved.g) {
                (Some(AttributeType::Graph), Some(g)) => Ok(Attribute::Graph(Arc::new(self.graph(g, outer)))),
                _ => read_attribute(&resolved, &mut self.files),
            };
            match value {
                Ok(value) => attributes.set(name, value),
                Err(problem) => {
                    failed = true;
                    self.problem(Code::BadAttribute, proto, format!("attribute '{name}': {problem}"));
                }
            }
        }
        if failed { Err(Failure::Reported) } else { Ok(attributes) }
    }

    fn function_attribute(&self, name: &str) -> Option<AttributeProto> {
        Some(self.frame.attributes.as_ref()?.get(name)?.0.clone())
    }

    fn opset_of(&self, proto: &NodeProto) -> i64 {
        let domain = domain_of(proto.domain());
        // Domains that are used but not imported occur in the wild; version 1 is what their writers mean.
        self.frame.opsets.get(domain).copied().unwrap_or(1)
    }

    fn bind(
        &mut self,
        proto: &NodeProto,
        values: &[ValueId],
        graph: &mut Graph,
        scope: &mut Scope,
        declared: &HashMap<&str, ValueType>,
    ) {
        for (index, name) in proto.output.iter().enumerate().filter(|(_, n)| !n.is_empty()) {
            let Some(&id) = values.get(index) else {
                self.problem(
                    Code::UnsupportedForm,
                    proto,
                    format!("output {index} ('{name}') is not supported"),
                );
                self.bind_one_unknown(name, graph, scope, declared);
                continue;
            };
            self.hint(proto, name, id, graph, declared);
            if graph.value(id).name().is_none() {
                graph.set_value_name(id, Some(name));
            }
            scope.names.insert(name.clone(), id);
        }
    }

    /// Holds the declared type against the inferred one; what inference does not know at all, the declaration gives.
    fn hint(
        &mut self,
        proto: &NodeProto,
        name: &str,
        id: ValueId,
        graph: &mut Graph,
        declared: &HashMap<&str, ValueType>,
    ) {
        let Some(hint) = declared.get(name) else { return };
        let inferred = graph.value(id).ty().clone();
        if inferred == ValueType::Unknown {
            graph.set_type(id, hint.clone());
        } else if let Err(problem) = inferred.refine(hint) {
            let message = format!("value '{name}' is declared as {hint}, but is {inferred} ({problem})");
            let warning = Diagnostic::warning(Code::DeclaredTypeIgnored, message);
            self.diagnostics.push(warning.at(self.node_ref(proto)));
        }
    }

    /// Stands in for the outputs of a node that could not be read.
    fn bind_unknown(
        &mut self,
        proto: &NodeProto,
        graph: &mut Graph,
        scope: &mut Scope,
        declared: &HashMap<&str, ValueType>,
    ) {
        for name in proto.output.iter().filter(|n| !n.is_empty()) {
            self.bind_one_unknown(name, graph, scope, declared);
        }
    }

    fn bind_one_unknown(
        &mut self,
        name: &str,
        graph: &mut Graph,
        scope: &mut Scope,
        declared: &HashMap<&str, ValueType>,
    ) {
        let ty = declared.get(name).cloned().unwrap_or_default();
        let op = Opaque::new("lehr".into(), "Unread".into(), Attributes::new());
        let node = graph.add_node_with_types(Arc::new(op), Vec::new(), vec![ty], "", Origin::default());
        let id = graph.node(node).outputs()[0];
        graph.set_value_name(id, Some(name));
        scope.names.insert(name.to_owned(), id);
    }

    fn outputs(&mut self, proto: &GraphProto, graph: &mut Graph, scope: &Scope) {
        let (mut values, mut names) = (Vec::new(), Vec::new());
        for output in &proto.output {
            match scope.names.get(output.name()) {
                Some(&id) => {
                    values.push(id);
                    names.push(Arc::from(output.name()));
                }
                None => {
                    let message =
                        format!("graph '{}': output '{}' is not produced", proto.name(), output.name());
                    self.diagnostics.push(Diagnostic::error(Code::UndefinedValue, message));
                }
            }
        }
        graph.set_named_outputs(values, names);
    }

    fn problem(&mut self, code: Code, proto: &NodeProto, message: impl Into<String>) {
        let finding = Diagnostic::error(code, message).at(self.node_ref(proto));
        self.diagnostics.push(finding);
    }

    fn node_ref(&self, proto: &NodeProto) -> NodeRef {
        NodeRef {
            name: label(proto).to_owned(),
            op: full_name(domain_of(proto.domain()), proto.op_type()),
            opset: self.opset_of(proto),
        }
    }
}

impl<'m> Reader<'m, '_> {
    fn function_of(&self, proto: &NodeProto) -> Option<&'m FunctionProto> {
        self.functions.get(&(domain_of(proto.domain()), proto.op_type(), proto.overload())).copied()
    }

    /// Expands a call of a model-local function in place.
    fn call(
        &mut self,
        proto: &NodeProto,
        function: &'m FunctionProto,
        inputs: Vec<Option<ValueId>>,
        graph: &mut Graph,
        caller: &Scope,
    ) -> Result<ReadValues, Failure> {
        let key = (domain_of(function.domain()), function.name(), function.overload());
        if self.call_stack.contains(&key) {
            let message = format!("function '{}' calls itself", function.name());
            self.problem(Code::RecursiveFunction, proto, message);
            return Err(Failure::Reported);
        }
        if function.input.len() < proto.input.len() {
            let message = format!(
                "function '{}' takes {} inputs, got {}",
                function.name(),
                function.input.len(),
                proto.input.len()
            );
            self.problem(Code::BadInputs, proto, message);
            return Err(Failure::Reported);
        }
        let mut scope = Scope::default();
        for (name, value) in function.input.iter().zip(inputs) {
            if let Some(value) = value {
                scope.names.insert(name.clone(), value);
            }
        }
        // Graph attributes of a call see the caller's names; functions that take graphs are read with those in sight.
        if subgraphs(proto).next().is_some() {
            for (name, &id) in &caller.names {
                scope.names.entry(name.clone()).or_insert(id);
            }
        }
        let frame = self.function_frame(proto, function);
        let caller_frame = std::mem::replace(&mut self.frame, frame);
        self.call_stack.push(key);
        // Inputs that the call leaves out read as absent.
        let body = without_absent_inputs(function, &scope);
        let before = self.diagnostics.len();
        self.nodes(&body, graph, &mut scope, &HashMap::new());
        self.call_stack.pop();
        self.frame = caller_frame;
        let mut values = Vec::with_capacity(function.output.len());
        for name in function.output.iter().take(proto.output.len()) {
            let Some(&id) = scope.names.get(name) else {
                if self.diagnostics.len() == before {
                    let message =
                        format!("function '{}' does not produce its output '{name}'", function.name());
                    self.problem(Code::UndefinedValue, proto, message);
                }
                return Err(Failure::Reported);
            };
            if graph.value(id).name() == Some(name) {
                graph.set_value_name(id, None);
            }
            values.push(id);
        }
        Ok(values)
    }

    fn function_frame(&self, proto: &NodeProto, function: &FunctionProto) -> Frame {
        let mut attributes = HashMap::new();
        for default in &function.attribute_proto {
            attributes.insert(default.name().to_owned(), FunctionAttribute(default.clone()));
        }
        for given in &proto.attribute {
            let value = match given.ref_attr_name() {
                "" => Some(given.clone()),
                reference => self.function_attribute(reference),
            };
            if let Some(value) = value {
                attributes.insert(given.name().to_owned(), FunctionAttribute(value));
            }
        }
        let mut versions = self.frame.opsets.clone();
        versions.extend(opsets(&function.opset_import));
        Frame { opsets: versions, attributes: Some(Arc::new(attributes)) }
    }
}

/// The body of a function in which formal inputs without a value are left out as absent inputs are.
fn without_absent_inputs(function: &FunctionProto, scope: &Scope) -> Vec<NodeProto> {
    let absent: Vec<&str> =
        function.input.iter().map(String::as_str).filter(|n| !scope.names.contains_key(*n)).collect();
    let mut nodes = function.node.clone();
    if absent.is_empty() {
        return nodes;
    }
    for name in nodes.iter_mut().flat_map(|n| n.input.iter_mut()) {
        if absent.contains(&name.as_str()) {
            name.clear();
        }
    }
    nodes
}

fn graph_defines(scope: &Scope, graph: &Graph, name: &str) -> bool {
    scope
        .names
        .get(name)
        .is_some_and(|&id| graph.constant(id).is_some() && graph.value(id).name() == Some(name))
}

/// The node's name, or that of its first output when it has none.
fn label(proto: &NodeProto) -> &str {
    match proto.name() {
        "" => proto.output.iter().find(|o| !o.is_empty()).map_or("", String::as_str),
        name => name,
    }
}

/// Why a node could not be read.
enum Failure {
    /// Not reported yet.
    Op(OpError),
    /// Already among the diagnostics.
    Reported,
}

impl From<OpError> for Failure {
    fn from(error: OpError) -> Self {
        Self::Op(error)
    }
}
