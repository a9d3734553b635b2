//! The command line as a user meets it: exit codes, messages, files.

#[macro_use]
mod support;

mod basics;
mod bundles;
mod deploy;
