//! The pass trait, its context and its errors.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use lehr_graph::patch::{Committed, PatchError};
use lehr_graph::verify::{VerifyError, describe_node, describe_value};
use lehr_graph::{Graph, NodeId, Patch, PatchValue, ValueId};

use crate::check::CheckError;
use crate::cost_model::CostModel;
use crate::rewrite::Reject;

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OptLevel {
    /// Nothing.
    O0,
    /// Clean-up that keeps every result bit for bit.
    O1,
    /// What also pays at run time; float results may differ by rounding.
    O2,
    /// What also trades load time or memory for speed.
    O3,
}

impl OptLevel {
    /// All levels, lowest first.
    pub const ALL: [OptLevel; 4] = [Self::O0, Self::O1, Self::O2, Self::O3];

    /// `O2`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::O0 => "O0",
            Self::O1 => "O1",
            Self::O2 => "O2",
            Self::O3 => "O3",
        }
    }
}

impl fmt::Display for OptLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for OptLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| format!("expected one of O0, O1, O2, O3, got '{text}'"))
    }
}

/// How far float results may move when what the model is fed is finite. Only bit-exact passes promise anything for
/// infinities among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exactness {
    /// Every bit stays.
    BitExact,
    /// Single operations become others that are equal but for rounding (`x / 3` and `x · 0.333…`), or are left out.
    Rounding,
    /// Sums and products are taken in another order, or constants are multiplied together beforehand; relative error is
    /// that of the length of the longest sum.
    Reassociation,
}

impl Exactness {
    /// As it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BitExact => "bit-exact",
            Self::Rounding => "rounding",
            Self::Reassociation => "reassociation",
        }
    }
}

/// The fixed facts of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassInfo {
    /// Name: that of its file.
    pub name: &'static str,
    /// One sentence on what it does.
    pub doc: &'static str,
    /// Lowest level whose pipeline runs it.
    pub level: OptLevel,
    /// Its error class; `exact` runs bit-exact passes only.
    pub exactness: Exactness,
}

/// How many edits a pass made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed(pub usize);

impl Changed {
    /// Whether there was any.
    pub fn any(self) -> bool {
        self.0 > 0
    }
}

/// Graph in, graph out. Sees one graph; the manager takes it into subgraphs.
pub trait Pass: Send + Sync {
    /// The fixed facts.
    fn info(&self) -> PassInfo;

    /// Edits `graph` through `cx`.
    ///
    /// # Errors
    /// [`PassError`] when the pass itself is at fault; a graph it can do nothing with is no error.
    fn run(&self, graph: &mut Graph, cx: &mut PassCx<'_>) -> Result<Changed, PassError>;
}

/// Why a pipeline stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassError {
    /// An option names a pass that is not in the pipeline.
    #[error("no pass '{name}' in this pipeline, expected one of: {}", known.join(", "))]
    UnknownPass {
        /// The name given.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The graph was broken before the first pass.
    #[error("the graph is not valid: {}", first(errors))]
    BrokenInput {
        /// What is broken.
        errors: Vec<VerifyError>,
    },
    /// A pass broke the graph.
    #[error("pass '{pass}' broke the graph: {}", first(errors))]
    Broken {
        /// The guilty pass.
        pass: String,
        /// Its last edit.
        edit: Option<Box<Edit>>,
        /// What is broken.
        errors: Vec<VerifyError>,
    },
    /// A pass changed what the graph computes.
    #[error("pass '{pass}' changed the result: {source}")]
    Mismatch {
        /// The guilty pass.
        pass: String,
        /// Its last edit.
        edit: Option<Box<Edit>>,
        /// What differs.
        source: CheckError,
    },
    /// A pass made more rewrites than can be of use.
    #[error("pass '{pass}' does not come to an end: stopped after {rewrites} rewrites")]
    Endless {
        /// The guilty pass.
        pass: String,
        /// How many there were.
        rewrites: usize,
    },
}

fn first(errors: &[VerifyError]) -> String {
    let more = errors.len().saturating_sub(1);
    let text = errors.first().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    if more == 0 { text } else { format!("{text} (and {more} more)") }
}

/// A rewrite that did not fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The pass.
    pub pass: &'static str,
    /// The node.
    pub node: String,
    /// Why not.
    pub reason: String,
}

/// An edit that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The pass.
    pub pass: &'static str,
    /// Which edit of the run it was, from 1.
    pub number: usize,
    /// The value that was replaced, or the node that was changed.
    pub place: String,
}

