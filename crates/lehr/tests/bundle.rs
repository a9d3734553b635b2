//! Models in and out of bundles: round trips, old files, damaged files, memory.

use std::path::{Path, PathBuf};

use lehr::bundle::{Bundle, Contents, Kind, Provenance, Stage, check_name};
use lehr::graph::text::{parse, print_full};
use lehr::graph::{Def, verify};
use lehr::onnx::WriteOptions;
use lehr::ops::registry::Operators;
use lehr::tensor::Bytes;
use lehr::{LoadOptions, Model, ModelError, ModelOptions, Tensor};
use serde_json::json;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A file of its own for one test, gone afterwards.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("lehr-bundle-{}-{name}", std::process::id())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn contents() -> Contents {
    let mut provenance = Provenance::of_file(&data("affine.onnx")).unwrap();
    provenance.stages.push(Stage::new("optimize", json!({"level": 2}), json!({"nodes": 2})));
    Contents {
        pipeline: Some("schema = 1\n".into()),
        files: [("a.txt".into(), "a".into()), ("b/c.bin".into(), Bytes::from(vec![0, 255]))].into(),
        provenance,
    }
}

fn ramp(rows: usize, columns: usize) -> Tensor {
    let values = (0..rows * columns).map(|i| (i % 7) as f32 - 3.0).collect();
    Tensor::from_vec(&[rows, columns], values).unwrap()
}

/// The file of the first version loads in this one, with the same graph and the same answers.
#[test]
fn version_1_loads_for_ever() {
    let path = data("version1.lehr");
    assert!(Bundle::open(&path, Default::default()).unwrap().verify().is_clean());
    for copy in [false, true] {
        let model = Model::load_with(&path, LoadOptions { copy }).unwrap();
        assert_eq!(print_full(model.graph()), std::fs::read_to_string(data("version1.txt")).unwrap());
        let contents = model.contents();
        assert!(contents.pipeline.as_ref().unwrap().starts_with("schema = 1"));
        assert!(contents.files["labels/trees.txt"].starts_with(b"ash\nbeech\n"));
        assert_eq!(contents.provenance.source.as_ref().unwrap().file, "version1.txt");
        assert_eq!(contents.provenance.stages[0].stage, "import");
        let mut session = model.session(&ModelOptions::default()).unwrap();
        let outputs = session.run([("x", ramp(2, 16))]).unwrap();
        let scores = outputs.tensor("scores").unwrap().as_slice::<f32>().unwrap();
        assert_eq!(scores[..6], [-12.75, 5.75, -8.25, -100.0, -0.5, 1.75]);
        assert_eq!(outputs.tensor("label").unwrap().strings().unwrap(), ["larch", "hazel"]);
    }
}

#[test]
fn bundles_keep_the_model_and_what_belongs_to_it() {
    let model = Model::load(data("affine.onnx")).unwrap();
    let bytes = model.to_bundle(&contents()).unwrap();
    assert_eq!(bytes, model.to_bundle(&contents()).unwrap(), "the same model gives the same bytes");
    let back = Model::from_bundle(bytes.clone()).unwrap();
    assert!(back.graph() == model.graph());
    assert_eq!((back.producer(), back.opsets()), (model.producer(), model.opsets()));
    assert_eq!(*back.contents(), contents());
    assert_eq!(bytes, back.to_bundle(back.contents()).unwrap());
    let options = WriteOptions::default();
    assert_eq!(back.to_onnx(&options).unwrap(), model.to_onnx(&options).unwrap());
    assert_eq!(
        Model::from_bundle(model.to_bundle(&Contents::default()).unwrap()).unwrap().contents(),
        model.contents()
    );
}

