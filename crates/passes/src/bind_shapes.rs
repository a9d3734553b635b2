//! Gives inputs and symbols of a graph their sizes before it is optimised: what is known can be folded.

use std::sync::Arc;

use lehr_graph::dim::{Assignment, ShapeMismatch, Symbol, unify_shapes};
use lehr_graph::verify::{MAX_NESTING, describe_node};
use lehr_graph::{Dim, Graph, NodeId, OpError, Shape, ValueId, ValueType};

/// Sizes to bind; what is not named stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings {
    /// Sizes by name: all sizes of an input, or the size of a symbol.
    pub named: Vec<(String, Vec<u64>)>,
    /// Size of the first axis of every input where it is symbolic or unknown.
    pub batch: Option<u64>,
}

impl Bindings {
    /// Whether nothing is bound.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.batch.is_none()
    }
}

/// Why sizes can not be bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A name that is neither that of an input nor that of a symbol.
    #[error("no input{} is named '{name}', expected one of: {}", if *is_size { " or symbolic size" } else { "" }, known.join(", "))]
    UnknownName {
        /// The name given.
        name: String,
        /// Whether a single size was given, which a symbol may have.
        is_size: bool,
        /// The names there are.
        known: Vec<String>,
    },
    /// An input that has no shape.
    #[error("input '{input}': expected a tensor, got {got}")]
    NoTensor {
        /// The input.
        input: String,
        /// Its type.
        got: String,
    },
    /// Sizes contradict those that are declared, or each other.
    #[error("input '{input}': expected {expected}, got {got}: {problem}")]
    Contradiction {
        /// The input.
        input: String,
        /// The declared shape.
        expected: String,
        /// The shape given.
        got: String,
        /// What contradicts.
        problem: String,
    },
    /// A batch size where no input leaves it open.
    #[error("no input has a symbolic first dimension to bind to {batch}, got: {}", inputs.join(", "))]
    NoBatch {
        /// The size given.
        batch: u64,
        /// The inputs with their types.
        inputs: Vec<String>,
    },
    /// No node can have such inputs.
    #[error("with the shapes given, {node} is not valid: {source}")]
    Invalid {
        /// The node.
        node: String,
        /// Why not.
        source: OpError,
    },
}

/// An input and the sizes it is to have: of all axes or, for a batch size, of the first.
struct Given {
    input: ValueId,
    declared: Shape,
    sizes: Vec<usize>,
}

/// Binds sizes and infers all types again; symbols that inputs share get the same size everywhere.
///
/// # Errors
/// [`BindError`]; the graph is unchanged then.
pub fn bind_shapes(graph: &mut Graph, bindings: &Bindings) -> Result<(), BindError> {
    if bindings.is_empty() {
        return Ok(());
    }
    let (mut given, mut symbols) = resolve_names(graph, &bindings.named)?;
    if let Some(batch) = bindings.batch {
        given.extend(batches(graph, batch)?);
    }
    let pairs: Vec<_> = given.iter().map(|given| (&given.declared, given.sizes.as_slice())).collect();
    if let Err((index, mismatch)) = unify_shapes(&pairs, &mut symbols) {
        return Err(contradiction(graph, given.get(index), &mismatch));
    }
    let mut bound = graph.clone();
    resolve_symbols(&mut bound, &symbols, 0);
    for given in &given {
        fix(&mut bound, given)?;
    }
    bound.infer_types().map_err(|(id, source)| invalid(&bound, id, source))?;
    *graph = bound;
    Ok(())
}

fn resolve_names(graph: &Graph, named: &[(String, Vec<u64>)]) -> Result<(Vec<Given>, Assignment), BindError> {
    let known_symbols: Vec<Symbol> = graph
        .inputs()
        .iter()
        .filter_map(|&id| graph.value(id).ty().shape())
        .flat_map(Shape::symbols)
        .collect();
    let (mut given, mut symbols) = (Vec::new(), Assignment::new());
    for (name, sizes) in named {
        let input = graph.inputs().iter().copied().find(|&id| graph.value(id).name() == Some(name));
        let symbol = known_symbols.iter().find(|symbol| symbol.name() == name);
        match (input, symbol, sizes.as_slice()) {
            (Some(input), _, sizes) => given.push(whole(graph, input, sizes)?),
            (None, Some(symbol), &[size]) => drop(symbols.insert(symbol.clone(), size)),
            _ => {
                let inputs = graph.inputs().iter().map(|&id| name_of(graph, id));
                let is_size = sizes.len() == 1;
                let names = known_symbols.iter().filter(|_| is_size).map(|symbol| symbol.name().to_owned());
                let mut known: Vec<_> = inputs.chain(names).collect();
                known.dedup();
                return Err(BindError::UnknownName { name: name.clone(), is_size, known });
            }
        }
    }
    Ok((given, symbols))
}

