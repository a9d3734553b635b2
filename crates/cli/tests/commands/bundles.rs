//! Bundles on the command line: every command takes them, `verify` checks them.

use std::fs;
use std::path::PathBuf;

use lehr::Model;
use lehr::bundle::{Bundle, Contents, Kind, OpenOptions};
use serde_json::{Value, json};

use crate::support::{Folder, affine, assert_fails, json_of, root, rows, stdout_of, text_of};

/// A small bundle with everything in it.
fn version1() -> PathBuf {
    root().join("crates/lehr/tests/data/version1.lehr")
}

#[test]
fn models_go_through_bundles_and_back() {
    let folder = Folder::new("bundles");
    let (bundle, onnx) = (folder.path("m.lehr"), folder.path("m.onnx"));
    let recorded =
        folder.npz("r.npz", &[("x", rows(&[[1.0, 2.0, 3.0]])), ("output:y", rows(&[[1.5, 1.5, 3.5]]))]);
    let json = json_of(&lehr!("convert", affine(), "-o", bundle, "--verify", recorded, "--json"));
    assert_eq!((&json["segments"], &json["verified_outputs"]), (&json!(4), &json!(1)));
    stdout_of(&lehr!("convert", bundle, "-o", onnx, "--verify", recorded));
    let text = stdout_of(&lehr!("compare", bundle, onnx, "--feed", recorded));
    assert!(text.ends_with("the outputs agree\n"), "{text}");
    assert!(stdout_of(&lehr!("check", bundle)).contains("0 errors, 0 warnings"));
    assert!(stdout_of(&lehr!("run", bundle, "--feed", recorded)).starts_with("y: f32[1,3]"));
    assert_eq!(json_of(&lehr!("bench", bundle, "--min-time", "0", "--min-runs", "1", "--json"))["runs"], 1);
    assert_fails(&lehr!("convert", affine(), "-o", bundle, "--opset", "21"), 2, "are for .onnx files");
    assert_eq!(folder.entries(), ["m.lehr", "m.onnx", "r.npz"]);
}

#[test]
fn optimizing_adds_a_stage_and_keeps_what_came_along() {
    let folder = Folder::new("optimize-bundle");
    let out = folder.path("out.lehr");
    json_of(&lehr!(
        "optimize",
        version1(),
        "-o",
        out,
        "--level",
        "1",
        "--disable",
        "remove_identities",
        "--json"
    ));
    let (before, after) = (Model::load(version1()).unwrap(), Model::load(&out).unwrap());
    let Contents { pipeline, files, provenance } = after.contents();
    assert_eq!((pipeline, files), (&before.contents().pipeline, &before.contents().files));
    assert_eq!(provenance.source, before.contents().provenance.source);
    let stages: Vec<_> = provenance.stages.iter().map(|stage| stage.stage.as_str()).collect();
    assert_eq!(stages, ["import", "optimize"]);
    assert_eq!(provenance.stages[1].settings["disable"], json!(["remove_identities"]));
    assert_eq!(provenance.stages[1].results["nodes_before"], 6);

    let onnx = folder.path("out.onnx");
    let output = lehr!("convert", out, "-o", onnx);
    assert!(text_of(&output.stderr).contains("note: the pipeline and 1 files of the bundle are left out"));
    let first = folder.path("first.lehr");
    json_of(&lehr!("convert", affine(), "-o", first, "--level", "2", "--json"));
    let provenance = &Model::load(&first).unwrap().contents().provenance.clone();
    assert_eq!(provenance.source.as_ref().unwrap().file, "affine.onnx");
    assert_eq!(provenance.stages[0].settings["level"], "O2");
}

#[test]
fn inspect_shows_segments_and_provenance() {
    let text = stdout_of(&lehr!("inspect", version1()));
    for part in ["segments   7 in 5120 bytes", "1024 bytes weights", "bytes file labels/trees.txt"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.contains("source     version1.txt, ") && text.contains("stages     import"), "{text}");
    let json = json_of(&lehr!("inspect", version1(), "--json"));
    assert_eq!(json["bundle"]["segments"][6]["kind"], "weights");
    assert_eq!(json["bundle"]["provenance"]["stages"][0]["results"]["nodes"], 6);
    assert!(json["bundle"]["pipeline"].as_str().unwrap().starts_with("schema = 1"));
    assert_eq!(json_of(&lehr!("inspect", affine(), "--json"))["bundle"], Value::Null);
}

#[test]
fn verify_tells_every_mismatch() {
    let text = stdout_of(&lehr!("verify", version1()));
    assert!(text.contains("1024 bytes  ok       weights") && text.contains("as it was written"), "{text}");
    let json = json_of(&lehr!("verify", version1(), "--json"));
    assert_eq!((&json["clean"], &json["problems"], &json["bytes"]), (&json!(true), &json!([]), &json!(5120)));

    let folder = Folder::new("verify");
    let damaged = folder.path("damaged.lehr");
    let mut bytes = fs::read(version1()).unwrap();
    let bundle = Bundle::open(version1(), OpenOptions::default()).unwrap();
    let graph = bundle.find(Kind::GRAPH, "").unwrap().offset as usize;
    bytes[graph + 20] ^= 4;
    bytes[4000] = 1;
    fs::write(&damaged, &bytes).unwrap();
    let output = lehr!("verify", damaged);
    let text = text_of(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "DAMAGED  graph",
        "error: segment graph was changed: expected BLAKE3",
        "error: byte 4000",
        "2 problems",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let output = lehr!("verify", damaged, "--json");
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["clean"], &json["segments"][0]["intact"]), (&json!(false), &json!(false)));
    assert_eq!(json["problems"].as_array().unwrap().len(), 2);

    fs::write(&damaged, &bytes[..3000]).unwrap();
    assert_fails(
        &lehr!("verify", damaged),
        1,
        "damaged.lehr' can not be verified: expected 5120 bytes, got 3000",
    );
    let output = lehr!("verify", damaged, "--json");
    assert!(text_of(&output.stdout).contains("expected 5120 bytes, got 3000"));
    assert_fails(&lehr!("run", damaged, "--feed", damaged), 1, "error[E0002]");
    assert_fails(&lehr!("verify", affine()), 1, "expected a .lehr bundle, got other data");
    assert_fails(&lehr!("verify", folder.path("none")), 1, "none' can not be verified");
}

/// The limit of file sizes stands in for a full disk: the writer gets an error in the middle of the file.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let folder = Folder::new("full-disk");
    for out in ["out.lehr", "out.onnx", "out.txt"] {
        let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" convert \"$1\" -o \"$2\"";
        let large = folder.path("large.txt");
        let numbers: Vec<_> = (0..4000).map(|i| i.to_string()).collect();
        let graph = format!(
            "graph {{ input %x: i64[4000] const %c = i64[4000] [{}] %y = Add(%x, %c) output %y }}",
            numbers.join(",")
        );
        fs::write(&large, graph).unwrap();
        let output = std::process::Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_lehr")])
            .args([&large, &folder.path(out)])
            .output()
            .unwrap();
        assert_fails(&output, 1, "can not be written: File too large");
        assert_eq!(folder.entries(), ["large.txt"]);
    }
}
