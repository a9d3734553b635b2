//! `lehr compare`: how far two models, or two ways of running one, are apart.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use lehr::comparison::{Difference, agree, difference};
use lehr::{Datum, Feeds, Keep, Model, ModelOptions, OptLevel, Outputs};
use serde_json::{Value, json};

use crate::arguments::{Execution, Feed, Json, Shapes, Tolerance};
use crate::failure::Failure;
use crate::feeds;
use crate::numbers::short;

/// Compare the outputs of two models, or of one model and its reference evaluation
#[derive(Debug, Args)]
pub struct Arguments {
    /// The model in question
    a: PathBuf,

    /// What it is compared with
    #[arg(required_unless_present = "reference", conflicts_with = "reference")]
    b: Option<PathBuf>,

    /// Compare with the reference evaluation of the same model
    #[arg(long)]
    reference: bool,

    #[command(flatten)]
    feed: Feed,

    #[command(flatten)]
    shapes: Shapes,

    #[command(flatten)]
    tolerance: Tolerance,

    #[command(flatten)]
    execution: Execution,

    #[command(flatten)]
    json: Json,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let a = super::load(&arguments.a)?;
    let path_b = arguments.b.as_ref().unwrap_or(&arguments.a);
    let b = if arguments.b.is_some() { super::load(path_b)? } else { a.clone() };
    let sizes = arguments.shapes.assignment();
    let signature = arguments.shapes.apply(a.clone())?;
    let fed = feeds::recorded_or_made_up(arguments.feed.feed.as_deref(), &signature, &sizes)?;
    let sides = Sides { arguments, a: &a, b: &b, path_b, fed: &fed };
    let (ours, theirs) = sides.run(Keep::Nothing, arguments.execution.level())?;
    let rows = compare_outputs(&ours, &theirs, arguments.tolerance.tolerance)?;
    let agrees = rows.iter().all(|row| row.problem.is_none());
    // Optimised graphs have other inner values, so the search for the first difference runs without passes.
    let first = if agrees { None } else { sides.first_diverging()? };
    let mut out = io::stdout().lock();
    if arguments.json.json {
        let outputs: Vec<_> = rows.iter().map(Row::json).collect();
        let first = first.map(|(name, problem)| json!({"value": name, "problem": problem}));
        writeln!(out, "{}", json!({"agrees": agrees, "outputs": outputs, "first_diverging": first}))?;
    } else {
        for row in &rows {
            writeln!(out, "{}", row.text())?;
        }
        if let Some((name, problem)) = first {
            writeln!(out, "first diverging value: {name}: {problem}")?;
        }
        writeln!(out, "{}", if agrees { "the outputs agree" } else { "the outputs differ" })?;
    }
    out.flush()?;
    if agrees { Ok(()) } else { Err(Failure::Reported) }
}

/// Both sides of the comparison.
struct Sides<'a> {
    arguments: &'a Arguments,
    a: &'a Model,
    b: &'a Model,
    path_b: &'a PathBuf,
    fed: &'a feeds::NamedValues,
}

impl Sides<'_> {
    fn run(&self, keep: Keep, optimize: OptLevel) -> Result<(Outputs, Outputs), Failure> {
        let options = ModelOptions { keep, optimize, ..self.arguments.execution.options() };
        let feeds = || self.fed.iter().cloned().collect::<Feeds>();
        let ours = super::session(self.a, &options, &self.arguments.a)?.run(feeds())?;
        let options = match self.arguments.reference {
            true => ModelOptions { reference: true, optimize: OptLevel::O0, ..options },
            false => options,
        };
        Ok((ours, super::session(self.b, &options, self.path_b)?.run(feeds())?))
    }

    /// The first value of A, in the order of execution, that differs from the value of that name in B.
    fn first_diverging(&self) -> Result<Option<(String, String)>, Failure> {
        let (ours, theirs) = self.run(Keep::All, OptLevel::O0)?;
        let by_name: HashMap<&str, &Datum> = theirs.kept().collect();
        let pairs = ours.kept().filter_map(|(name, value)| Some((name, value, *by_name.get(name)?)));
        for (name, ours, theirs) in pairs {
            if let Err(problem) = agree(ours, theirs, self.arguments.tolerance.tolerance) {
                return Ok(Some((self.describe(name), problem)));
            }
        }
        Ok(None)
    }

    /// The value with the node that produces it.
    fn describe(&self, name: &str) -> String {
        let graph = self.a.graph();
        let value = graph.value_ids().find(|&id| graph.value(id).name() == Some(name));
        let producer = value.and_then(|id| graph.producer(id)).map(|id| graph.node(id));
        match producer {
            Some(node) => format!("'{name}' of node '{}' ({})", node.name(), node.op().full_name()),
            None => format!("'{name}'"),
        }
    }
}

struct Row {
    name: String,
    difference: Option<Difference>,
    problem: Option<String>,
}

impl Row {
    fn text(&self) -> String {
        let mut text = format!("{}:", self.name);
        if let Some(d) = &self.difference {
            text += &format!(
                " max|a-b| {}  max|b| {}  ratio {:.3e}  SQNR {} dB",
                short(d.max_abs),
                short(d.magnitude),
                d.max_rel,
                short(d.sqnr_db)
            );
            if let Some(agreement) = d.agreement {
                text += &format!("  argmax agrees in {:.2} %", 100.0 * agreement);
            }
        }
        match (&self.problem, &self.difference) {
            (Some(_), Some(_)) => text += "  DIFFERS",
            (Some(problem), None) => text += &format!(" DIFFERS: {problem}"),
            (None, Some(_)) => {}
            (None, None) => text += " equal",
        }
        text
    }

    fn json(&self) -> Value {
        let mut json = json!({"name": self.name, "agrees": self.problem.is_none(), "problem": self.problem});
        if let Some(d) = &self.difference {
            json["max_abs"] = json!(d.max_abs);
            json["max_b"] = json!(d.magnitude);
            json["max_rel"] = json!(d.max_rel);
            // JSON has no infinity: equal outputs have no noise and no ratio.
            json["sqnr_db"] = json!(d.sqnr_db.is_finite().then_some(d.sqnr_db));
            json["argmax_agreement"] = json!(d.agreement);
        }
        json
    }
}

/// Outputs by name where both have it, by position otherwise.
fn compare_outputs(a: &Outputs, b: &Outputs, tolerance: f64) -> Result<Vec<Row>, Failure> {
    let (n_a, n_b) = (a.iter().count(), b.iter().count());
    if n_a != n_b {
        return Err(Failure::Message(format!("the models have {n_a} and {n_b} outputs, expected as many")));
    }
    let rows = a.iter().enumerate().map(|(index, (name, ours))| {
        let named = b.iter().find(|(own, _)| *own == name).map(|(_, value)| value);
        let Some(theirs) = named.or_else(|| b.get(index)) else {
            return Row { name: name.to_owned(), difference: None, problem: Some("is missing".into()) };
        };
        let difference = match (ours, theirs) {
            (Datum::Tensor(x), Datum::Tensor(y)) => difference(x, y).ok(),
            _ => None,
        };
        Row { name: name.to_owned(), difference, problem: agree(ours, theirs, tolerance).err() }
    });
    Ok(rows.collect())
}
