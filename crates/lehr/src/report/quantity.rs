//! What a stage is measured by; of everything, less is better.

use super::figures;
use crate::deploy::Stage;

/// A figure of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    Nodes,
    Parameters,
    Size,
    Macs,
    Energy,
    Latency,
    Memory,
}

impl Quantity {
    /// In the order of the table.
    pub const ALL: [Self; 7] =
        [Self::Nodes, Self::Parameters, Self::Size, Self::Macs, Self::Energy, Self::Latency, Self::Memory];

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Parameters => "parameters",
            Self::Size => "size",
            Self::Macs => "MACs",
            Self::Energy => "energy (estimate)",
            Self::Latency => "latency",
            Self::Memory => "peak memory",
        }
    }

    /// Its value after a stage.
    pub fn of(self, stage: &Stage) -> Option<f64> {
        match self {
            Self::Nodes => stage.nodes.map(|nodes| nodes as f64),
            Self::Parameters => stage.parameters.map(|parameters| parameters as f64),
            Self::Size => stage.bytes.map(|bytes| bytes as f64),
            Self::Macs => stage.macs.map(|macs| macs as f64),
            Self::Energy => stage.energy_uj,
            Self::Latency => stage.milliseconds,
            Self::Memory => stage.peak_bytes.map(|bytes| bytes as f64),
        }
    }

    /// A value for people.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Nodes | Self::Parameters | Self::Macs => figures::count(value as u64),
            Self::Size | Self::Memory => figures::bytes(value as u64),
            Self::Energy => figures::energy(value),
            Self::Latency => figures::milliseconds(value),
        }
    }

    /// Its value after the first stage that has one.
    pub fn first(self, stages: &[Stage]) -> Option<f64> {
        stages.iter().find_map(|stage| self.of(stage))
    }

    /// Its value after the last stage that has one.
    pub fn last(self, stages: &[Stage]) -> Option<f64> {
        stages.iter().rev().find_map(|stage| self.of(stage))
    }
}
