//! The command line as a user meets it: exit codes, messages, files.

use std::fs;
use std::process::Command;

use lehr::Tensor;
use lehr::graph::text;
use lehr::onnx::data::write_tensor_message;
use lehr::tensor::npz;
use serde_json::Value;

use crate::support::{Folder, affine, assert_fails, json_of, lehr, root, rows, stdout_of, text_of};

#[test]
fn run_prints_and_saves_outputs() {
    let folder = Folder::new("run");
    let feed = folder.npz("in.npz", &[("x", rows(&[[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]]))]);
    let out = folder.path("out.npz");
    let text = stdout_of(&lehr!("run", affine(), "--feed", feed, "--save", out, "--top-k", "2"));
    assert!(text.starts_with("y: f32[2,3]  min 0  max 4.5"), "{text}");
    assert!(text.contains("row 1: 0 (0."), "{text}");
    let saved = npz::read(fs::File::open(&out).unwrap()).unwrap();
    assert_eq!(saved, [("y".to_owned(), rows(&[[1.5, 1.5, 3.5], [4.5, 0.0, 0.5]]))]);
    for extra in [&["--reference"][..], &["--optimize", "0"], &["--threads", "1", "--isa", "scalar"]] {
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"run", &"--json"];
        let (model, flag) = (affine(), "--feed");
        arguments.extend([&model as &dyn AsRef<std::ffi::OsStr>, &flag, &feed]);
        arguments.extend(extra.iter().map(|a| a as &dyn AsRef<std::ffi::OsStr>));
        let json = json_of(&lehr(&arguments));
        assert_eq!(json["outputs"][0]["shape"], serde_json::json!([2, 3]));
        assert_eq!(json["outputs"][0]["max"], 4.5);
    }
}

#[test]
fn run_takes_value_files_and_profiles() {
    let folder = Folder::new("pb");
    fs::write(folder.path("input_0.pb"), write_tensor_message("x", &rows(&[[0.0; 3]]))).unwrap();
    let text = stdout_of(&lehr!("run", affine(), "--feed", folder.0, "--profile"));
    assert!(text.contains("shift") && text.contains("clip"), "{text}");
}

#[test]
fn bad_input_is_refused_with_the_reason() {
    let folder = Folder::new("bad");
    let truncated = folder.path("cut.onnx");
    let bytes = fs::read(affine()).unwrap();
    fs::write(&truncated, &bytes[..bytes.len() / 2]).unwrap();
    fs::write(folder.path("empty.onnx"), b"").unwrap();
    let good = folder.npz("good.npz", &[("x", rows(&[[0.0; 3]]))]);
    let name = folder.npz("name.npz", &[("z", rows(&[[0.0; 3]]))]);
    let dtype = folder.npz("dtype.npz", &[("x", Tensor::from_vec(&[1, 3], vec![1.0f64; 3]).unwrap())]);
    let rank = folder.npz("rank.npz", &[("x", Tensor::vector(vec![0.0f32; 3]))]);
    let size = folder.npz("size.npz", &[("x", Tensor::from_vec(&[1, 4], vec![0.0f32; 4]).unwrap())]);
    fs::write(folder.path("broken.npz"), &fs::read(&good).unwrap()[..40]).unwrap();
    let nowhere = folder.path("no/such/folder/out.npz");
    for (output, code, part) in [
        (lehr!("run", folder.path("nix.onnx"), "--feed", good), 1, "nix.onnx' can not be read"),
        (lehr!("run", folder.0, "--feed", good), 1, "is a folder"),
        (lehr!("run", truncated, "--feed", good), 1, "error[E0"),
        (lehr!("run", folder.path("empty.onnx"), "--feed", good), 1, "the file is empty"),
        (lehr!("run", affine(), "--feed", name), 1, "no input named 'z', expected one of 'x'"),
        (lehr!("run", affine(), "--feed", dtype), 1, "input 'x': expected elements of type f32, got f64"),
        (lehr!("run", affine(), "--feed", rank), 1, "rank is 1, expected 2"),
        (lehr!("run", affine(), "--feed", size), 1, "input 'x': expected shape [N,3], got [1, 4]"),
        (lehr!("run", affine(), "--feed", folder.path("nix.npz")), 1, "nix.npz' can not be read"),
        (lehr!("run", affine(), "--feed", folder.path("broken.npz")), 1, "broken.npz' can not be read"),
        (lehr!("run", affine(), "--feed", good, "--save", nowhere), 1, "can not be written"),
        (lehr!("run", affine(), "--feed", good, "--save", folder.0), 1, "it is a folder"),
        (lehr!("run", affine()), 2, "--feed"),
        (lehr!("run"), 2, "<MODEL>"),
        (lehr!("frobnicate"), 2, "frobnicate"),
        (lehr!("run", affine(), "--optimize", "9"), 2, "9"),
        (lehr!("run", affine(), "--isa", "sse9"), 2, "sse9"),
        (lehr!("bench", affine(), "--shape", "N=x"), 2, "no size"),
        (lehr!("convert", affine(), "-o", folder.path("out.doc")), 2, ".onnx, .lehr or .txt"),
        (lehr!("convert", affine(), "-o", folder.path("o.onnx"), "--opset", "3"), 1, "opset 3"),
        (lehr!("convert", affine(), "-o", folder.path("no/o.onnx")), 1, "can not be written"),
        (lehr!("conformance", folder.0), 1, "no model.onnx"),
        (lehr!("compare", affine()), 2, "<B>"),
    ] {
        assert_fails(&output, code, part);
    }
    let left = folder.entries();
    assert!(left.iter().all(|name| !name.starts_with('.') && !name.starts_with("out")), "{left:?}");
}