fn whole(graph: &Graph, input: ValueId, sizes: &[u64]) -> Result<Given, BindError> {
    let ValueType::Tensor(ty) = graph.value(input).ty() else {
        let got = graph.value(input).ty().to_string();
        return Err(BindError::NoTensor { input: name_of(graph, input), got });
    };
    let declared = ty.shape.clone().unwrap_or_else(|| Shape::unknown(sizes.len()));
    let sizes = sizes.iter().map(|&size| usize::try_from(size).unwrap_or(usize::MAX)).collect();
    Ok(Given { input, declared, sizes })
}

fn batches(graph: &Graph, batch: u64) -> Result<Vec<Given>, BindError> {
    let first = |&input: &ValueId| match graph.value(input).ty().shape()?.get(0)? {
        Dim::Fixed(_) => None,
        open => {
            let sizes = vec![usize::try_from(batch).unwrap_or(usize::MAX)];
            Some(Given { input, declared: std::iter::once(open.clone()).collect(), sizes })
        }
    };
    let given: Vec<_> = graph.inputs().iter().filter_map(first).collect();
    if given.is_empty() {
        let input = |&id: &ValueId| format!("{}: {}", name_of(graph, id), graph.value(id).ty());
        return Err(BindError::NoBatch { batch, inputs: graph.inputs().iter().map(input).collect() });
    }
    Ok(given)
}

/// Gives the axes of an input their sizes where that did not follow from symbols.
fn fix(graph: &mut Graph, given: &Given) -> Result<(), BindError> {
    let ValueType::Tensor(mut ty) = graph.value(given.input).ty().clone() else { return Ok(()) };
    let mut shape = ty.shape.take().unwrap_or_else(|| Shape::unknown(given.sizes.len()));
    for (axis, (dim, &size)) in shape.dims_mut().iter_mut().zip(&given.sizes).enumerate() {
        let size = Dim::Fixed(u64::try_from(size).unwrap_or(u64::MAX));
        if dim.equal(&size) == Some(false) {
            let problem = format!("axis {axis} is {dim} already");
            return Err(contradicting(graph, given, problem));
        }
        *dim = size;
    }
    ty.shape = Some(shape);
    graph.set_type(given.input, ValueType::Tensor(ty));
    Ok(())
}

/// Puts sizes in place of symbols everywhere; contents that depended on them are inferred again.
fn resolve_symbols(graph: &mut Graph, symbols: &Assignment, depth: usize) {
    if symbols.is_empty() || depth > MAX_NESTING {
        return;
    }
    for id in graph.value_ids() {
        let ty = resolved(graph.value(id).ty(), symbols);
        if ty != *graph.value(id).ty() {
            graph.set_type(id, ty);
        }
    }
    for id in graph.topological_order() {
        let op = graph.node(id).op();
        let inner: Vec<_> = op.subgraphs().into_iter().map(|(_, inner)| Graph::clone(inner)).collect();
        if inner.is_empty() {
            continue;
        }
        let inner = inner.into_iter().map(|mut inner| {
            resolve_symbols(&mut inner, symbols, depth + 1);
            Arc::new(inner)
        });
        if let Some(op) = op.with_subgraphs(inner.collect()) {
            graph.set_op(id, op);
        }
    }
}

fn resolved(ty: &ValueType, symbols: &Assignment) -> ValueType {
    match ty {
        ValueType::Tensor(ty) => {
            let mut ty = ty.clone();
            ty.shape = ty.shape.map(|shape| shape.resolve(symbols));
            ty.known = ty.known.filter(|known| known.as_constants().is_some());
            ValueType::Tensor(ty)
        }
        ValueType::Sequence(item) => ValueType::Sequence(Box::new(resolved(item, symbols))),
        ValueType::Optional(item) => ValueType::Optional(Box::new(resolved(item, symbols))),
        ValueType::Unknown | ValueType::Map { .. } => ty.clone(),
    }
}

fn contradiction(graph: &Graph, given: Option<&Given>, mismatch: &ShapeMismatch) -> BindError {
    match given {
        Some(given) => contradicting(graph, given, mismatch.to_string()),
        None => BindError::Contradiction {
            input: String::new(),
            expected: String::new(),
            got: String::new(),
            problem: mismatch.to_string(),
        },
    }
}

