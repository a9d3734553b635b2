//! `lehr completions` and `lehr man`: files made of the definition of the command line.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Cli;
use crate::atomic;
use crate::failure::Failure;

/// Print the completion script for a shell
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

/// Write the manual pages into a folder
#[derive(Debug, Args)]
pub struct ManArguments {
    /// The folder; it is made if need be
    folder: PathBuf,
}

pub fn completions(arguments: &CompletionsArguments) -> Result<(), Failure> {
    // The generator panics when it can not write.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "lehr", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    Ok(out.flush()?)
}

pub fn man(arguments: &ManArguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "created", error))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write_page(&command, folder, "lehr")?;
    for inner in command.get_subcommands() {
        write_page(inner, folder, &format!("lehr-{}", inner.get_name()))?;
    }
    Ok(())
}

fn write_page(command: &clap::Command, folder: &std::path::Path, name: &str) -> Result<(), Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    atomic::write_bytes(&folder.join(format!("{name}.1")), &page)
}