#[test]
fn external_data_stays_in_the_folder_of_the_model() {
    use lehr::onnx::proto::tensor_proto::DataLocation;
    use lehr::onnx::proto::{
        GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    };
    let folder = Folder::new("external");
    fs::write(folder.path("secret.bin"), [0u8; 4]).unwrap();
    fs::create_dir(folder.path("model")).unwrap();
    for location in ["../secret.bin", "/etc/hostname", "missing.bin"] {
        let entry = StringStringEntryProto { key: Some("location".into()), value: Some(location.into()) };
        let weight = TensorProto {
            name: Some("w".into()),
            dims: vec![1],
            data_type: Some(1),
            data_location: Some(DataLocation::External as i32),
            external_data: vec![entry],
            ..TensorProto::default()
        };
        let model = ModelProto {
            ir_version: Some(10),
            opset_import: vec![OperatorSetIdProto { domain: None, version: Some(21) }],
            graph: Some(GraphProto { initializer: vec![weight], ..GraphProto::default() }),
            ..ModelProto::default()
        };
        let path = folder.path("model/m.onnx");
        fs::write(&path, prost::Message::encode_to_vec(&model)).unwrap();
        let output = lehr!("check", path);
        assert_eq!(output.status.code(), Some(1));
        assert!(text_of(&output.stdout).contains("error[E0003]"), "{location}: {}", text_of(&output.stdout));
    }
}

#[test]
fn check_reports_everything() {
    let text = stdout_of(&lehr!("check", affine()));
    assert!(text.contains("0 errors, 0 warnings") && text.contains("Relu"), "{text}");
    let folder = Folder::new("check");
    fs::write(folder.path("junk.onnx"), b"this is no model").unwrap();
    let output = lehr!("check", "--json", affine(), folder.path("junk.onnx"));
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json[0]["usable"], true);
    assert_eq!(json[0]["operators"][0]["name"], "Add");
    assert_eq!(json[1]["diagnostics"][0]["severity"], "error");
}

#[test]
fn inspect_shows_signature_work_and_text() {
    let text = stdout_of(&lehr!("inspect", affine(), "--shape", "N=2"));
    assert!(text.contains("x: f32[N,3]") && text.contains("symbols    N") && text.contains("µJ"), "{text}");
    let json = json_of(&lehr!("inspect", affine(), "--json"));
    assert_eq!((&json["nodes"], &json["parameters"]), (&Value::from(2), &Value::from(3)));
    let json = json_of(&lehr!("inspect", affine(), "--json", "--shape", "x=5x3"));
    assert_eq!(
        (&json["inputs"][0]["type"], &json["outputs"][0]["type"]),
        (&"f32[5,3]".into(), &"f32[5,3]".into())
    );
    let printed = stdout_of(&lehr!("inspect", affine(), "--text", "--full"));
    let graph = text::parse(&printed, &lehr::ops::registry::Operators).unwrap();
    assert_eq!(graph, lehr::Model::load(affine()).unwrap().into_graph());
    let plan = stdout_of(&lehr!("inspect", affine(), "--plan"));
    assert!(plan.contains("'shift'") && plan.contains("y: Output"), "{plan}");
}