fn contradicting(graph: &Graph, given: &Given, problem: String) -> BindError {
    let got: Shape = given.sizes.iter().map(|&size| Dim::Fixed(size as u64)).collect();
    BindError::Contradiction {
        input: name_of(graph, given.input),
        expected: given.declared.to_string(),
        got: got.to_string(),
        problem,
    }
}

fn invalid(graph: &Graph, node: NodeId, source: OpError) -> BindError {
    BindError::Invalid { node: describe_node(graph, node), source }
}

fn name_of(graph: &Graph, id: ValueId) -> String {
    graph.value(id).name().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{graph, text};

    const TWO: &str = "graph { input %x: f32[N,C,4] input %y: f32[N,4] input %flag: bool[]
        %s = Shape(%x) %r = Reshape(%x, %s) %z = ReduceSum(%r)
        %i = If(%flag, %y) {
            then_branch = graph \"t\" { capture %y: f32[N,4] %a = Abs(%y) output %a },
            else_branch = graph \"e\" { capture %y: f32[N,4] %b = Neg(%y) output %b }}
        output %z output %r output %i }";

    fn named(name: &str, sizes: &[u64]) -> Bindings {
        Bindings { named: vec![(name.into(), sizes.to_vec())], batch: None }
    }

    #[test]
    fn a_symbol_gets_its_size_everywhere() {
        for bindings in [
            named("x", &[2, 3, 4]),
            Bindings { named: vec![("N".into(), vec![2]), ("C".into(), vec![3])], batch: None },
            Bindings { named: vec![("C".into(), vec![3])], batch: Some(2) },
        ] {
            let mut bound = graph(TWO);
            bind_shapes(&mut bound, &bindings).unwrap();
            let text = text(&bound);
            for part in
                ["%x: f32[2,3,4]", "%y: f32[2,4]", "i64[3]{2,3,4}", "capture %y: f32[2,4]", "%r: f32[2,3,4]"]
            {
                assert!(text.contains(part), "{part} in {text}");
            }
            assert!(!text.contains("[N"), "{text}");
        }
    }

    #[test]
    fn other_symbols_stay() {
        let mut bound = graph(TWO);
        bind_shapes(&mut bound, &Bindings { batch: Some(5), ..Bindings::default() }).unwrap();
        assert!(text(&bound).contains("%r: f32[5,C,4]"), "{}", text(&bound));
        let mut open = graph("graph { input %x: f32[?,3] %y = Relu(%x) output %y }");
        bind_shapes(&mut open, &Bindings { batch: Some(5), ..Bindings::default() }).unwrap();
        assert!(text(&open).contains("%y: f32[5,3]"), "{}", text(&open));
    }

    #[test]
    fn contradictions_name_input_expected_and_got() {
        let both =
            Bindings { named: vec![("x".into(), vec![2, 3, 4]), ("y".into(), vec![3, 4])], batch: None };
        let batch = Bindings { batch: Some(2), ..named("y", &[1, 4]) };
        for (bindings, expected) in [
            (named("x", &[2, 3]), "input 'x': expected [N,C,4], got [2,3]: rank is 2, expected 3"),
            (named("x", &[2, 3, 5]), "input 'x': expected [N,C,4], got [2,3,5]: axis 2"),
            (both, "input 'y': expected [N,4], got [3,4]: axis 0"),
            (batch, "input 'x': expected [N], got [2]: axis 0"),
            (named("q", &[1]), "no input or symbolic size is named 'q', expected one of: x, y, flag, C, N"),
            (named("q", &[1, 2]), "no input is named 'q', expected one of: x, y, flag"),
        ] {
            let mut unbound = graph(TWO);
            let error = bind_shapes(&mut unbound, &bindings).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert_eq!(text(&unbound), text(&graph(TWO)));
        }
        let mut fixed = graph("graph { input %x: f32[1,3] %y = Relu(%x) output %y }");
        let error = bind_shapes(&mut fixed, &Bindings { batch: Some(2), ..Bindings::default() }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no input has a symbolic first dimension to bind to 2, got: x: f32[1,3]"
        );
        let mut bad = graph("graph { input %x: f32[N,3] input %y: f32[M,3] %z = Add(%x, %y) output %z }");
        let sizes = Bindings { named: vec![("N".into(), vec![2]), ("M".into(), vec![3])], batch: None };
        let error = bind_shapes(&mut bad, &sizes).unwrap_err().to_string();
        assert!(error.starts_with("with the shapes given, ") && error.contains("Add"), "{error}");
    }
}