#[test]
fn every_text_graph_comes_back_equal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/text");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let Ok(text) = std::fs::read_to_string(entry.unwrap().path()) else { continue };
        let Ok(graph) = parse(&text, &Operators) else { continue };
        if verify(&graph, lehr::graph::verify::Level::Wellformed).is_err() {
            continue;
        }
        let model = Model::from_graph(graph);
        let back = Model::from_bundle(model.to_bundle(&Contents::default()).unwrap()).unwrap();
        assert!(back.graph() == model.graph(), "{text}");
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn content_and_not_the_name_says_what_a_file_is() {
    let (misnamed, foreign) = (Temporary::new("misnamed.onnx"), Temporary::new("foreign.lehr"));
    Model::load(data("affine.onnx")).unwrap().write_bundle(&misnamed.0, &contents()).unwrap();
    assert_eq!(*Model::load(&misnamed.0).unwrap().contents(), contents());
    std::fs::copy(data("affine.onnx"), &foreign.0).unwrap();
    let error = Model::load(&foreign.0).unwrap_err().to_string();
    assert!(
        error.contains("foreign.lehr' can not be read: expected a .lehr bundle, got other data"),
        "{error}"
    );
}

#[test]
fn large_weights_are_not_copied() {
    let model = Model::load(data("version1.txt")).unwrap();
    let bytes = Bytes::from(model.to_bundle(&contents()).unwrap());
    let back = Model::from_bundle(bytes.clone()).unwrap();
    let graph = back.graph();
    let constants = graph.value_ids().filter_map(|id| match graph.value(id).def() {
        Def::Constant(tensor) => Some(tensor.clone()),
        _ => None,
    });
    let weight = constants.into_iter().find(|t| t.shape() == [16, 16]).unwrap();
    assert!(bytes.as_ptr_range().contains(&weight.bytes().as_ptr()));
    assert!(bytes.as_ptr_range().contains(&back.contents().files["a.txt"].as_ptr()));
}

#[test]
fn a_copied_model_outlives_its_file() {
    let path = Temporary::new("copied.lehr");
    Model::load(data("version1.txt")).unwrap().write_bundle(&path.0, &contents()).unwrap();
    let model = Model::load_with(&path.0, LoadOptions { copy: true }).unwrap();
    std::fs::File::create(&path.0).unwrap();
    assert_eq!(print_full(model.graph()), std::fs::read_to_string(data("version1.txt")).unwrap());
}

fn codes(bytes: Vec<u8>) -> Vec<&'static str> {
    match Model::from_bundle(bytes) {
        Ok(_) => Vec::new(),
        Err(ModelError::Unusable(findings)) => findings.iter().map(|f| f.code.as_str()).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_is_wrong_has_a_code() {
    let good = Model::load(data("version1.txt")).unwrap().to_bundle(&contents()).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        codes(bytes)
    };
    let bundle = Bundle::from_bytes(good.clone().into()).unwrap();
    let offset = |kind| bundle.find(kind, "").unwrap().offset as usize;
    assert_eq!(codes(good.clone()), [""; 0]);
    assert_eq!(codes(good[..good.len() - 1].to_vec()), ["E0002"], "truncated");
    assert_eq!(with(0, 0), ["E0002"], "not a bundle");
    assert_eq!(with(8, 2), ["E0005"], "newer container");
    assert_eq!(with(130, 1), ["E0002"], "damaged table");
    assert_eq!(with(offset(Kind::GRAPH) + 4, 2), ["E0005"], "newer graph");
    assert_eq!(with(offset(Kind::TENSORS), 200), ["E0002"], "damaged directory");
    assert_eq!(with(offset(Kind::PROVENANCE), b'x'), ["E0002"], "damaged provenance");
    assert_eq!(with(offset(Kind::PIPELINE), 0xff), ["E0002"], "damaged pipeline");
    let mut twice = good.clone();
    (twice[offset(Kind::MODEL)], twice[offset(Kind::GRAPH)]) = (b'x', b'x');
    assert_eq!(codes(twice), ["E0002", "E0002"], "all problems at once");
    let at = good.windows(6).position(|w| w == b"ArgMax").unwrap();
    assert_eq!(with(at, b'B'), ["E0101"], "unknown operator");
    let mut unknown = good.clone();
    (unknown[at], unknown[good.windows(6).position(|w| w == b"MatMul").unwrap()]) = (b'B', b'B');
    assert_eq!(codes(unknown), ["E0101", "E0101"], "all unknown operators at once");
    assert_eq!(codes(lehr_bundle::to_bytes(Vec::new()).unwrap()), ["E0002"], "no graph");
}

