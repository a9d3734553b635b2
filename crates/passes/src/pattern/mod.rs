//! Patterns of values, as formulas: `x * (scalar(1.0) + op::<Erf>([x / constant("d")]))`.
//!
//! A pattern is matched from a value backwards. Operators that promise to be commutative match in both orders, and
//! chains of Add or Mul in every order and bracketing: one pattern covers all spellings of a formula. Numbers match
//! within the precision of the element type. Whether what lies inside a match is read elsewhere is checked here, once
//! for all rewrites.

mod solve;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use lehr_graph::{NodeId, Op, ValueId};
use lehr_ops::{add::Add, div::Div, mul::Mul, neg::Neg, sub::Sub};

pub use solve::uniform_number;

type OpTest = Arc<dyn Fn(&dyn Op) -> bool + Send + Sync>;

/// A pattern of one value.
#[derive(Clone)]
pub struct Pattern {
    kind: Kind,
    name: Option<&'static str>,
    shared: bool,
}

#[derive(Clone)]
enum Kind {
    /// Any value.
    Any,
    /// A constant.
    Constant,
    /// A constant whose elements are all the same number; that one, if given.
    Uniform(Option<f64>),
    /// Output `slot` of a node.
    Node { test: OpTest, inputs: Inputs, slot: usize },
    /// Operands of one associative and commutative operator, in any order and bracketing.
    Chain { test: OpTest, terms: Arc<[Pattern]> },
    /// The first that matches.
    Either(Arc<[Pattern]>),
}

#[derive(Clone)]
enum Inputs {
    /// Whatever they are.
    Unseen,
    /// These, then whatever else.
    Leading(Arc<[Pattern]>),
    /// These and no more; in any order when the operator is commutative and has two.
    Exactly(Arc<[Pattern]>),
}

impl Pattern {
    fn new(kind: Kind) -> Self {
        Self { kind, name: None, shared: false }
    }

    /// Binds the value to a name; where the name occurs again, the value must be the same one.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// The value may have other readers: it is computed for them anyway.
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Another output than the first.
    pub fn output(mut self, index: usize) -> Self {
        if let Kind::Node { slot, .. } = &mut self.kind {
            *slot = index;
        }
        self
    }

    /// The node may have further inputs than those given.
    pub fn and_more(mut self) -> Self {
        if let Kind::Node { inputs, .. } = &mut self.kind
            && let Inputs::Exactly(given) = inputs
        {
            *inputs = Inputs::Leading(given.clone());
        }
        self
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.unwrap_or("pattern"))
    }
}

/// Any value, bound to `name`.
pub fn any(name: &'static str) -> Pattern {
    Pattern::new(Kind::Any).named(name)
}

/// A constant, bound to `name`.
pub fn constant(name: &'static str) -> Pattern {
    Pattern::new(Kind::Constant).named(name)
}

/// A constant of any shape whose elements are all `number`, within the precision of its type.
pub fn scalar(number: f64) -> Pattern {
    Pattern::new(Kind::Uniform(Some(number)))
}

/// A constant of any shape whose elements are all the same, bound to `name`.
pub fn uniform(name: &'static str) -> Pattern {
    Pattern::new(Kind::Uniform(None)).named(name)
}

/// First output of an operator `T` on these inputs and no others.
pub fn op<T: Op>(inputs: impl IntoIterator<Item = Pattern>) -> Pattern {
    matching(|op| op.is::<T>(), inputs)
}

/// The same, where the attributes pass a test.
pub fn op_if<T: Op>(
    test: impl Fn(&T) -> bool + Send + Sync + 'static,
    inputs: impl IntoIterator<Item = Pattern>,
) -> Pattern {
    matching(move |op| op.downcast_ref::<T>().is_some_and(&test), inputs)
}

/// First output of an operator that passes a test on these inputs and no others.
pub fn matching(
    test: impl Fn(&dyn Op) -> bool + Send + Sync + 'static,
    inputs: impl IntoIterator<Item = Pattern>,
) -> Pattern {
    let inputs = Inputs::Exactly(inputs.into_iter().collect());
    Pattern::new(Kind::Node { test: Arc::new(test), inputs, slot: 0 })
}

/// A node that passes a test, whatever its inputs are.
pub fn node(test: impl Fn(&dyn Op) -> bool + Send + Sync + 'static) -> Pattern {
    Pattern::new(Kind::Node { test: Arc::new(test), inputs: Inputs::Unseen, slot: 0 })
}

/// A node with operator `T`, whatever its inputs are.
pub fn node_of<T: Op>() -> Pattern {
    node(|op| op.is::<T>())
}

/// The operands of one Add chain, in any order and bracketing.
pub fn sum(terms: impl IntoIterator<Item = Pattern>) -> Pattern {
    chain(|op| op.is::<Add>(), terms)
}

/// The operands of one Mul chain, in any order and bracketing.
pub fn product(terms: impl IntoIterator<Item = Pattern>) -> Pattern {
    chain(|op| op.is::<Mul>(), terms)
}

fn chain(
    test: impl Fn(&dyn Op) -> bool + Send + Sync + 'static,
    terms: impl IntoIterator<Item = Pattern>,
) -> Pattern {
    Pattern::new(Kind::Chain { test: Arc::new(test), terms: terms.into_iter().collect() })
}

/// The first of these that matches.
pub fn either(patterns: impl IntoIterator<Item = Pattern>) -> Pattern {
    Pattern::new(Kind::Either(patterns.into_iter().collect()))
}

impl std::ops::Add for Pattern {
    type Output = Pattern;
    fn add(self, other: Pattern) -> Pattern {
        sum([self, other])
    }
}

impl std::ops::Mul for Pattern {
    type Output = Pattern;
    fn mul(self, other: Pattern) -> Pattern {
        product([self, other])
    }
}

impl std::ops::Sub for Pattern {
    type Output = Pattern;
    fn sub(self, other: Pattern) -> Pattern {
        op::<Sub>([self, other])
    }
}

impl std::ops::Div for Pattern {
    type Output = Pattern;
    fn div(self, other: Pattern) -> Pattern {
        op::<Div>([self, other])
    }
}

impl std::ops::Neg for Pattern {
    type Output = Pattern;
    fn neg(self) -> Pattern {
        op::<Neg>([self])
    }
}

/// A match: the root, what the names are bound to, and the nodes inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    root: NodeId,
    bound: Vec<(&'static str, ValueId)>,
    /// Nodes with whether they may be read from outside; the root is the first.
    nodes: Vec<(NodeId, bool)>,
}

impl Match {
    /// The node whose output was matched.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// The value that `name` is bound to.
    ///
    /// # Panics
    /// When the pattern has no such name, or only in an alternative that was not taken.
    #[track_caller]
    pub fn value(&self, name: &str) -> ValueId {
        self.get(name).unwrap_or_else(|| panic!("the pattern binds no '{name}'"))
    }

    /// The value that `name` is bound to, if the matched alternative has that name.
    pub fn get(&self, name: &str) -> Option<ValueId> {
        self.bound.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
    }

    /// All nodes of the match, the root first.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.iter().map(|(id, _)| *id)
    }
}
