//! What kind of work an operator does, from what it says about itself: only colours depend on it.

use std::collections::BTreeMap;

use lehr_graph::{AxisRole, Dim, Flags, Graph, NodeId};

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Sums of products: convolutions, matrix products, recurrent layers.
    Multiply,
    /// One element at a time.
    Elementwise,
    /// Sums, maxima and means over axes or windows.
    Reduce,
    /// Moves, renames or measures elements.
    Move,
    /// Chooses or repeats subgraphs.
    Control,
    /// Anything else.
    Other,
    /// Not known to this build.
    Unknown,
}

impl Kind {
    /// All kinds in the order of legends.
    pub const ALL: [Self; 7] = [
        Self::Multiply,
        Self::Elementwise,
        Self::Reduce,
        Self::Move,
        Self::Control,
        Self::Other,
        Self::Unknown,
    ];

    /// The kind of a node.
    pub fn of(graph: &Graph, id: NodeId) -> Self {
        let op = graph.node(id).op();
        let flags = op.flags();
        if flags.contains(Flags::OPAQUE) {
            Self::Unknown
        } else if !op.subgraphs().is_empty() {
            Self::Control
        } else if flags.contains(Flags::DATA_MOVEMENT) || flags.contains(Flags::SHAPE_ONLY) {
            Self::Move
        } else if flags.contains(Flags::ELEMENTWISE) {
            Self::Elementwise
        } else {
            Self::of_computation(graph, id)
        }
    }

    /// Sums of products have two inputs with rows and columns; what scales or weighs a single input has at most vectors
    /// beside it.
    fn of_computation(graph: &Graph, id: NodeId) -> Self {
        let op = graph.node(id).op();
        let signature = graph.signature(id);
        let works = !matches!(op.cost(&signature).macs, Dim::Fixed(0));
        let has_rank_two =
            |&input: &usize| signature.input_shape(input).is_some_and(|shape| shape.rank() >= 2);
        let matrices = (0..signature.inputs.len()).filter(has_rank_two).count();
        if works && matrices >= 2 {
            return Self::Multiply;
        }
        let axes = op.axes(&signature);
        let windows = axes.outputs.iter().flatten().any(|role| matches!(role, AxisRole::Window { .. }));
        if works || windows || !axes.reduced.is_empty() { Self::Reduce } else { Self::Other }
    }

    /// The class that sets its colour.
    pub fn class(self) -> &'static str {
        match self {
            Self::Multiply => "multiply",
            Self::Elementwise => "elementwise",
            Self::Reduce => "reduce",
            Self::Move => "move",
            Self::Control => "control",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }

    /// What legends call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Multiply => "sums of products",
            Self::Elementwise => "element by element",
            Self::Reduce => "reductions and windows",
            Self::Move => "moving and reshaping",
            Self::Control => "control flow",
            Self::Other => "other computation",
            Self::Unknown => "unknown operators",
        }
    }
}

/// The kind of each operator that occurs in a graph or its subgraphs, by its name with domain.
pub fn of_operators(graph: &Graph) -> BTreeMap<String, Kind> {
    let mut kinds = BTreeMap::new();
    collect(graph, &mut kinds);
    kinds
}

fn collect(graph: &Graph, kinds: &mut BTreeMap<String, Kind>) {
    for id in graph.node_ids() {
        let op = graph.node(id).op();
        kinds.entry(op.full_name()).or_insert_with(|| Kind::of(graph, id));
        op.subgraphs().into_iter().for_each(|(_, inner)| collect(inner, kinds));
    }
}
