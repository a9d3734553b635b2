//! Many inputs: answers as they come, errors together at the end.

use std::io::{self, IsTerminal, Write};
use std::num::NonZero;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use lehr::batch::{self, Labels, is_right};
use lehr::{Answers, Predictor, Timings};
use serde_json::json;

use super::sink::Sink;
use super::{Arguments, answers};
use crate::failure::Failure;
use crate::progress::Progress;

/// Errors that are told one by one.
const MOST_ERRORS: usize = 20;

pub fn run(
    arguments: &Arguments,
    predictor: Predictor,
    mut files: Vec<PathBuf>,
    labels: &Labels,
    streams: NonZero<usize>,
) -> Result<(), Failure> {
    let sink = arguments.save.as_deref().map(|path| Sink::open(path, arguments.resume)).transpose()?;
    let all = files.len();
    files.retain(|file| !sink.as_ref().is_some_and(|sink| sink.has(file)));
    if files.len() < all {
        eprintln!("note: {} of {all} inputs are answered already", all - files.len());
    }
    if let Some(folder) = &arguments.draw {
        std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "made", error))?;
    }
    let quiet = sink.is_some() || !io::stdout().is_terminal();
    let progress = Progress::new(files.len(), quiet);
    let mut tally = Tally { arguments, labels, sink, progress, right: 0, known: 0, failed: Vec::new() };
    let start = Instant::now();
    let timings = batch::run(&predictor, &files, streams, |file, answer| tally.take(file, answer))?;
    let seconds = start.elapsed().as_secs_f64();
    tally.finish(files.len(), seconds, timings, streams)
}

struct Tally<'a> {
    arguments: &'a Arguments,
    labels: &'a Labels,
    sink: Option<Sink>,
    progress: Progress,
    right: usize,
    known: usize,
    failed: Vec<(PathBuf, String)>,
}

impl Tally<'_> {
    fn take(
        &mut self,
        file: &Path,
        answer: Result<batch::Answered, lehr::PredictError>,
    ) -> Result<(), Failure> {
        self.progress.step(&file.display().to_string());
        let mut answer = answer.map_err(|error| error.to_string());
        if let (Ok(answered), Some(folder)) = (&answer, &self.arguments.draw) {
            let (target, name) = (folder.join(drawn_name(file)), file.display().to_string());
            match answers::draw(&target, &name, answered.picture.as_ref(), &answered.answers) {
                Err(Failure::Message(problem)) => answer = Err(problem),
                other => other?,
            }
        }
        let answer = answer.map(|answered| answered.answers);
        let right = answer.as_ref().ok().and_then(|answers| is_right(answers, self.labels.of(file)?));
        self.known += usize::from(right.is_some());
        self.right += usize::from(right == Some(true));
        match &mut self.sink {
            Some(sink) => sink.put(file, &answer)?,
            None => print(file, &answer, right, self.arguments)?,
        }
        self.failed.extend(answer.err().map(|error| (file.to_owned(), error)));
        Ok(())
    }

    fn finish(
        self,
        count: usize,
        seconds: f64,
        timings: Timings,
        streams: NonZero<usize>,
    ) -> Result<(), Failure> {
        drop(self.progress);
        self.sink.map_or(Ok(()), Sink::finish)?;
        let share = |part: std::time::Duration| {
            100.0 * part.as_secs_f64() / timings.total().as_secs_f64().max(f64::MIN_POSITIVE)
        };
        eprintln!(
            "{count} inputs in {seconds:.2} s on {streams} threads, {:.1} per second: {:.0} % before the model, {:.0} % in it, {:.0} % behind it",
            count as f64 / seconds.max(f64::MIN_POSITIVE),
            share(timings.prepare),
            share(timings.infer),
            share(timings.finish),
        );
        if self.known > 0 {
            let accuracy = 100.0 * self.right as f64 / self.known as f64;
            eprintln!("{} of {} labels are right: {accuracy:.2} %", self.right, self.known);
        }
        if self.failed.is_empty() {
            return Ok(());
        }
        eprintln!("error: {} of {count} inputs have no answer:", self.failed.len());
        for (_, error) in self.failed.iter().take(MOST_ERRORS) {
            eprintln!("  {error}");
        }
        if self.failed.len() > MOST_ERRORS {
            eprintln!("  … {} more", self.failed.len() - MOST_ERRORS);
        }
        Err(Failure::Reported)
    }
}

fn print(
    file: &Path,
    answer: &Result<Answers, String>,
    right: Option<bool>,
    arguments: &Arguments,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let name = file.display();
    match answer {
        Ok(answers) if arguments.json.json => {
            let mut line = json!({"input": name.to_string(), "answers": answers.to_json()});
            if let Some(right) = right {
                line["right"] = json!(right);
            }
            writeln!(out, "{line}")?;
        }
        Err(error) if arguments.json.json => {
            writeln!(out, "{}", json!({"input": name.to_string(), "error": error}))?;
        }
        Ok(answers) => {
            let mark = match right {
                Some(true) => "  ✓",
                Some(false) => "  ✗",
                None => "",
            };
            writeln!(out, "{name}: {}{mark}", answers::summary(answers))?;
        }
        // Told at the end.
        Err(_) => {}
    }
    Ok(())
}

/// The name of a picture in the folder of drawn ones: folders become part of it, so that names do not clash.
fn drawn_name(file: &Path) -> String {
    let parts = file.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_string_lossy()),
        _ => None,
    });
    format!("{}.png", parts.collect::<Vec<_>>().join("-"))
}
