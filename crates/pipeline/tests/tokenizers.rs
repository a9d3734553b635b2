//! Ids of tokens and texts of ids, held against what Hugging Face's library for Python gives
//! (`tests/scripts/record_tokenizers.py`).
#![cfg(feature = "text")]

use std::path::{Path, PathBuf};

use lehr_pipeline::{Context, Files, Folder, InMemory, Item, ItemType, Step, StepError, Text, steps};
use lehr_tensor::{Bytes, Tensor};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Case {
    file: String,
    text: String,
    second: Option<String>,
    parameters: toml::Table,
    ids: Vec<i64>,
    mask: Vec<i64>,
    types: Vec<i64>,
    decoded: String,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/text")
}

fn step(op: &str, file: &str, parameters: &str, files: &dyn Files) -> Result<Box<dyn Step>, StepError> {
    let mut table: toml::Table = toml::from_str(parameters).unwrap();
    table.insert("file".to_owned(), file.into());
    steps::find(op).unwrap().build(table, files)
}

fn tokenize(parameters: &str) -> Result<Box<dyn Step>, StepError> {
    step("tokenize", "wordpiece.json", parameters, &Folder(golden()))
}

fn apply(step: &dyn Step, item: Item) -> Result<Item, StepError> {
    step.apply(item, &mut Context::default())
}

fn text(text: &str) -> Item {
    Item::Text(Text { first: text.to_owned(), second: None })
}

fn rows(item: Item) -> Vec<(String, Vec<usize>, Vec<i64>)> {
    let Item::Tensors(tensors) = item else { panic!("expected tensors, got {}", item.ty()) };
    let row = |(name, tensor): (String, Tensor)| (name, tensor.shape().to_vec(), tensor.into_vec().unwrap());
    tensors.into_iter().map(row).collect()
}

