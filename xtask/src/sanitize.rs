//! `cargo xtask sanitize`: tests of the crates with `unsafe` code under the sanitizers that ship with the compiler.

use std::process::Command;

/// The sanitizers must be linked into code for an explicit target, so that build scripts stay without them.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A sanitizer and what is tested under it.
pub struct Sanitizer {
    /// What `-Zsanitizer` calls it.
    name: &'static str,
    /// Arguments of `cargo test`.
    tests: &'static [&'static str],
}

/// AddressSanitizer over everything that touches memory through pointers; ThreadSanitizer over what threads share.
/// The standard library is not instrumented, which ThreadSanitizer tolerates as long as the synchronisation itself is
/// in our code.
pub const SANITIZERS: [Sanitizer; 2] = [
    Sanitizer {
        name: "address",
        tests: &["--package=lehr-tensor", "--package=lehr-kernels", "--package=lehr-ops", "--lib", "--tests"],
    },
    Sanitizer { name: "thread", tests: &["--package=lehr-kernels", "--lib", "--", "team::"] },
];

/// Whether this machine is the one whose compiler brings the sanitizers.
pub fn available() -> bool {
    cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))
}

impl Sanitizer {
    /// The tests under this sanitizer, built apart from everything else.
    pub fn tests(&self) -> Command {
        let mut command = Command::new("cargo");
        command
            .args(["test", "--no-fail-fast", "--target", TARGET])
            .args(["--target-dir", &format!("target/{}-sanitizer", self.name)])
            .args(self.tests)
            .current_dir(crate::root())
            // The flag is unstable, its implementation is LLVM's.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", format!("-Zsanitizer={}", self.name));
        command
    }
}