/// What a pass sees besides the graph: permission for each edit, kept values, limits, and where reasons go.
pub struct PassCx<'a> {
    pass: &'static str,
    keep: &'a BTreeSet<String>,
    fold_limit: usize,
    cost_model: &'a dyn CostModel,
    left: Option<usize>,
    edits: usize,
    log: Vec<Edit>,
    notes: Vec<Note>,
}

/// Most reasons that are remembered; a model with a million refused nodes needs no list of them.
const MAX_NOTES: usize = 10_000;

impl<'a> PassCx<'a> {
    /// A context; at most `left` edits are permitted.
    pub fn new(
        keep: &'a BTreeSet<String>,
        fold_limit: usize,
        cost_model: &'a dyn CostModel,
        left: Option<usize>,
    ) -> Self {
        Self { pass: "", keep, fold_limit, cost_model, left, edits: 0, log: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn enter(&mut self, pass: &'static str) {
        self.pass = pass;
    }

    /// Name of the running pass.
    pub fn pass(&self) -> &'static str {
        self.pass
    }

    /// How many edits there were so far, over all passes.
    pub fn edits(&self) -> usize {
        self.edits
    }

    /// Whether no further edit is permitted.
    pub fn is_exhausted(&self) -> bool {
        self.left == Some(0)
    }

    /// Counts an edit that is about to be made at `place`; when this is `false` it must not be made.
    pub fn permit(&mut self, place: impl FnOnce() -> String) -> bool {
        match &mut self.left {
            Some(0) => return false,
            Some(left) => *left -= 1,
            None => {}
        }
        self.edits += 1;
        if self.log.len() < MAX_NOTES {
            self.log.push(Edit { pass: self.pass, number: self.edits, place: place() });
        }
        true
    }

    /// Most bytes of a folded constant that is larger than what it is computed from.
    pub fn fold_limit(&self) -> usize {
        self.fold_limit
    }

    /// The cost model by which moves are justified.
    pub fn cost_model(&self) -> &'a dyn CostModel {
        self.cost_model
    }

    /// Whether the value must stay alive and visible under its name.
    pub fn is_kept(&self, graph: &Graph, value: ValueId) -> bool {
        !self.keep.is_empty() && graph.value(value).name().is_some_and(|name| self.keep.contains(name))
    }

    /// Remembers why a rewrite did not fire.
    pub fn note(&mut self, graph: &Graph, node: NodeId, reason: impl Into<String>) {
        if self.notes.len() < MAX_NOTES {
            let note = Note { pass: self.pass, node: describe_node(graph, node), reason: reason.into() };
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    /// The remembered reasons.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    pub(crate) fn into_records(self) -> (Vec<Edit>, Vec<Note>) {
        (self.log, self.notes)
    }

    /// Commits a patch.
    ///
    /// # Errors
    /// [`Reject::Because`] when it would lose a kept value or does not type-check, [`Reject::NoEffect`] when it is
    /// empty or no edit is permitted any more. The graph is unchanged then.
    pub fn commit(&mut self, graph: &mut Graph, patch: Patch) -> Result<Committed, Reject> {
        if patch.is_empty() || self.is_exhausted() {
            return Err(Reject::NoEffect);
        }
        if let Some(value) = self.lost(graph, &patch) {
            return Err(Reject::because(format!("value {} is kept", describe_value(graph, value))));
        }
        let place = patch.replaced().next().map(|(old, _)| describe_value(graph, old)).unwrap_or_default();
        let done =
            patch.commit(graph, self.pass).map_err(|error: PatchError| Reject::because(error.to_string()))?;
        self.permit(|| place);
        Ok(done)
    }

    /// The edits so far.
    pub fn log(&self) -> &[Edit] {
        &self.log
    }

    /// A kept value that would not exist any more after the patch.
    fn lost(&self, graph: &Graph, patch: &Patch) -> Option<ValueId> {
        if self.keep.is_empty() {
            return None;
        }
        let renamed =
            |id: ValueId| patch.replaced().any(|(old, new)| old == id && matches!(new, PatchValue::New(_)));
        let replaced = patch.replaced().map(|(old, _)| old);
        let dying = patch.dying(graph).into_iter().flat_map(|node| graph.node(node).outputs().to_vec());
        replaced.chain(dying).find(|&id| self.is_kept(graph, id) && !renamed(id))
    }
}
