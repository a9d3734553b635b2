//! Generators of checked-in code. They are behind the feature `codegen`, so that the daily chores build fast.

#[cfg(not(feature = "codegen"))]
/// Says how to build xtask with its generators.
pub fn run() -> crate::Outcome {
    Err("the generators are not built in: cargo run -p xtask --features codegen -- codegen".to_owned())
}

#[cfg(feature = "codegen")]
pub use onnx::run;

#[cfg(feature = "codegen")]
mod onnx {
    use std::fs;
    use std::process::Command;

    use crate::Outcome;
    use crate::fetch::{self, Contents, Package};

    /// The newest ONNX: message definitions and operator schemas.
    const DEFINITIONS: Package = Package {
        name: "onnx",
        version: "1.23.2",
        sha256: "c03ecf6b835d136108eeaeeafbd0026fc7b3cf98661409fbc6b63d5a29361348",
        purpose: "message definitions for code generation",
        contents: Contents::Below(&["onnx/onnx-ml.proto"]),
    };

    const TARGET: &str = "crates/formats/src/onnx/proto.rs";

    const HEADER: &str = "\
//! ONNX protobuf messages, generated from `onnx-ml.proto` of the pip package onnx 1.23.2 by
//! `cargo run -p xtask --features codegen -- codegen`; do not edit. Their meaning is written down in the
//! [ONNX IR specification](https://github.com/onnx/onnx/blob/main/docs/IR.md).
//!
//! SPDX-License-Identifier: Apache-2.0 (derived from the definitions, copyright ONNX Project Contributors).
#![allow(missing_docs, reason = \"generated; documented by the specification\")]

";

    /// Writes the Rust form of the ONNX messages. `bytes` fields are slices of the decoded buffer, never copies.
    pub fn run() -> Outcome {
        fetch::package(&DEFINITIONS)?;
        let folder = fetch::unpacked(&DEFINITIONS).join("onnx");
        let descriptors = protox::compile([folder.join("onnx-ml.proto")], [&folder])
            .map_err(|error| format!("onnx-ml.proto: {error}"))?;
        let output = fetch::folder().join("generated");
        fs::create_dir_all(&output).map_err(|error| error.to_string())?;
        let mut config = prost_build::Config::new();
        config.bytes(["."]).disable_comments(["."]).out_dir(&output);
        config.compile_fds(descriptors).map_err(|error| format!("onnx-ml.proto: {error}"))?;
        let code = fs::read_to_string(output.join("onnx.rs")).map_err(|error| error.to_string())?;
        fetch::write(&crate::root().join(TARGET), format!("{HEADER}{code}").as_bytes())?;
        let formatted = Command::new("cargo").args(["fmt", "--package", "lehr-formats"]).status();
        if !formatted.is_ok_and(|status| status.success()) {
            return Err(format!("cargo fmt failed on {TARGET}"));
        }
        println!("wrote {TARGET}");
        Ok(())
    }
}
