//! Whether the steps fit to each other and to a model, without running anything.

use std::collections::BTreeSet;

use crate::manifest::Kind;
use crate::pipeline::{Input, Output, Pipeline, walk};
use crate::{ImageType, ItemType, TensorType};

/// An input or output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// What is known of its tensor.
    pub ty: TensorType,
}

/// What a model takes and gives.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Signature {
    /// In the order of the model.
    pub inputs: Vec<Port>,
    /// In the order of the model.
    pub outputs: Vec<Port>,
}

impl Pipeline {
    /// Runs kinds, sizes and element types through all steps and compares them with the model: everything that does
    /// not fit, one sentence each.
    pub fn check(&self, signature: &Signature) -> Vec<String> {
        let mut problems = Vec::new();
        for input in &self.inputs {
            check_input(input, signature, &mut problems);
        }
        self.check_names(signature, &mut problems);
        for output in &self.outputs {
            check_output(output, signature, &mut problems);
        }
        problems
    }

    fn check_names(&self, signature: &Signature, problems: &mut Vec<String>) {
        let fed: Vec<&str> = self.fed_names().collect();
        let mut seen = BTreeSet::new();
        for name in &fed {
            if !seen.insert(name) {
                problems.push(format!("input '{name}' is fed twice"));
            }
            if !signature.inputs.iter().any(|port| port.name == *name) {
                problems
                    .push(format!("the model has no input '{name}'; it has {}", names(&signature.inputs)));
            }
        }
        for port in signature.inputs.iter().filter(|port| !fed.contains(&port.name.as_str())) {
            problems.push(format!("input '{}' of the model is not fed", port.name));
        }
        for constant in &self.constants {
            let port = signature.inputs.iter().find(|port| port.name == constant.0);
            compare(&constant.0, &crate::Item::Tensor(constant.1.clone()).ty(), port, problems);
        }
        for state in &self.states {
            if !signature.outputs.iter().any(|port| port.name == state.output) {
                problems.push(format!(
                    "the model has no output '{}' to carry; it has {}",
                    state.output,
                    names(&signature.outputs)
                ));
            }
        }
    }
}

fn check_input(input: &Input, signature: &Signature, problems: &mut Vec<String>) {
    let given = walk(&input.steps, kind_type(input.kind)).map(|ty| cast(ty, input));
    match given {
        Err(problem) => problems.push(problem),
        Ok(ItemType::Tensors(tensors)) => {
            for (name, ty) in tensors {
                let Some(fed) = input.tensors.get(&name) else { continue };
                let port = signature.inputs.iter().find(|port| port.name == *fed);
                compare(fed, &ItemType::Tensor(ty), port, problems);
            }
        }
        Ok(ty) => {
            let port = signature.inputs.iter().find(|port| port.name == input.name);
            compare(&input.name, &ty, port, problems);
        }
    }
}

fn cast(ty: ItemType, input: &Input) -> ItemType {
    match (ty, input.dtype) {
        (ItemType::Tensor(tensor), Some(dtype)) => {
            ItemType::Tensor(TensorType { dtype: Some(dtype), ..tensor })
        }
        (ItemType::Tensors(tensors), Some(dtype)) => {
            let cast = |(name, ty)| (name, TensorType { dtype: Some(dtype), ..ty });
            ItemType::Tensors(tensors.into_iter().map(cast).collect())
        }
        (ty, _) => ty,
    }
}

fn check_output(output: &Output, signature: &Signature, problems: &mut Vec<String>) {
    let mut given = Vec::new();
    for (called, name) in output.sources() {
        match signature.outputs.iter().find(|port| port.name == name) {
            Some(port) => given.push((called.to_owned(), port.ty.clone())),
            None => {
                problems
                    .push(format!("the model has no output '{name}'; it has {}", names(&signature.outputs)));
                return;
            }
        }
    }
    let first = match (output.tensors.is_empty(), given.pop()) {
        (true, Some((_, ty))) => ItemType::Tensor(ty),
        (_, last) => ItemType::Tensors(given.into_iter().chain(last).collect()),
    };
    problems.extend(walk(&output.steps, first).err());
}

/// What the first step gets.
pub(crate) fn kind_type(kind: Kind) -> ItemType {
    match kind {
        Kind::Image => ItemType::Image(ImageType::default()),
        Kind::Audio => ItemType::Audio { rate: None, channels: None },
        Kind::Text => ItemType::Text,
        Kind::Table => ItemType::Table,
        Kind::Tensor => ItemType::Tensor(TensorType::default()),
        Kind::Bytes => ItemType::Bytes,
    }
}

fn compare(name: &str, given: &ItemType, port: Option<&Port>, problems: &mut Vec<String>) {
    let Some(port) = port else { return };
    let ItemType::Tensor(tensor) = given else {
        problems.push(format!(
            "input '{name}': the last step gives {given}, the model takes a tensor {}",
            port.ty
        ));
        return;
    };
    let dtype_differs = matches!((tensor.dtype, port.ty.dtype), (Some(a), Some(b)) if a != b);
    if dtype_differs || shapes_differ(tensor, &port.ty) {
        problems.push(format!("input '{name}': the steps give {tensor}, the model takes {}", port.ty));
    }
}

fn shapes_differ(a: &TensorType, b: &TensorType) -> bool {
    let (Some(a), Some(b)) = (&a.shape, &b.shape) else { return false };
    a.len() != b.len() || a.iter().zip(b).any(|pair| matches!(pair, (Some(a), Some(b)) if a != b))
}

fn names(ports: &[Port]) -> String {
    let names: Vec<_> = ports.iter().map(|port| format!("'{}'", port.name)).collect();
    names.join(", ")
}
