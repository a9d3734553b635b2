//! The operator schemas of ONNX: which inputs, outputs, types and attributes each version of each operator has.
//!
//! The table holds every version up to opset [`NEWEST_OPSET`] of the domains `""` (also written `ai.onnx`),
//! `ai.onnx.ml`, `ai.onnx.preview` and `ai.onnx.preview.training`, taken from the
//! [operator specification](https://github.com/onnx/onnx/blob/main/docs/Operators.md). Readers check nodes against it,
//! writers refuse with it what is not valid at the opset that they were asked for.
//!
//! Types are named as the specification names them, without spaces: `tensor(float)`, `seq(tensor(int64))`,
//! `optional(tensor(string))`, `map(int64,float)`.

mod check;
mod parse;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

pub use check::{SchemaProblem, Slot, check_node};

/// The newest opset of the default domain that the table knows.
pub const NEWEST_OPSET: i64 = 28;

/// One version of one operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// Domain; the default one is empty.
    pub domain: &'static str,
    /// Operator type.
    pub name: &'static str,
    /// The opset that brought this version.
    pub since: i64,
    /// Whether this version only says that the operator is gone.
    pub deprecated: bool,
    /// Inputs in order; only the last one may be variadic.
    pub inputs: Vec<Formal>,
    /// Outputs in order; only the last one may be variadic.
    pub outputs: Vec<Formal>,
    /// How many inputs a node may have; `None` above is no limit.
    pub input_count: CountRange,
    /// How many outputs a node may have.
    pub output_count: CountRange,
    /// The type parameters that [`FormalType::Parameter`] refers to.
    pub parameters: Vec<TypeParameter>,
    /// Attributes in alphabetical order.
    pub attributes: Vec<AttributeFormal>,
}

/// An inclusive range of counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountRange {
    /// The fewest allowed.
    pub min: usize,
    /// The most allowed, or `None` when there is no limit.
    pub max: Option<usize>,
}

/// An input or output as the specification declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formal {
    /// Name in the specification.
    pub name: &'static str,
    /// Whether it must be there and how often it may be.
    pub arity: Arity,
    /// Its type or type parameter.
    pub ty: FormalType,
}

/// How often an input or output may occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly once.
    Single,
    /// Once, or left out.
    Optional,
    /// Any number of times, all of one type.
    Variadic,
    /// Any number of times, each of a type of its own.
    VariadicMixed,
}

/// The type of a [`Formal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormalType {
    /// An index into [`Schema::parameters`].
    Parameter(usize),
    /// One fixed type.
    Exact(&'static str),
}

/// A type parameter such as `T`, and the types that it may stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeParameter {
    /// Name in the specification.
    pub name: &'static str,
    /// Allowed types, sorted; schemas with the same set share it.
    pub allowed: Arc<[&'static str]>,
}

/// An attribute as the specification declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeFormal {
    /// Attribute name.
    pub name: &'static str,
    /// Type of its value.
    pub kind: AttributeKind,
    /// Whether a node without it is invalid.
    pub required: bool,
    /// The value of an attribute that is left out, where the schema gives one.
    pub default: Option<DefaultValue>,
}

/// The type of an attribute's value, as `AttributeProto.AttributeType` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum AttributeKind {
    Float,
    Int,
    String,
    Tensor,
    Graph,
    SparseTensor,
    TypeProto,
    Floats,
    Ints,
    Strings,
    Tensors,
    Graphs,
    SparseTensors,
    TypeProtos,
}

/// The default value of an attribute.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum DefaultValue {
    Float(f32),
    Int(i64),
    String(&'static str),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Strings(Vec<&'static str>),
}

/// The newest version of an operator that exists at `opset` of its domain, deprecated ones included.
pub fn schema(domain: &str, name: &str, opset: i64) -> Option<&'static Schema> {
    versions(domain, name).iter().rev().find(|schema| schema.since <= opset)
}

/// All versions of an operator, oldest first; empty when the operator is unknown.
pub fn versions(domain: &str, name: &str) -> &'static [Schema] {
    let table = table();
    let domain = if domain == "ai.onnx" { "" } else { domain };
    let range = table.index.get(&(domain, name)).cloned();
    range.and_then(|range| table.schemas.get(range)).unwrap_or_default()
}

/// Every schema, sorted by domain, name and version.
pub fn all() -> &'static [Schema] {
    &table().schemas
}

impl Schema {
    /// The input that slot `index` of a node belongs to.
    pub fn input(&self, index: usize) -> Option<&Formal> {
        formal_at(&self.inputs, index)
    }

    /// The output that slot `index` of a node belongs to.
    pub fn output(&self, index: usize) -> Option<&Formal> {
        formal_at(&self.outputs, index)
    }

    /// The attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&AttributeFormal> {
        let index = self.attributes.binary_search_by(|attribute| attribute.name.cmp(name)).ok()?;
        self.attributes.get(index)
    }

    /// Every type that `formal` may have.
    pub fn allowed_types<'s>(&'s self, formal: &'s Formal) -> &'s [&'static str] {
        match &formal.ty {
            FormalType::Exact(name) => std::slice::from_ref(name),
            FormalType::Parameter(index) => {
                self.parameters.get(*index).map_or(&[], |parameter| &parameter.allowed)
            }
        }
    }
}

impl CountRange {
    /// Whether `count` lies within.
    pub fn contains(self, count: usize) -> bool {
        count >= self.min && self.max.is_none_or(|max| count <= max)
    }
}

impl std::fmt::Display for CountRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.max {
            Some(max) if max == self.min => write!(f, "{max}"),
            Some(max) => write!(f, "{} to {max}", self.min),
            None => write!(f, "at least {}", self.min),
        }
    }
}

impl std::fmt::Display for AttributeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AttributeKind::Float => "float",
            AttributeKind::Int => "int",
            AttributeKind::String => "string",
            AttributeKind::Tensor => "tensor",
            AttributeKind::Graph => "graph",
            AttributeKind::SparseTensor => "sparse tensor",
            AttributeKind::TypeProto => "type",
            AttributeKind::Floats => "list of floats",
            AttributeKind::Ints => "list of ints",
            AttributeKind::Strings => "list of strings",
            AttributeKind::Tensors => "list of tensors",
            AttributeKind::Graphs => "list of graphs",
            AttributeKind::SparseTensors => "list of sparse tensors",
            AttributeKind::TypeProtos => "list of types",
        })
    }
}

fn formal_at(formals: &[Formal], index: usize) -> Option<&Formal> {
    let last = formals.last()?;
    let variadic = matches!(last.arity, Arity::Variadic | Arity::VariadicMixed);
    formals.get(index).or(variadic.then_some(last))
}

struct Table {
    schemas: Vec<Schema>,
    index: HashMap<(&'static str, &'static str), Range<usize>>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| match parse::schemas(include_str!("onnx_schemas.txt")) {
        Ok(schemas) => Table::new(schemas),
        // The text is part of the program and a test reads all of it.
        Err(error) => unreachable!("onnx_schemas.txt: {error}"),
    })
}

impl Table {
    fn new(schemas: Vec<Schema>) -> Self {
        let mut index: HashMap<_, Range<usize>> = HashMap::new();
        for (position, schema) in schemas.iter().enumerate() {
            index.entry((schema.domain, schema.name)).or_insert(position..position).end = position + 1;
        }
        Self { schemas, index }
    }
}
