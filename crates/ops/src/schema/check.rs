//! Checks a node against its schema.

use thiserror::Error;

use super::{Arity, AttributeKind, CountRange, Formal, FormalType, Schema};

/// What is known of one input or output of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot<'a> {
    /// Left out (an empty name in ONNX).
    Absent,
    /// There, but its type is not known.
    Untyped,
    /// There, with this type in the specification's spelling without spaces, such as `tensor(float)`.
    Typed(&'a str),
}

/// Why a node is not valid under its schema.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum SchemaProblem {
    #[error("the operator is deprecated since opset {since}")]
    Deprecated { since: i64 },
    #[error("has {found} inputs, expected {expected}")]
    InputCount { found: usize, expected: CountRange },
    #[error("has {found} outputs, expected {expected}")]
    OutputCount { found: usize, expected: CountRange },
    #[error("input {index} ({name}) is left out, but required")]
    MissingInput { index: usize, name: &'static str },
    #[error("{slot} has type {found}, expected {}", one_of(.allowed))]
    TypeNotAllowed { slot: SlotName, found: String, allowed: Vec<&'static str> },
    #[error("{slot} has type {found}, but {parameter} is {bound} by {by}")]
    TypeMismatch { slot: SlotName, found: String, parameter: &'static str, bound: String, by: SlotName },
    #[error("attribute {name} is not known")]
    UnknownAttribute { name: String },
    #[error("attribute {name} is there more than once")]
    RepeatedAttribute { name: String },
    #[error("attribute {name} is missing")]
    MissingAttribute { name: &'static str },
    #[error("attribute {name} has kind {found}, expected {expected}")]
    AttributeKind { name: &'static str, found: AttributeKind, expected: AttributeKind },
}

/// Names an input or output in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotName {
    /// Whether it is an input or an output.
    pub is_output: bool,
    /// Position in the node.
    pub index: usize,
    /// Name in the specification.
    pub name: &'static str,
}

impl std::fmt::Display for SlotName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = if self.is_output { "output" } else { "input" };
        write!(f, "{side} {} ({})", self.index, self.name)
    }
}

/// Every way in which a node breaks its schema; empty for a valid node.
///
/// Attributes are given by name and kind; names that begin with `__` belong to tools and are skipped, as ONNX's own
/// checker does. Types that are not known are not checked.
pub fn check_node(
    schema: &Schema,
    inputs: &[Slot<'_>],
    outputs: &[Slot<'_>],
    attributes: &[(&str, AttributeKind)],
) -> Vec<SchemaProblem> {
    if schema.deprecated {
        return vec![SchemaProblem::Deprecated { since: schema.since }];
    }
    let mut problems = Vec::new();
    check_counts(schema, inputs, outputs, &mut problems);
    let mut types = TypeCheck { schema, bound: vec![None; schema.parameters.len()], problems: &mut problems };
    types.check(inputs, false);
    types.check(outputs, true);
    check_attributes(schema, attributes, &mut problems);
    problems
}

fn check_counts(
    schema: &Schema,
    inputs: &[Slot<'_>],
    outputs: &[Slot<'_>],
    problems: &mut Vec<SchemaProblem>,
) {
    if !schema.input_count.contains(inputs.len()) {
        problems.push(SchemaProblem::InputCount { found: inputs.len(), expected: schema.input_count });
    }
    if !schema.output_count.contains(outputs.len()) {
        problems.push(SchemaProblem::OutputCount { found: outputs.len(), expected: schema.output_count });
    }
    for (index, (slot, formal)) in inputs.iter().zip(&schema.inputs).enumerate() {
        if *slot == Slot::Absent && formal.arity == Arity::Single {
            problems.push(SchemaProblem::MissingInput { index, name: formal.name });
        }
    }
}

/// Checks slot after slot; the first slot of a type parameter decides what the parameter stands for.
struct TypeCheck<'c> {
    schema: &'c Schema,
    bound: Vec<Option<(String, SlotName)>>,
    problems: &'c mut Vec<SchemaProblem>,
}

impl TypeCheck<'_> {
    fn check(&mut self, slots: &[Slot<'_>], is_output: bool) {
        for (index, slot) in slots.iter().enumerate() {
            let Slot::Typed(found) = slot else { continue };
            let schema = self.schema;
            let formal = if is_output { schema.output(index) } else { schema.input(index) };
            let Some(formal) = formal else { continue };
            self.slot(formal, SlotName { is_output, index, name: formal.name }, found);
        }
    }

    fn slot(&mut self, formal: &Formal, slot: SlotName, found: &str) {
        let allowed = self.schema.allowed_types(formal);
        if !allowed.contains(&found) {
            let (found, allowed) = (found.to_owned(), allowed.to_vec());
            self.problems.push(SchemaProblem::TypeNotAllowed { slot, found, allowed });
            return;
        }
        let FormalType::Parameter(index) = formal.ty else { return };
        if formal.arity == Arity::VariadicMixed {
            return;
        }
        let (Some(bound), Some(parameter)) = (self.bound.get_mut(index), self.schema.parameters.get(index))
        else {
            return;
        };
        match bound {
            None => *bound = Some((found.to_owned(), slot)),
            Some((bound, _)) if bound == found => {}
            Some((bound, by)) => self.problems.push(SchemaProblem::TypeMismatch {
                slot,
                found: found.to_owned(),
                parameter: parameter.name,
                bound: bound.clone(),
                by: *by,
            }),
        }
    }
}

fn check_attributes(
    schema: &Schema,
    attributes: &[(&str, AttributeKind)],
    problems: &mut Vec<SchemaProblem>,
) {
    for (position, &(name, found)) in attributes.iter().enumerate() {
        if attributes.iter().take(position).any(|(earlier, _)| *earlier == name) {
            problems.push(SchemaProblem::RepeatedAttribute { name: name.to_owned() });
            continue;
        }
        match schema.attribute(name) {
            None if name.starts_with("__") => {}
            None => problems.push(SchemaProblem::UnknownAttribute { name: name.to_owned() }),
            Some(formal) if formal.kind == found => {}
            Some(formal) => {
                let (name, expected) = (formal.name, formal.kind);
                problems.push(SchemaProblem::AttributeKind { name, found, expected });
            }
        }
    }
    for formal in schema.attributes.iter().filter(|formal| formal.required) {
        if !attributes.iter().any(|(name, _)| *name == formal.name) {
            problems.push(SchemaProblem::MissingAttribute { name: formal.name });
        }
    }
}

fn one_of(types: &[&str]) -> String {
    match types {
        [single] => (*single).to_owned(),
        _ => format!("one of {}", types.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{self, DefaultValue, NEWEST_OPSET};

    fn at(name: &str, opset: i64) -> &'static Schema {
        schema::schema("", name, opset).expect("a known operator")
    }

    #[test]
    fn the_table_is_whole() {
        assert_eq!(schema::all().len(), 659);
        assert_eq!(schema::all().iter().filter(|s| s.domain == "ai.onnx.ml").count(), 25);
        assert_eq!(schema::all().iter().map(|s| s.since).max(), Some(NEWEST_OPSET));
        for schema in schema::all() {
            let names: Vec<_> = schema.attributes.iter().map(|attribute| attribute.name).collect();
            assert!(names.is_sorted(), "{}", schema.name);
            for formal in schema.inputs.iter().chain(&schema.outputs) {
                let exact = matches!(formal.ty, FormalType::Exact(name) if !name.ends_with(')'));
                assert!(!exact, "{} {} has no type set", schema.name, formal.name);
            }
        }
    }

    #[test]
    fn a_version_is_the_newest_not_above_the_opset() {
        for (name, opset, since) in
            [("Cast", 12, 9), ("Cast", 13, 13), ("Abs", 28, 13), ("Upsample", 9, 9), ("Upsample", 11, 10)]
        {
            assert_eq!(at(name, opset).since, since, "{name} at {opset}");
        }
        assert_eq!(schema::schema("", "Gelu", 19), None);
        assert_eq!(schema::versions("ai.onnx", "Relu").len(), schema::versions("", "Relu").len());
        assert!(schema::versions("com.example", "Relu").is_empty());
    }

    #[test]
    fn defaults_are_typed() {
        let default = |name, attribute| at(name, NEWEST_OPSET).attribute(attribute)?.default.clone();
        assert_eq!(default("BatchNormalization", "epsilon"), Some(DefaultValue::Float(1e-5)));
        assert_eq!(default("Clip", "min"), None);
        assert_eq!(default("Resize", "mode"), Some(DefaultValue::String("nearest")));
        assert_eq!(default("MeanVarianceNormalization", "axes"), Some(DefaultValue::Ints(vec![0, 2, 3])));
    }

    #[test]
    fn problems_are_told_in_words() {
        use AttributeKind::{Int, Ints};
        use Slot::{Absent, Typed, Untyped};
        let f32s = Typed("tensor(float)");
        let i64s = Typed("tensor(int64)");
        type Case<'a> =
            (&'a str, i64, &'a [Slot<'a>], &'a [Slot<'a>], &'a [(&'a str, AttributeKind)], &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            ("Add", 14, &[f32s, f32s], &[f32s], &[], &[]),
            ("Add", 14, &[f32s, Untyped], &[f32s], &[("__note", Int)], &[]),
            ("Add", 14, &[f32s], &[f32s], &[], &["has 1 inputs, expected 2"]),
            (
                "Add",
                14,
                &[f32s, i64s],
                &[f32s],
                &[],
                &["input 1 (B) has type tensor(int64), but T is tensor(float) by input 0 (A)"],
            ),
            (
                "Add",
                14,
                &[f32s, f32s],
                &[i64s],
                &[],
                &["output 0 (C) has type tensor(int64), but T is tensor(float) by input 0 (A)"],
            ),
            (
                "Not",
                1,
                &[f32s],
                &[Untyped],
                &[],
                &["input 0 (X) has type tensor(float), expected tensor(bool)"],
            ),
            ("Clip", 13, &[f32s, Absent, f32s], &[f32s], &[], &[]),
            ("Clip", 13, &[Absent, f32s], &[f32s], &[], &["input 0 (input) is left out, but required"]),
            ("Concat", 13, &[f32s, f32s, f32s], &[f32s], &[("axis", Int)], &[]),
            (
                "Concat",
                13,
                &[],
                &[f32s],
                &[],
                &["has 0 inputs, expected at least 1", "attribute axis is missing"],
            ),
            (
                "Concat",
                13,
                &[f32s],
                &[f32s],
                &[("axis", Ints), ("axes", Int), ("axis", Int)],
                &[
                    "attribute axis has kind list of ints, expected int",
                    "attribute axes is not known",
                    "attribute axis is there more than once",
                ],
            ),
            ("Upsample", 10, &[f32s, f32s], &[f32s], &[], &["the operator is deprecated since opset 10"]),
            ("Loop", 16, &[i64s, Absent, f32s, i64s], &[i64s, f32s], &[("body", AttributeKind::Graph)], &[]),
        ];
        for (name, opset, inputs, outputs, attributes, expected) in cases {
            let problems = check_node(at(name, *opset), inputs, outputs, attributes);
            let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(&told, expected, "{name} at {opset}");
        }
    }
}
