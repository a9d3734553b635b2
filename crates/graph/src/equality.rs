//! Structural equality of graphs.

use std::collections::HashMap;

use crate::graph::{Def, Graph, Node};
use crate::ids::ValueId;

/// Whether both graphs have the same interface and the same nodes in the same order, wired the same.
pub(crate) fn same_graph(a: &Graph, b: &Graph) -> bool {
    if a.name() != b.name() || a.meta() != b.meta() {
        return false;
    }
    let (order_a, order_b) = (a.topological_order(), b.topological_order());
    if order_a.len() != order_b.len() || a.n_nodes() != b.n_nodes() {
        return false;
    }
    let mut matched = Matched { a, b, pairs: HashMap::new() };
    matched.all(a.inputs(), b.inputs())
        && matched.all(a.captures(), b.captures())
        && order_a.iter().zip(&order_b).all(|(&x, &y)| matched.nodes(a.node(x), b.node(y)))
        && matched.all(a.outputs(), b.outputs())
        && (0..a.outputs().len()).all(|i| a.output_name(i) == b.output_name(i))
}

struct Matched<'a> {
    a: &'a Graph,
    b: &'a Graph,
    pairs: HashMap<ValueId, ValueId>,
}

impl Matched<'_> {
    fn all(&mut self, xs: &[ValueId], ys: &[ValueId]) -> bool {
        xs.len() == ys.len() && xs.iter().zip(ys).all(|(&x, &y)| self.values(x, y))
    }

    fn values(&mut self, x: ValueId, y: ValueId) -> bool {
        if let Some(known) = self.pairs.get(&x) {
            return *known == y;
        }
        let (vx, vy) = (self.a.value(x), self.b.value(y));
        let same_def = match (vx.def(), vy.def()) {
            (Def::Constant(s), Def::Constant(t)) => s == t,
            (s, t) => std::mem::discriminant(s) == std::mem::discriminant(t),
        };
        if !same_def || vx.ty() != vy.ty() || vx.name() != vy.name() {
            return false;
        }
        self.pairs.insert(x, y);
        true
    }

    fn nodes(&mut self, x: &Node, y: &Node) -> bool {
        let same_inputs = x.inputs().len() == y.inputs().len()
            && x.inputs().iter().zip(y.inputs()).all(|pair| match pair {
                (Some(s), Some(t)) => self.values(*s, *t),
                (None, None) => true,
                _ => false,
            });
        same_inputs
            && x.name() == y.name()
            && x.origin() == y.origin()
            && x.op().same(y.op())
            && self.all(x.outputs(), y.outputs())
    }
}
