//! Reads the text form of the schema table; the form is described at the top of `onnx_schemas.txt`.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use super::{
    Arity, AttributeFormal, AttributeKind, CountRange, DefaultValue, Formal, FormalType, Schema,
    TypeParameter,
};

/// A line of the table that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}")]
pub(super) struct ParseError {
    line: usize,
    expected: &'static str,
}

type Field<T> = Result<T, &'static str>;

/// All schemas of the table in its order.
pub(super) fn schemas(text: &'static str) -> Result<Vec<Schema>, ParseError> {
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        reader.line(line).map_err(|expected| ParseError { line: index + 1, expected })?;
    }
    Ok(reader.schemas)
}

#[derive(Default)]
struct Reader {
    sets: HashMap<usize, Arc<[&'static str]>>,
    schemas: Vec<Schema>,
}

impl Reader {
    fn line(&mut self, line: &'static str) -> Field<()> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (kind, rest) = line.trim_start().split_once(' ').ok_or("a kind of line and its fields")?;
        match kind {
            "types" => self.types(rest),
            "op" => {
                self.schemas.push(operator(rest)?);
                Ok(())
            }
            _ => self.part(kind, rest),
        }
    }

    fn types(&mut self, rest: &'static str) -> Field<()> {
        let (number, types) = rest.split_once(' ').ok_or("a number and types")?;
        self.sets.insert(number_of(number)?, types.split(' ').collect());
        Ok(())
    }

    fn part(&mut self, kind: &str, rest: &'static str) -> Field<()> {
        let schema = self.schemas.last_mut().ok_or("an operator first")?;
        match kind {
            "<" => schema.inputs.push(formal(rest)?),
            ">" => schema.outputs.push(formal(rest)?),
            ":" => {
                let (name, set) = rest.split_once(' ').ok_or("a type parameter and its set")?;
                let allowed = self.sets.get(&number_of(set)?).ok_or("the number of a set of types")?.clone();
                let index = schema.parameters.len();
                schema.parameters.push(TypeParameter { name, allowed });
                let formals = schema.inputs.iter_mut().chain(&mut schema.outputs);
                for formal in formals.filter(|formal| formal.ty == FormalType::Exact(name)) {
                    formal.ty = FormalType::Parameter(index);
                }
            }
            "@" => schema.attributes.push(attribute(rest)?),
            _ => return Err("one of types op < > : @"),
        }
        Ok(())
    }
}

fn operator(rest: &'static str) -> Field<Schema> {
    let mut fields = rest.split(' ');
    let mut next = || fields.next().ok_or("domain, name, version, input and output counts");
    let domain = match next()? {
        "-" => "",
        domain => domain,
    };
    Ok(Schema {
        domain,
        name: next()?,
        since: number_of(next()?)?,
        input_count: counts(next()?)?,
        output_count: counts(next()?)?,
        deprecated: match fields.next() {
            None => false,
            Some("deprecated") => true,
            Some(_) => return Err("deprecated or nothing after the counts"),
        },
        inputs: Vec::new(),
        outputs: Vec::new(),
        parameters: Vec::new(),
        attributes: Vec::new(),
    })
}

fn counts(text: &str) -> Field<CountRange> {
    let (min, max) = text.split_once("..").ok_or("a range MIN..MAX")?;
    let max = if max == "*" { None } else { Some(number_of(max)?) };
    Ok(CountRange { min: number_of(min)?, max })
}

fn formal(rest: &'static str) -> Field<Formal> {
    let (name, ty) = rest.split_once(' ').ok_or("a name and a type")?;
    let suffixes =
        [("**", Arity::VariadicMixed), ("*", Arity::Variadic), ("?", Arity::Optional), ("", Arity::Single)];
    let stripped = suffixes.iter().find_map(|(suffix, arity)| Some((name.strip_suffix(suffix)?, *arity)));
    let (name, arity) = stripped.ok_or("a name")?;
    Ok(Formal { name, arity, ty: FormalType::Exact(ty) })
}

fn attribute(rest: &'static str) -> Field<AttributeFormal> {
    let (head, default) = match rest.split_once(" = ") {
        Some((head, default)) => (head, Some(default)),
        None => (rest, None),
    };
    let (name, kind) = head.split_once(' ').ok_or("an attribute and its kind")?;
    let required = kind.ends_with('!');
    let kind = attribute_kind(kind.trim_end_matches('!'))?;
    let default = default.map(|text| default_value(kind, text)).transpose()?;
    Ok(AttributeFormal { name, kind, required, default })
}

fn attribute_kind(text: &str) -> Field<AttributeKind> {
    Ok(match text {
        "FLOAT" => AttributeKind::Float,
        "INT" => AttributeKind::Int,
        "STRING" => AttributeKind::String,
        "TENSOR" => AttributeKind::Tensor,
        "GRAPH" => AttributeKind::Graph,
        "SPARSE_TENSOR" => AttributeKind::SparseTensor,
        "TYPE_PROTO" => AttributeKind::TypeProto,
        "FLOATS" => AttributeKind::Floats,
        "INTS" => AttributeKind::Ints,
        "STRINGS" => AttributeKind::Strings,
        "TENSORS" => AttributeKind::Tensors,
        "GRAPHS" => AttributeKind::Graphs,
        "SPARSE_TENSORS" => AttributeKind::SparseTensors,
        "TYPE_PROTOS" => AttributeKind::TypeProtos,
        _ => return Err("the kind of an attribute"),
    })
}

fn default_value(kind: AttributeKind, text: &'static str) -> Field<DefaultValue> {
    Ok(match kind {
        AttributeKind::Float => DefaultValue::Float(number_of(text)?),
        AttributeKind::Int => DefaultValue::Int(number_of(text)?),
        AttributeKind::String => DefaultValue::String(quoted(text)?),
        AttributeKind::Floats => DefaultValue::Floats(list(text, number_of)?),
        AttributeKind::Ints => DefaultValue::Ints(list(text, number_of)?),
        AttributeKind::Strings => DefaultValue::Strings(list(text, quoted)?),
        _ => return Err("no default for attributes of this kind"),
    })
}

fn list<T>(text: &'static str, item: impl Fn(&'static str) -> Field<T>) -> Field<Vec<T>> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or("a list in brackets")?;
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    inner.split(", ").map(item).collect()
}

/// A string in quotes; the table has none with escapes in it.
fn quoted(text: &'static str) -> Field<&'static str> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.filter(|inner| !inner.contains(['"', '\\'])).ok_or("a quoted string without escapes")
}

fn number_of<T: FromStr>(text: &str) -> Field<T> {
    text.parse().map_err(|_| "a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_are_named() {
        for (text, line, expected) in [
            ("nonsense", 1, "a kind of line and its fields"),
            ("# comment\n  < X T", 2, "an operator first"),
            ("op - Abs", 1, "domain, name, version, input and output counts"),
            ("op - Abs 1 1-1 1..1", 1, "a range MIN..MAX"),
            ("op - Abs 1 1..1 1..1\n  : T 4", 2, "the number of a set of types"),
            ("op - Abs 1 1..1 1..1\n  @ a INT = x", 2, "a number"),
            ("op - Abs 1 1..1 1..1\n  @ a STRINGS = [\"x\\\"\"]", 2, "a quoted string without escapes"),
        ] {
            assert_eq!(schemas(text), Err(ParseError { line, expected }), "{text}");
        }
    }
}