#[test]
fn bench_prints_one_line_with_its_fields() {
    let folder = Folder::new("bench");
    let outputs = folder.path("raw");
    let output = lehr!(
        "bench",
        affine(),
        "--shape",
        "N=4",
        "--min-time",
        "0",
        "--min-runs",
        "3",
        "--warmup",
        "1",
        "--json",
        "--outputs",
        outputs,
    );
    assert_eq!(stdout_of(&output).lines().count(), 1);
    let json = json_of(&output);
    let fields: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        "load_ms first_ms median_ms p10_ms p90_ms p99_ms min_ms runs rss_mb arena_mb version outputs";
    assert_eq!(fields.join(" "), expected);
    assert_eq!(json["runs"], 3);
    let raw = fs::read(json["outputs"][0].as_str().unwrap()).unwrap();
    assert_eq!(raw.len(), 4 * 3 * 4);
}

#[test]
fn convert_verifies_and_compare_finds_the_difference() {
    let folder = Folder::new("convert");
    let out = folder.path("out.onnx");
    let x = rows(&[[1.0, 2.0, 3.0]]);
    let right = folder.npz("right.npz", &[("x", x.clone()), ("output:y", rows(&[[1.5, 1.5, 3.5]]))]);
    let wrong = folder.npz("wrong.npz", &[("x", x), ("y", rows(&[[1.5, 1.5, 9.0]]))]);
    let json = json_of(&lehr!("convert", affine(), "-o", out, "--opset", "17", "--verify", right, "--json"));
    assert_eq!((&json["opset"], &json["verified_outputs"]), (&Value::from(17), &Value::from(1)));
    assert_fails(&lehr!("convert", affine(), "-o", out, "--verify", wrong), 1, "output 'y': max|a-b| 5.5");
    assert!(stdout_of(&lehr!("compare", affine(), out, "--feed", right)).ends_with("the outputs agree\n"));
    stdout_of(&lehr!("compare", affine(), "--reference", "--feed", right));

    let other = folder.path("other.txt");
    stdout_of(&lehr!("convert", affine(), "-o", other));
    let changed = fs::read_to_string(&other).unwrap().replace("[0.5, -0.5, 0.5]", "[0.5, -0.5, 1.5]");
    fs::write(&other, changed).unwrap();
    let output = lehr!("compare", affine(), other, "--feed", right);
    assert_eq!(output.status.code(), Some(1));
    let text = text_of(&output.stdout);
    assert!(text.contains("first diverging value: 's' of node 'shift' (Add)"), "{text}");
}

#[test]
fn optimize_reports_and_keeps_results() {
    let folder = Folder::new("optimize");
    let (source, out) = (folder.path("in.txt"), folder.path("out.onnx"));
    let graph = "graph { input %x: f32[N,3] %a = Identity(%x) %b = Relu(%a) output %b as \"y\" }";
    fs::write(&source, graph).unwrap();
    let json = json_of(&lehr!("optimize", source, "-o", out, "--check", "--explain", "--json"));
    assert_eq!((&json["nodes_before"], &json["nodes_after"]), (&Value::from(2), &Value::from(1)));
    assert_eq!((&json["unchecked"], &json["notes"].is_array()), (&Value::Null, &true));
    let kept = ["--disable", "remove_identities", "--stop-after", "fold_constants"];
    let json = json_of(&lehr!("optimize", source, "-o", out, "--json", kept[0], kept[1], kept[2], kept[3]));
    assert_eq!(json["nodes_after"], 2);
    assert_eq!(json_of(&lehr!("optimize", source, "-o", out, "--json", "--max-edits", "0"))["edits"], 0);
    let text = stdout_of(&lehr!("optimize", source, "-o", out, "--bisect", "--only", "remove_identities"));
    assert!(text.contains("remove_identities  bit-exact      1     -1"), "{text}");
    assert!(text.contains("2 nodes became 1; no edit of 1 changes a result"), "{text}");
    let text = stdout_of(&lehr!("optimize", source, "-o", out, "--explain", "--exact"));
    assert!(text.contains("remove_identities (bit-exact)\n  edit 1 at 'a'\n"), "{text}");
    let json = json_of(&lehr!("optimize", source, "-o", out, "--json", "--explain"));
    let pass =
        json["passes"].as_array().unwrap().iter().find(|pass| pass["pass"] == "remove_identities").unwrap();
    assert_eq!((&pass["nodes"], &pass["exactness"]), (&Value::from(-1), &Value::from("bit-exact")));
    assert_eq!(json["log"][0]["place"], "'a'");
    let text = stdout_of(&lehr!("optimize", source, "-o", out, "--level", "1"));
    assert!(text.contains("2 nodes became 1") && text.contains("opset"), "{text}");
    assert_fails(&lehr!("optimize", source, "-o", out, "--disable", "nonsense"), 2, "remove_identities");
}

