//! `lehr`: the command line.
//!
//! Exit codes: 0 done (also when the reader of the output has gone away), 1 the model or the data is at fault, 2 wrong
//! usage.
#![forbid(unsafe_code)]

mod arguments;
mod atomic;
mod columns;
mod commands;
mod failure;
mod feeds;
mod numbers;
mod pass_table;
mod progress;
mod report;

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::Parser;

use crate::arguments::Cli;
use crate::failure::Failure;

/// Deeply nested models must not end in a stack overflow; untouched pages cost nothing.
const STACK_BYTES: usize = 256 << 20;

fn main() -> ExitCode {
    report_panics_in_one_line();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell when this fails.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let worker = std::thread::Builder::new()
        .name("lehr".into())
        .stack_size(STACK_BYTES)
        .spawn(move || commands::run(cli.command));
    let result = match worker {
        Ok(worker) => worker.join().unwrap_or(Err(Failure::Reported)),
        Err(error) => Err(Failure::Message(format!("can not start a thread: {error}"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.exit_code())
        }
    }
}

fn report_panics_in_one_line() {
    std::panic::set_hook(Box::new(|panic| {
        if commands::conformance::CATCHES_PANICS.load(Ordering::Relaxed) {
            return;
        }
        let place = panic.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message").replace('\n', " ");
        eprintln!("error: internal error at {place}: {message} (help: please report it with the command)");
    }));
}
