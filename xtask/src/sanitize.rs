//! `cargo xtask sanitize`: tests of the crates with `unsafe` code, and of what calls them, under AddressSanitizer, which
//! ships with the compiler.
//!
//! ThreadSanitizer does too, but without an instrumented standard library it takes `Arc`, channels and scoped threads
//! for races.

use std::process::Command;

/// The sanitizer must be asked for with an explicit target, so that build scripts and macros stay without it.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Whether this machine is the one whose compiler brings the sanitizer.
pub fn available() -> bool {
    cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))
}

/// The tests under AddressSanitizer, built apart from everything else.
pub fn tests() -> Command {
    let mut command = Command::new("cargo");
    command
        .args([
            "test",
            "--no-fail-fast",
            "--lib",
            "--tests",
            "--target",
            TARGET,
            "--target-dir=target/sanitize",
        ])
        .args(["--package=lehr-tensor", "--package=lehr-kernels", "--package=lehr-ops"])
        .current_dir(crate::root())
        // The flag is unstable, its implementation is LLVM's.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address");
    command
}
