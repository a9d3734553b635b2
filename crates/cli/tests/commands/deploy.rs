//! Deployments and answers from the command line, with the example of the repository.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Folder, affine, assert_fails, json_of, root, stdout_of, text_of};

/// The example in a folder of its own, so that nothing is written beside the committed files.
fn example(test: &str) -> Folder {
    let folder = Folder::new(test);
    let from = root().join("examples/text-orientation");
    fs::create_dir(folder.path("pictures")).unwrap();
    for name in ["deploy.toml", "pipeline.toml", "labels.tsv", "model.onnx"] {
        fs::copy(from.join(name), folder.path(name)).unwrap();
    }
    for index in 0..8 {
        let name = format!("pictures/line-{index}.png");
        fs::copy(from.join(&name), folder.path(&name)).unwrap();
    }
    folder
}

fn bundle(folder: &Folder) -> PathBuf {
    let out = folder.path("m.lehr");
    let pipeline = folder.path("pipeline.toml");
    stdout_of(&lehr!("convert", folder.path("model.onnx"), "-o", out, "--pipeline", pipeline));
    out
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_recipe_becomes_a_bundle_that_gives_the_right_answers() {
    let folder = example("deploy");
    let outcome = json_of(&lehr!("deploy", folder.path("deploy.toml"), "--json"));
    let stages: Vec<_> =
        outcome["stages"].as_array().unwrap().iter().map(|stage| stage["name"].as_str().unwrap()).collect();
    assert_eq!(stages, ["import", "optimize", "verify", "bundle", "run"]);
    assert!(outcome["stages"][2]["max_difference"].as_f64().unwrap() <= 1e-4);
    assert!(outcome["examples"].as_array().unwrap().iter().all(|example| example["right"] == true));
    let report = fs::read_to_string(folder.path("text-orientation.html")).unwrap();
    assert!(report.contains("line-7.png") && report.contains("upside down"));

    let made = folder.path("text-orientation.lehr");
    assert!(stdout_of(&lehr!("verify", made)).contains("provenance"));
    let picture = folder.path("pictures/line-1.png");
    assert!(stdout_of(&lehr!("run", made, picture)).starts_with("direction: upside down ("));
    // The same work gives the same bytes.
    let before = fs::read(&made).unwrap();
    stdout_of(&lehr!("deploy", folder.path("deploy.toml"), "--json"));
    assert!(fs::read(&made).unwrap() == before, "a second deployment wrote other bytes");
}

#[test]
fn the_table_of_a_deployment_names_every_stage_and_answer() {
    let folder = example("table");
    let text = stdout_of(&lehr!("deploy", folder.path("deploy.toml")));
    for part in ["import", "optimize", "verify", "bundle", "run", "8 of 8 examples right", "line-3.png"] {
        assert!(text.contains(part), "expected '{part}' in:\n{text}");
    }
}

#[test]
fn wrong_recipes_are_refused_before_anything_is_written() {
    let folder = example("recipes");
    let recipe = fs::read_to_string(folder.path("deploy.toml")).unwrap();
    for (from, to, part) in [
        ("schema = 1", "schema = 9", "expected schema 1, got 9"),
        ("level = 2", "level = 7", "expected an optimisation level from 0 to 3, got 7"),
        ("level = 2", "levle = 2", "unknown field `levle`"),
        ("\"model.onnx\"", "\"nothing.onnx\"", "nothing.onnx"),
        ("\"pipeline.toml\"", "\"nothing.toml\"", "nothing.toml"),
        ("pictures/*.png", "pictures/*.jpg", "matches no file"),
        ("\"labels.tsv\"", "\"deploy.toml\"", "line 1: expected a file name, a tab and a label"),
    ] {
        fs::write(folder.path("wrong.toml"), recipe.replace(from, to)).unwrap();
        assert_fails(&lehr!("deploy", folder.path("wrong.toml")), 1, part);
    }
    assert_fails(&lehr!("deploy", folder.path("no.toml")), 1, "can not be read");
    assert!(!folder.entries().iter().any(|name| name.ends_with(".lehr") || name.ends_with(".html")));
}

#[test]
fn many_inputs_are_answered_in_order_and_the_broken_ones_are_summed_up() {
    let folder = example("batch");
    let model = bundle(&folder);
    fs::write(folder.path("pictures/line-2b.png"), b"no picture").unwrap();
    let labels = folder.path("labels.tsv");
    let output = lehr!("run", model, folder.path("pictures"), "--labels", labels, "--threads", "2", "--json");
    let message = text_of(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("8 of 8 labels are right: 100.00 %"), "{message}");
    assert!(message.contains("1 of 9 inputs have no answer") && message.contains("line-2b.png"), "{message}");
    let lines = json_lines(&text_of(&output.stdout));
    let names: Vec<_> = lines.iter().map(|line| line["input"].as_str().unwrap().to_owned()).collect();
    assert!(names.is_sorted() && lines.len() == 9, "{names:?}");
    assert!(lines[3]["error"].as_str().unwrap().contains("step 1 (decode_image)"), "{}", lines[3]);
}

#[test]
fn a_run_that_was_stopped_goes_on_and_parts_add_up() {
    let folder = example("resume");
    let model = bundle(&folder);
    let (pictures, save) = (folder.path("pictures"), folder.path("out.jsonl"));
    lehr!("run", model, pictures, "--save", save);
    let whole = fs::read_to_string(&save).unwrap();
    assert_eq!(json_lines(&whole).len(), 8);
    // The fourth line was being written when the run was stopped.
    let cut: usize = whole.lines().take(3).map(|line| line.len() + 1).sum();
    fs::write(&save, &whole[..cut + 10]).unwrap();
    let output = lehr!("run", model, pictures, "--save", save, "--resume");
    assert!(text_of(&output.stderr).contains("3 of 8 inputs are answered already"));
    assert_eq!(fs::read_to_string(&save).unwrap(), whole);

    let parts = ["1/3", "2/3", "3/3"].map(|shard| {
        let table = folder.path("part.csv");
        stdout_of(&lehr!("run", model, pictures, "--save", table, "--shard", shard));
        fs::read_to_string(table).unwrap().lines().count() - 1
    });
    assert_eq!(parts, [3, 3, 2]);
    assert_fails(&lehr!("run", model, pictures, "--save", folder.path("out.txt")), 2, ".jsonl or .csv");
    assert_fails(&lehr!("run", model, pictures, "--shard", "4/3"), 2, "expected a part such as 2/4");
}

#[test]
fn pipelines_are_checked_against_the_model() {
    let folder = example("check");
    let pipeline = folder.path("pipeline.toml");
    let text = stdout_of(&lehr!("pipeline", "check", folder.path("model.onnx"), pipeline));
    assert!(text.starts_with("the pipeline fits the model"), "{text}");
    let message = lehr!("pipeline", "check", affine(), pipeline);
    assert_fails(&message, 1, "the model has no output 'save_infer_model/scale_0.tmp_1'; it has 'y'");
    assert_fails(&message, 1, "input 'x': the steps give f32[1, 3, 48, 192], the model takes f32[?, 3]");
    assert_fails(&lehr!("run", folder.path("model.onnx"), pipeline), 1, "holds no pipeline; give --pipeline");
    let steps = json_of(&lehr!("pipeline", "steps", "--json"));
    assert!(steps.as_array().unwrap().iter().any(|step| step["op"] == "softmax"));
}

#[test]
fn a_bundle_with_a_pipeline_that_does_not_fit_is_not_written() {
    let folder = example("misfit");
    let (out, pipeline) = (folder.path("m.lehr"), folder.path("pipeline.toml"));
    assert_fails(&lehr!("convert", affine(), "-o", out, "--pipeline", pipeline), 1, "does not fit the model");
    assert_fails(
        &lehr!("convert", affine(), "-o", folder.path("m.onnx"), "--pipeline", pipeline),
        2,
        "only a bundle",
    );
    assert!(!out.exists());
}