#[test]
fn bad_names_of_files_are_refused_while_writing() {
    let model = Model::load(data("affine.onnx")).unwrap();
    for name in ["../labels.txt", "/labels.txt", "a\\b", ""] {
        assert!(check_name(name).is_err());
        let contents = Contents { files: [(name.to_owned(), Bytes::new())].into(), ..Contents::default() };
        let error = model.to_bundle(&contents).unwrap_err();
        assert_eq!(error.diagnostics()[0].code.as_str(), "E0301", "{error}");
    }
    let path = Temporary::new("no-such-folder").0.join("x.lehr");
    let error = model.write_bundle(&path, &Contents::default()).unwrap_err();
    assert!(error.to_string().contains("x.lehr' can not be written"), "{error}");
}

/// xorshift64: repeatable everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

fn is_reported(bytes: Vec<u8>) -> bool {
    // Loading is done for its own sake: whatever it says, it must not panic.
    let loads = Model::from_bundle(bytes.clone()).is_ok();
    let clean = Bundle::from_bytes(bytes.into()).is_ok_and(|bundle| bundle.verify().is_clean());
    !(loads && clean)
}

#[test]
fn flipped_bits_are_reported_and_never_panic() {
    let good = std::fs::read(data("version1.lehr")).unwrap();
    let mut random = Random(SEED);
    for round in 0..10_000 {
        let mut bytes = good.clone();
        let bit = random.below(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(is_reported(bytes), "seed {SEED:#x}, round {round}: bit {bit}");
    }
}

#[test]
fn cuts_are_reported_and_never_panic() {
    let good = std::fs::read(data("version1.lehr")).unwrap();
    for length in 0..good.len() {
        assert!(is_reported(good[..length].to_vec()), "{length} bytes");
    }
    let mut random = Random(SEED);
    for round in 0..10_000 - good.len() {
        let (from, to) = (random.below(good.len()), random.below(good.len()));
        let mut bytes = good.clone();
        bytes.drain(from.min(to)..from.max(to));
        assert!(from == to || is_reported(bytes), "seed {SEED:#x}, round {round}: {from} to {to}");
    }
}

/// Kilobytes of the mapping of that file which are in memory.
#[cfg(target_os = "linux")]
fn resident_kilobytes(path: &Path) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut lines = maps.lines().skip_while(|line| !line.ends_with(path.to_str().unwrap()));
    let line = lines.find_map(|line| line.strip_prefix("Rss:")).expect("the file is mapped");
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

/// The system maps what it has cached around the pages that are touched, so the weights, 16 MB, are much larger.
#[cfg(target_os = "linux")]
#[test]
fn loading_does_not_touch_the_weights() {
    let text = "graph { input %x: f32[1024] const %w = f32[4096,1024] fill 0.5 %y = Add(%w, %x) output %y }";
    let path = Temporary::new("resident.lehr");
    let weights = Model::from_graph(parse(text, &Operators).unwrap());
    weights.write_bundle(&path.0, &contents()).unwrap();
    let model = Model::load(&path.0).unwrap();
    let loaded = resident_kilobytes(&path.0);
    assert!(loaded <= 4 << 10, "{loaded} kB of the file are in memory after loading");
    let x = Tensor::vector(vec![1.0f32; 1024]);
    drop(model.session(&ModelOptions::default()).unwrap().run([("x", x)]).unwrap());
    assert!(resident_kilobytes(&path.0) >= 16 << 10, "the weights are read where they are mapped");
}
