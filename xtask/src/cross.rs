//! `cargo xtask cross`: tests of the crates with `unsafe` code on another instruction set, compiled by Debian's toolchain
//! and run under emulation.

use std::path::Path;
use std::process::Command;

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
const EMULATOR: &str = "qemu-aarch64-static";
/// Debian's toolchain: the one of rustup has no other standard library unless it is downloaded.
const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";

/// What is missing here for the chore and how to get it, if anything is.
pub fn missing() -> Option<String> {
    let mut wanted = Vec::new();
    if !Path::new(CARGO).exists() {
        wanted.push("cargo-web");
    }
    if !Path::new(RUSTC).exists() {
        wanted.push("rustc-web");
    }
    if !has_standard_library() {
        wanted.push("libstd-rust-web-dev:arm64");
    }
    if !answers(LINKER) {
        wanted.extend(["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
    }
    if !answers(EMULATOR) {
        wanted.push("qemu-user-static");
    }
    if wanted.is_empty() {
        return None;
    }
    let packages = wanted.join(" ");
    Some(format!(
        "missing for {TARGET}; on Debian: dpkg --add-architecture arm64 && apt-get update && apt-get install {packages}"
    ))
}

/// The tests of `tensor` and `kernels` for AArch64, which is where the NEON tier runs.
pub fn tests() -> Command {
    let mut command = Command::new(CARGO);
    command
        .args([
            "test",
            "--no-fail-fast",
            "--package=lehr-tensor",
            "--package=lehr-kernels",
            "--lib",
            "--tests",
        ])
        .args(["--target", TARGET, "--target-dir", "target/cross"])
        .current_dir(crate::root())
        // Whoever started this chore (rustup) may have set these for another toolchain.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTFLAGS")
        .env("RUSTC", RUSTC)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", EMULATOR)
        // The dynamic C library of the cross packages spins for ever in its first new thread under the emulator.
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    command
}

fn has_standard_library() -> bool {
    let output = Command::new(RUSTC).args(["--print", "target-libdir", "--target", TARGET]).output();
    output.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout);
        output.status.success() && Path::new(folder.trim()).is_dir()
    })
}

fn answers(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
