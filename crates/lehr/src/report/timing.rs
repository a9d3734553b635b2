//! The measured time of the nodes of the main graph, per run.

use std::collections::BTreeMap;

use lehr_runtime::{NodeProfile, Profile};

use super::figures;

/// The kernel of nodes that have none.
pub const REFERENCE: &str = "reference";

/// A profile by the names of the nodes.
#[derive(Clone, Debug, Default)]
pub struct Timing<'a> {
    runs: f64,
    by_name: BTreeMap<&'a str, &'a NodeProfile>,
    nodes: Vec<&'a NodeProfile>,
    total: f64,
    slowest: f64,
}

impl<'a> Timing<'a> {
    /// The nodes of the main graph; what subgraphs take is part of the nodes that hold them.
    pub fn of(profile: &'a Profile) -> Self {
        let runs = profile.runs.max(1) as f64;
        let nodes: Vec<&NodeProfile> = profile.nodes.iter().filter(|node| node.graph.is_empty()).collect();
        Self {
            runs,
            by_name: nodes.iter().map(|node| (node.node.as_str(), *node)).collect(),
            total: nodes.iter().map(|node| node.ms / runs).sum(),
            slowest: nodes.iter().map(|node| node.ms / runs).fold(0.0, f64::max),
            nodes,
        }
    }

    /// The nodes in the order of their execution.
    pub fn nodes(&self) -> &[&'a NodeProfile] {
        &self.nodes
    }

    /// Milliseconds of one run in a node.
    pub fn ms(&self, node: &NodeProfile) -> f64 {
        node.ms / self.runs
    }

    /// Milliseconds of one run in all nodes.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Milliseconds of the slowest node.
    pub fn slowest(&self) -> f64 {
        self.slowest
    }

    /// The share that milliseconds have in all nodes.
    pub fn share(&self, ms: f64) -> f64 {
        if self.total > 0.0 { ms / self.total } else { 0.0 }
    }

    /// The time of a node as a share of that of the slowest.
    pub fn heat(&self, name: &str) -> Option<f64> {
        let ms = self.ms(self.by_name.get(name)?);
        (self.slowest > 0.0).then(|| ms / self.slowest)
    }

    /// Time and kernel of a node in words.
    pub fn sentence(&self, name: &str) -> Option<String> {
        let node = self.by_name.get(name)?;
        let ms = self.ms(node);
        let time = format!("{}, {}", figures::milliseconds(ms), figures::percent(self.share(ms)));
        Some(format!("{time} of all nodes\nkernel {}", node.kernel))
    }
}