/// Everything in `cases.json` of a folder that differs from what is recorded, and how many cases there are.
fn differences(folder: &Path) -> (Vec<String>, usize) {
    let text = std::fs::read_to_string(folder.join("cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    let files = Folder(folder.to_owned());
    let mut built: Option<(String, Box<dyn Step>)> = None;
    let mut joined: Option<(String, Box<dyn Step>)> = None;
    let mut different = Vec::new();
    for case in &cases {
        let parameters = case.parameters.to_string();
        let key = format!("{} {parameters}", case.file);
        if built.as_ref().is_none_or(|(built, _)| *built != key) {
            built = Some((key, step("tokenize", &case.file, &parameters, &files).unwrap()));
        }
        if joined.as_ref().is_none_or(|(file, _)| *file != case.file) {
            joined = Some((case.file.clone(), step("detokenize", &case.file, "", &files).unwrap()));
        }
        let (Some((_, tokenize)), Some((_, detokenize))) = (&built, &joined) else { unreachable!() };
        let item = Item::Text(Text { first: case.text.clone(), second: case.second.clone() });
        let got = rows(apply(tokenize.as_ref(), item).unwrap());
        let shape = vec![1, case.ids.len()];
        let expected = [("ids", &case.ids), ("mask", &case.mask), ("types", &case.types)];
        let expected = expected.map(|(name, values)| (name.to_owned(), shape.clone(), values.clone()));
        if got != expected {
            different.push(format!("{case:?}\ngot {got:?}"));
        }
        if !case.ids.is_empty() {
            let ids = Item::Tensor(Tensor::from_slice(&shape, &case.ids).unwrap());
            let got = apply(detokenize.as_ref(), ids).unwrap();
            if got != self::text(&case.decoded) {
                different.push(format!("{case:?}\ngot {got:?}"));
            }
        }
    }
    (different, cases.len())
}

#[test]
fn ids_and_texts_equal_the_recorded_ones_with_pairs_truncation_and_padding() {
    let (different, count) = differences(&golden());
    assert!(count > 150);
    assert!(different.is_empty(), "{} of {count}, the first: {}", different.len(), different[0]);
}

#[test]
fn more_cases_may_be_given_by_a_folder() {
    let Some(folder) = std::env::var_os("LEHR_TOKENIZER_CASES") else {
        return println!("skipped: LEHR_TOKENIZER_CASES names no folder with cases");
    };
    let (different, count) = differences(Path::new(&folder));
    println!("{} of {count} cases differ", different.len());
    assert!(different.is_empty(), "{} of {count}, the first: {}", different.len(), different[0]);
}

#[test]
fn texts_that_are_given_together_get_one_length() {
    let step = tokenize("padding = \"longest\"\nmultiple_of = 4").unwrap();
    let list = Item::List(vec![text("the end"), text("return a list of the names")]);
    let inferred = step.infer(&ItemType::List(Box::new(ItemType::Text))).unwrap();
    assert_eq!(inferred.to_string(), "tensors {ids: i64[?, ?], mask: i64[?, ?], types: i64[?, ?]}");
    let got = rows(apply(step.as_ref(), list).unwrap());
    let width = got[0].1[1];
    assert_eq!((got[0].1[0], width % 4), (2, 0));
    assert_eq!(got[1].2[..width].iter().sum::<i64>(), 4, "{got:?}");
    let alone = tokenize("").unwrap();
    let list = Item::List(vec![text("the end"), text("the")]);
    let problem = apply(alone.as_ref(), list).unwrap_err().to_string();
    assert!(problem.contains("given together without padding, got 4 and 3 tokens"), "{problem}");
}

#[test]
fn a_fixed_length_is_known_beforehand() {
    let step = tokenize("padding = \"max_length\"\nmax_length = 30\nmultiple_of = 8").unwrap();
    let inferred = step.infer(&ItemType::Text).unwrap().to_string();
    assert_eq!(inferred, "tensors {ids: i64[1, 32], mask: i64[1, 32], types: i64[1, 32]}");
    assert_eq!(rows(apply(step.as_ref(), text("a")).unwrap())[0].1, [1, 32]);
}

#[test]
fn what_the_parameters_leave_open_is_as_in_the_file() {
    let bytes = Folder(golden()).read("wordpiece.json").unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    json["truncation"] = serde_json::json!(
        {"direction": "Left", "max_length": 5, "strategy": "LongestFirst", "stride": 1});
    json["padding"] = serde_json::json!({"strategy": {"Fixed": 7}, "direction": "Left",
        "pad_to_multiple_of": null, "pad_id": 4, "pad_type_id": 1, "pad_token": "[MASK]"});
    let files = InMemory([("own.json".to_owned(), Bytes::from(json.to_string()))].into());
    let ids = |parameters: &str, words: &str| {
        let step = step("tokenize", "own.json", parameters, &files).unwrap();
        rows(apply(step.as_ref(), text(words)).unwrap()).remove(0).2
    };
    let cut = ids("", "return the list of the names");
    assert_eq!((&cut[..3], cut.len()), (&[4, 4, 2][..], 7));
    assert_eq!(ids("padding = \"none\"", "return the list of the names"), cut[2..]);
    let whole = ids("truncation = \"none\"\npadding = \"none\"", "return the list of the names");
    assert!(whole.len() > 7 && whole.ends_with(&cut[3..]));
    assert_eq!(ids("padding_side = \"right\"", "the")[3..], [4, 4, 4, 4]);
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    let problem = |parameters: &str| tokenize(parameters).map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        problem("max_length = 3"),
        "parameter 'max_length': expected from 4 (with 3 special tokens) to 1048576, got 3"
    );
    assert_eq!(
        problem("truncation = \"only_first\""),
        "parameter 'max_length': expected a number of tokens to cut at, got none"
    );
    assert_eq!(
        problem("padding = \"max_length\""),
        "parameter 'max_length': expected the length to fill up to, got none"
    );
    assert_eq!(
        problem("padding = \"longest\"\nmultiple_of = 0"),
        "parameter 'multiple_of': expected from 1 to 1048576, got 0"
    );
    let step = tokenize("max_length = 4\ntruncation = \"none\"").unwrap();
    let problem = apply(step.as_ref(), text("one two three")).unwrap_err().to_string();
    assert!(problem.starts_with("tokens of the text: expected at most 4, got"), "{problem}");
    let problem = step.infer(&ItemType::Bytes).unwrap_err().to_string();
    assert_eq!(problem, "expected text, got bytes");
}

#[test]
fn ids_that_are_no_tokens_are_refused() {
    let step = step("detokenize", "bpe.json", "", &Folder(golden())).unwrap();
    let problem = |item| apply(step.as_ref(), item).unwrap_err().to_string();
    let ids = Item::Tensor(Tensor::from_vec(&[1, 2], vec![5i64, -1]).unwrap());
    assert_eq!(problem(ids), "id -1 is not in the tokenizer's vocabulary of 1000 tokens");
    let ids = Item::Tensor(Tensor::from_vec(&[1, 2], vec![5i64, 1000]).unwrap());
    assert_eq!(problem(ids), "id 1000 is not in the tokenizer's vocabulary of 1000 tokens");
    for (others, ty) in [(Tensor::vector(vec![1.0f32]), "f32[1]"), (Tensor::vector(vec![true]), "bool[1]")] {
        let expected = "expected a tensor of integers whose last axis is not empty, got a tensor";
        assert!(step.infer(&Item::Tensor(others.clone()).ty()).is_err());
        assert_eq!(problem(Item::Tensor(others)), format!("{expected} {ty}"));
    }
}

#[test]
fn damaged_tokenizers_are_errors_and_those_that_draw_lots_are_refused() {
    let bytes = Folder(golden()).read("bpe.json").unwrap();
    let problem = |content: Vec<u8>| {
        let files = InMemory([("own.json".to_owned(), Bytes::from(content))].into());
        step("tokenize", "own.json", "", &files).map(|_| ()).unwrap_err().to_string()
    };
    assert!(problem(b"{}".to_vec()).starts_with("file 'own.json': expected a tokenizer in the form"));
    for length in (0..bytes.len()).step_by(1009) {
        problem(bytes[..length].to_vec());
    }
    let mut json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    json["model"]["dropout"] = 0.1.into();
    assert!(problem(json.to_string().into_bytes()).contains("without dropout or sampling"));
    let bytes = Folder(golden()).read("unigram.json").unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    json["model"]["unk_id"] = 100_000.into();
    assert!(problem(json.to_string().into_bytes()).starts_with("file 'own.json': expected a tokenizer"));
}

#[test]
fn tables_of_characters_are_refused_when_they_claim_more_bytes_than_there_are_or_are_no_base_64() {
    let bytes = Folder(golden()).read("wordpiece.json").unwrap();
    let built = |charsmap: &str| {
        let mut json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let table = serde_json::json!({"type": "Precompiled", "precompiled_charsmap": charsmap});
        json["normalizer"] = serde_json::json!({"type": "Sequence", "normalizers": [table]});
        let files = InMemory([("own.json".to_owned(), Bytes::from(json.to_string()))].into());
        step("tokenize", "own.json", "", &files).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(built("BAAAAAAAAAA="), Ok(()));
    assert_eq!(
        built("/////wAA").unwrap_err(),
        "file 'own.json': expected a table of characters of at most 6 bytes, got 4294967295"
    );
    for malformed in ["", "/", "/////", "////=w==", "/////w", "\u{ff}////wAA", "//// /wAA", "AAAAAB"] {
        let problem = built(malformed).unwrap_err();
        assert!(problem.starts_with("file 'own.json': expected a t"), "{malformed}: {problem}");
    }
}