#[test]
fn optimize_settles_sizes_before_the_passes() {
    let folder = Folder::new("optimize_shapes");
    let (source, out) = (folder.path("in.txt"), folder.path("out.txt"));
    let graph = "graph { input %x: f32[N,3] %s = Shape(%x) %a = Reshape(%x, %s) output %a as \"y\" output %s as \"s\" }";
    fs::write(&source, graph).unwrap();
    for arguments in [["--batch", "4"], ["--input-shape", "x=4x3"], ["--input-shape", "N=4"]] {
        stdout_of(&lehr!("optimize", source, "-o", out, arguments[0], arguments[1]));
        let text = fs::read_to_string(&out).unwrap();
        assert!(
            text.contains("%x: f32[4,3]") && text.contains("[4, 3]") && !text.contains("Shape"),
            "{text}"
        );
    }
    let wrong = lehr!("optimize", source, "-o", out, "--input-shape", "x=4x5");
    assert_fails(&wrong, 1, "input 'x': expected [N,3], got [4,5]: axis 1");
    let wrong = lehr!("optimize", source, "-o", out, "--input-shape", "q=4x5");
    assert_fails(&wrong, 1, "no input is named 'q', expected one of: x");
    stdout_of(&lehr!("optimize", out, "-o", folder.path("other.txt"), "--input-shape", "x=4x3"));
    assert_fails(
        &lehr!("optimize", out, "-o", out, "--batch", "5"),
        1,
        "no input has a symbolic first dimension to bind to 5",
    );
}

#[test]
fn conformance_counts_and_judges() {
    let folder = Folder::new("conformance");
    for (case, y) in [("good", 1.5), ("wrong", 2.5), ("unrecorded", f32::NAN)] {
        let set = folder.path(case).join("test_data_set_0");
        fs::create_dir_all(&set).unwrap();
        fs::copy(affine(), folder.path(case).join("model.onnx")).unwrap();
        fs::write(set.join("input_0.pb"), write_tensor_message("x", &rows(&[[1.0, 2.0, 3.0]]))).unwrap();
        if case != "unrecorded" {
            fs::write(set.join("output_0.pb"), write_tensor_message("y", &rows(&[[y, 1.5, 3.5]]))).unwrap();
        }
    }
    let output = lehr!("conformance", folder.0, "--export");
    let text = text_of(&output.stdout);
    assert_eq!(text, text_of(&lehr!("conformance", folder.0, "--bundle").stdout));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!((lines[0], lines[3]), ("PASS good", "1 passed, 1 failed, 1 skipped"));
    assert!(lines[1].starts_with("SKIP unrecorded") && lines[2].contains("expected 2.5, got 1.5"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_a_closed_pipe_is_not() {
    let run = |out: fs::File| {
        Command::new(env!("CARGO_BIN_EXE_lehr")).arg("inspect").arg(affine()).stdout(out).output().unwrap()
    };
    assert_fails(&run(fs::OpenOptions::new().write(true).open("/dev/full").unwrap()), 1, "standard output");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status =
        Command::new(env!("CARGO_BIN_EXE_lehr")).arg("inspect").arg(affine()).stdout(writer).status();
    assert_eq!(status.unwrap().code(), Some(0));
}

#[test]
fn generated_files_are_fresh() {
    let folder = Folder::new("generated");
    stdout_of(&lehr!("man", folder.0));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout_of(&lehr!("completions", shell));
        fs::write(folder.path(&format!("lehr.{shell}")), script).unwrap();
    }
    for name in folder.entries() {
        let place =
            root().join("docs").join(if name.ends_with(".1") { "man" } else { "completions" }).join(&name);
        let made = fs::read_to_string(folder.path(&name)).unwrap();
        if std::env::var_os("LEHR_WRITE_DOCS").is_some() {
            fs::write(&place, &made).unwrap();
        }
        assert!(
            fs::read_to_string(&place).is_ok_and(|committed| committed == made),
            "{} is stale: run `cargo xtask docs`",
            place.display()
        );
    }
}

/// The shell lines of the README, without their prompts.
fn readme_commands() -> Vec<String> {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    let commands = readme_commands();
    assert_eq!(commands.len(), 2, "{commands:?}");
    // The second one is what runs this test.
    assert_eq!(commands[1], "cargo xtask test");
    assert_eq!(
        fs::read_to_string(root().join(".ci/run")).unwrap().lines().last(),
        Some(commands[1].as_str())
    );
    let arguments = commands[0].strip_prefix("cargo run --release -- ").expect("runs the command line");
    let output = Command::new(env!("CARGO_BIN_EXE_lehr"))
        .args(arguments.split(' '))
        .current_dir(root())
        .output()
        .unwrap();
    let text = stdout_of(&output);
    assert!(text.contains("8 of 8 examples right"), "{text}");
}
