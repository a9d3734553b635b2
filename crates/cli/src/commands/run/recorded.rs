//! `lehr run --feed`: the outputs of a model for recorded inputs.

use std::io::{self, Write};
use std::path::Path;

use lehr::tensor::{TensorError, npz};
use lehr::{Datum, Model, Outputs, Tensor};
use serde_json::{Value, json};

use super::Arguments;
use crate::failure::Failure;
use crate::numbers::{Ranked, short, top_k, value_json, value_text};
use crate::{atomic, feeds};

/// Rows of a ranking that are printed for people.
const MOST_ROWS: usize = 16;

pub fn run(arguments: &Arguments, model: &Model) -> Result<(), Failure> {
    let inputs = model.inputs();
    let fed = match &arguments.feed.feed {
        Some(path) => feeds::recording(path, model)?.inputs,
        None if inputs.is_empty() => Vec::new(),
        None => {
            let names: Vec<_> = inputs.iter().map(|i| format!("{}: {}", i.name, i.ty)).collect();
            return Err(Failure::Usage(format!(
                "the model has inputs ({}); give INPUT files or --feed",
                names.join(", ")
            )));
        }
    };
    let mut session = crate::commands::session(model, &arguments.options(), &arguments.model)?;
    session.set_profiling(arguments.profile);
    let outputs = session.run(fed.into_iter().collect::<lehr::Feeds>())?;
    if let Some(path) = &arguments.save {
        save(path, &outputs)?;
    }
    let mut out = io::stdout().lock();
    if arguments.json.json {
        let mut json = json!({ "outputs": outputs.iter().map(|(n, v)| output_json(n, v, arguments.top_k)).collect::<Vec<_>>() });
        if arguments.profile {
            json["profile"] = serde_json::from_str(&session.profile().to_json()).unwrap_or_default();
        }
        writeln!(out, "{json}")?;
        return Ok(out.flush()?);
    }
    for (name, value) in outputs.iter() {
        writeln!(out, "{name}: {}", value_text(value))?;
        print_ranking(&mut out, value, arguments.top_k)?;
    }
    if arguments.profile {
        write!(out, "\n{}", session.profile())?;
    }
    Ok(out.flush()?)
}

fn print_ranking(out: &mut impl Write, value: &Datum, k: Option<usize>) -> io::Result<()> {
    let rows = k.and_then(|k| top_k(value.as_tensor()?, k)).unwrap_or_default();
    for (index, row) in rows.iter().take(MOST_ROWS).enumerate() {
        let entry = |r: &Ranked| format!("{} ({:.4}, value {})", r.index, r.probability, short(r.value));
        writeln!(out, "  row {index}: {}", row.iter().map(entry).collect::<Vec<_>>().join("  "))?;
    }
    if rows.len() > MOST_ROWS {
        writeln!(out, "  … {} more rows", rows.len() - MOST_ROWS)?;
    }
    Ok(())
}

fn output_json(name: &str, value: &Datum, k: Option<usize>) -> Value {
    let mut json = value_json(name, value);
    if let Some(rows) = k.and_then(|k| top_k(value.as_tensor()?, k)) {
        let entry = |r: &Ranked| json!({"index": r.index, "value": r.value, "probability": r.probability});
        json["top"] = rows.iter().map(|row| row.iter().map(entry).collect::<Vec<_>>()).collect();
    }
    json
}

fn save(path: &Path, outputs: &Outputs) -> Result<(), Failure> {
    let mut arrays = Vec::new();
    for (name, value) in outputs.iter() {
        collect_arrays(name, value, &mut arrays);
    }
    let to_io = |error: TensorError| match error {
        TensorError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    };
    atomic::write_file(path, |file| {
        let named = arrays.iter().map(|(name, tensor)| (name.as_str(), *tensor));
        npz::write(file, named, npz::Compression::Stored).map_err(to_io)
    })
}

/// Tensors by name; items of sequences and maps get their position behind a dot, empty optionals are left out.
fn collect_arrays<'v>(name: &str, value: &'v Datum, arrays: &mut Vec<(String, &'v Tensor)>) {
    match value {
        Datum::Tensor(tensor) => arrays.push((name.to_owned(), tensor)),
        Datum::Optional(item) => item.iter().for_each(|item| collect_arrays(name, item, arrays)),
        Datum::Sequence(items) => collect_items(name, items, arrays),
        Datum::Map(map) => {
            arrays.push((format!("{name}.keys"), &map.keys));
            collect_items(name, &map.values, arrays);
        }
    }
}

fn collect_items<'v>(name: &str, items: &'v [Datum], arrays: &mut Vec<(String, &'v Tensor)>) {
    for (index, item) in items.iter().enumerate() {
        collect_arrays(&format!("{name}.{index}"), item, arrays);
    }
}
