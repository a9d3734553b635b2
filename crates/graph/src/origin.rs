//! Provenance: which nodes of the model file a node of the graph stands for.

use std::sync::Arc;

/// One node of a model file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceRef {
    /// Its name in the file; may be empty.
    pub name: Arc<str>,
    /// Its operator in the file.
    pub op_type: Arc<str>,
    /// Its position in the file.
    pub index: usize,
}

/// Where a node came from. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Origin {
    sources: Option<Arc<[SourceRef]>>,
    made_by: Option<Arc<str>>,
}

impl Origin {
    /// Read from a file.
    pub fn from_source(source: SourceRef) -> Self {
        Self { sources: Some(Arc::from([source])), made_by: None }
    }

    /// From the parts a serialised graph stores.
    pub fn from_parts(sources: Vec<SourceRef>, made_by: Option<&str>) -> Self {
        Self { sources: (!sources.is_empty()).then(|| sources.into()), made_by: made_by.map(Arc::from) }
    }

    /// The file nodes behind this one, in file order.
    pub fn sources(&self) -> &[SourceRef] {
        self.sources.as_deref().unwrap_or_default()
    }

    /// The pass that made the node, if it was not read from a file.
    pub fn made_by(&self) -> Option<&str> {
        self.made_by.as_deref()
    }

    /// The origin of a node that `pass` made out of nodes with the given origins.
    pub fn merged<'a>(origins: impl IntoIterator<Item = &'a Origin>, pass: &str) -> Self {
        let mut sources: Vec<SourceRef> =
            origins.into_iter().flat_map(|o| o.sources().iter().cloned()).collect();
        sources.sort_by(|a, b| a.index.cmp(&b.index).then_with(|| a.cmp(b)));
        sources.dedup();
        Self::from_parts(sources, Some(pass))
    }
}
