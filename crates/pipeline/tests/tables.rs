//! Steps on tables, held against scikit-learn (`tests/scripts/record_tables.py`), and what they refuse.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lehr_pipeline::{
    Context, Item, Manifest, NoFiles, Pipeline, PipelineError, Series, Source, Table, fit, steps,
};
use lehr_tensor::{Bytes, Tensor};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
struct Case {
    file: String,
    steps: Vec<serde_json::Map<String, Value>>,
    columns: Vec<String>,
    /// Parameters of the last step.
    fitted: BTreeMap<String, Value>,
    rows: Vec<Vec<Option<f64>>>,
}

impl Case {
    /// The steps, from a file to a tensor.
    fn manifest(&self) -> Manifest {
        let read = Value::from_iter([("op", Value::from("read_csv"))]);
        let tensor = serde_json::json!(
            {"op": "to_tensor", "columns": self.columns, "dtype": "f64", "allow_missing": true});
        let own = self.steps.iter().cloned().map(Value::Object);
        let steps: Vec<_> = [read].into_iter().chain(own).chain([tensor]).collect();
        let text = serde_json::json!(
            {"schema": 1, "input": [{"name": "x", "kind": "table", "steps": steps}]});
        Manifest::parse(&toml::to_string(&text).unwrap()).unwrap()
    }

    fn check(&self, folder: &Path) {
        let data = Bytes::from(std::fs::read(folder.join(&self.file)).unwrap());
        let fitted = fit(self.manifest(), None, Item::Bytes(data.clone()), &NoFiles).unwrap();
        let last = &fitted.inputs[0].steps[self.steps.len()];
        for (name, expected) in &self.fitted {
            let got = serde_json::to_value(&last[name]).unwrap();
            assert!(is_near(&got, expected), "{:?}: {name}: {got} instead of {expected}", self.steps);
        }
        // The text form has to hold everything that is fitted.
        let pipeline = Pipeline::parse(&fitted.to_text().unwrap(), &NoFiles).unwrap();
        let source = Source::Bytes { name: self.file.clone(), bytes: data };
        let prepared = pipeline.prepare(&source, false).unwrap();
        let (_, tensor) = &prepared.feeds[0];
        assert_eq!(tensor.shape(), [self.rows.len(), self.columns.len()]);
        let got = tensor.as_slice::<f64>().unwrap();
        for (row, (got, expected)) in got.chunks(self.columns.len()).zip(&self.rows).enumerate() {
            for ((got, expected), column) in got.iter().zip(expected).zip(&self.columns) {
                let agrees = expected.map_or(got.is_nan(), |expected| near(*got, expected));
                assert!(agrees, "{:?}: row {row}, {column}: {got} instead of {expected:?}", self.steps);
            }
        }
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * b.abs().max(1.0)
}

fn is_near(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_near(a, b))
        }
        (Value::Number(a), Value::Number(b)) => near(a.as_f64().unwrap(), b.as_f64().unwrap()),
        (a, b) => a == b,
    }
}

/// Checks all cases of a folder and gives their number.
fn check(folder: &Path) -> usize {
    let text = std::fs::read_to_string(folder.join("cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    cases.iter().for_each(|case| case.check(folder));
    cases.len()
}

#[test]
fn fitted_parameters_and_tables_are_those_of_scikit_learn() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/table");
    assert_eq!(check(&folder), 44);
}

#[test]
fn more_cases_may_be_given_by_a_folder() {
    match std::env::var_os("LEHR_TABLE_CASES") {
        Some(folder) => println!("{} cases agree", check(Path::new(&folder))),
        None => println!("skipped: LEHR_TABLE_CASES names no folder with cases"),
    }
}

/// A pipeline of these steps before a model.
fn manifest(steps: &str) -> Manifest {
    let text = format!("schema = 1\n[[input]]\nname = \"x\"\nkind = \"table\"\nsteps = [{steps}]");
    Manifest::parse(&text).unwrap()
}

fn prepared(steps: &str, text: &str) -> Result<Tensor, PipelineError> {
    let pipeline = Pipeline::build(manifest(steps), &NoFiles)?;
    let source = Source::Bytes { name: "t.csv".to_owned(), bytes: text.as_bytes().to_vec().into() };
    Ok(pipeline.prepare(&source, false)?.feeds.remove(0).1)
}

fn problem(steps: &str, text: &str) -> String {
    prepared(steps, text).unwrap_err().to_string()
}

const TO_TENSOR: &str = r#"{op = "to_tensor", columns = ["a", "b"]}"#;

fn reading(parameters: &str) -> String {
    format!(r#"{{op = "read_csv", numbers = ["a", "b"]{parameters}}}, {TO_TENSOR}"#)
}

fn floats(shape: [usize; 2], numbers: &[f32]) -> Tensor {
    Tensor::from_slice(&shape, numbers).unwrap()
}

#[test]
fn files_are_read_in_their_many_forms() {
    let expected = floats([2, 2], &[1.0, 2.5, -3.0, 4e3]);
    let read = |parameters: &str, text: &str| prepared(&reading(parameters), text).unwrap();
    assert_eq!(read("", "a,b\n1,2.5\n-3,4e3"), expected);
    assert_eq!(read("", "\u{feff}b,id,a\r\n\r\n2.5,x,\"1\"\r\n\r\n4e3,\"y,\n\"\"z\"\"\",-3\r\n"), expected);
    assert_eq!(read(", delimiter = \";\", quote = \"'\"", "a;b\n' 1 ';2.5\n-3;'4e3'\n"), expected);
    let headless = r#"{op = "read_csv", header = false, numbers = ["column_1", "column_2"]},
        {op = "to_tensor", columns = ["column_1", "column_2"]}"#;
    assert_eq!(prepared(headless, "1,2.5\n-3,4e3").unwrap(), expected);
    let lines = reading("").replace("read_csv", "read_jsonl");
    let text = "{\"a\": 1, \"b\": 2.5, \"c\": null}\n\n{\"b\": \"4e3\", \"a\": -3}\n";
    assert_eq!(prepared(&lines, text).unwrap(), expected);
}

#[test]
fn damaged_files_name_line_and_column() {
    let begin = "'t.csv': input 'x', step 1 (read_csv): ";
    for (text, expected) in [
        ("a,c\n1,2\n", "there is no column 'b'; there are 'a', 'c'"),
        ("a,b\n1,2\n\n3\n", "line 4: expected 2 fields, got 1"),
        ("a,b\n1,2\n3,\"x\ny\",5\n", "line 3: expected 2 fields, got more"),
        ("a,b\n\"\n\n3\",4\n5,six\n", "line 5, column 'b': expected a number, got 'six'"),
        ("a,b\n1,inf\n", "line 2, column 'b': expected a number, got 'inf'"),
        ("a,a\n1,2\n", "the header names column 'a' twice"),
        ("", "expected a header in the first line, got an empty file"),
        ("a,b\n1,2\n3,4\n5,6\n", "rows: expected at most 2, got 3"),
    ] {
        assert_eq!(problem(&reading(", max_rows = 2"), text), format!("{begin}{expected}"));
    }
    let refusing = reading(", other_columns = \"refuse\"");
    assert_eq!(problem(&refusing, "a,b,id\n1,2,3\n"), format!("{begin}column 'id' is not expected"));
    let huge = format!("a,b\n1,{}\n", "x".repeat(2 << 20));
    assert_eq!(
        problem(&reading(""), &huge),
        format!("{begin}line 2: expected fields of at most 1048576 bytes, got more")
    );
    let long = format!("a,b\n1,{}\n", "é".repeat(100));
    assert!(problem(&reading(""), &long).ends_with(&format!("'{}…'", "é".repeat(40))));
    let wide = format!("{}\n", "a,".repeat(1 << 15));
    assert!(problem(&reading(""), &wide).ends_with("columns: expected at most 16384, got 16385"));
    let pipeline = Pipeline::build(manifest(&reading("")), &NoFiles).unwrap();
    let source = Source::Bytes { name: "t.csv".to_owned(), bytes: Bytes::from_static(b"a,b\n1,\xff\n") };
    let problem = pipeline.prepare(&source, false).unwrap_err().to_string();
    assert_eq!(problem, format!("{begin}expected UTF-8 text: byte 6 is not valid"));
}

#[test]
fn damaged_lines_of_json_name_line_and_column() {
    let lines = reading("").replace("read_csv", "read_jsonl");
    let said = |text: &str| problem(&lines, text);
    assert!(said("{\"a\": 1, \"b\": 2}\n{\"a\": 1").contains("line 2: expected a JSON object"));
    assert!(said("[1, 2]").contains("line 1: expected a JSON object"));
    assert!(said("{\"a\": [1]}").contains("line 1, column 'a': expected a text, a number, a truth value"));
    assert!(said("\n{\"a\": 1, \"b\": \"x\"}").contains("line 2, column 'b': expected a number, got 'x'"));
    assert!(said("{\"b\": 1}\n{}").contains("row 1, column 'a': expected a number, got none"));
}

#[test]
fn what_is_wrong_with_a_value_names_row_and_column() {
    let text = "a,b,c\n1,2,x\n-2,?,y\n3,4,\n";
    let read = r#"{op = "read_csv", numbers = ["a", "b"], texts = ["c"]}"#;
    let said = |step: &str| {
        let problem = problem(&format!("{read}, {step}"), text);
        problem.split_once("): ").unwrap().1.to_owned()
    };
    assert_eq!(said(TO_TENSOR), "row 2, column 'b': expected a number, got none; 'impute' fills it in");
    assert_eq!(
        said(r#"{op = "to_tensor", columns = ["a", "c"]}"#),
        "column 'c': expected numbers, got texts; 'one_hot' and others encode them"
    );
    assert_eq!(said(r#"{op = "log1p"}"#), "row 2, column 'a': expected a number above -1, got -2");
    let one_hot = r#"{op = "one_hot", columns = ["c"], categories = [["x"]]}"#;
    assert_eq!(said(one_hot), "row 2, column 'c': 'y' is none of the 1 categories");
    let one_hot = r#"{op = "one_hot", columns = ["c"], categories = [["x", "y"]]}"#;
    assert_eq!(said(one_hot), "row 3, column 'c': expected a value, got none; 'impute' fills it in");
    let ordinal = r#"{op = "ordinal", columns = ["c"], categories = [["x"]]}"#;
    assert_eq!(said(ordinal), "row 2, column 'c': 'y' is none of the 1 categories");
    assert_eq!(
        said(r#"{op = "z_score", columns = ["c"], mean = [0.0], std = [1.0]}"#),
        "column 'c': expected numbers, got texts"
    );
    assert_eq!(
        said(r#"{op = "select", columns = ["d"]}"#),
        "there is no column 'd'; there are 'a', 'b', 'c'"
    );
    let fill = r#"{op = "impute", method = "most_frequent", columns = ["c"], fill = [1.0]}"#;
    assert_eq!(said(fill), "column 'c' holds texts and can not be filled with a number");
    let tensor = r#"{op = "to_tensor", columns = ["a"], dtype = "i64"}"#;
    let scaled = r#"{op = "min_max", columns = ["a"], min = [0.0], max = [4.0]}"#;
    let text = said(&format!("{scaled}, {tensor}"));
    assert_eq!(text, "row 1, column 'a': expected an integer, got 0.25");
}

#[test]
fn unknown_categories_become_zeros_a_column_or_a_number_of_their_own() {
    let read = r#"{op = "read_csv", texts = ["c"]}"#;
    let given = |step: &str, columns: &str| {
        let tensor = format!("{{op = \"to_tensor\", columns = [{columns}]}}");
        prepared(&format!("{read}, {step}, {tensor}"), "c\nx\nz\nNA\n").unwrap().into_vec::<f32>().unwrap()
    };
    let zeros = r#"{op = "one_hot", columns = ["c"], categories = [["x", "y"]], unknown = "zeros"}"#;
    assert_eq!(given(zeros, r#""c_x", "c_y""#), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let other = zeros.replace("zeros", "other");
    assert_eq!(given(&other, r#""c_x", "c_y", "c_other""#), [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    let binary = zeros.replace("one_hot", "binary");
    assert_eq!(given(&binary, r#""c_0", "c_1""#), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    let ordinal = r#"{op = "ordinal", columns = ["c"], categories = [["x"]], unknown_value = -1},
        {op = "impute", method = "constant", value = 9, columns = ["c"], fill = [9]}"#;
    assert_eq!(given(ordinal, r#""c""#), [0.0, -1.0, 9.0]);
}

#[test]
fn numbers_may_be_categories() {
    let text = "season,b\n10,1\n2,1\n10,1\n";
    let steps = r#"{op = "read_csv"}, {op = "one_hot", columns = ["season"]}, {op = "to_tensor"}"#;
    let fitted = fit(manifest(steps), None, Item::Bytes(Bytes::from(text)), &NoFiles).unwrap();
    let columns = fitted.inputs[0].steps[2]["columns"].to_string();
    assert_eq!(columns, r#"["season_2", "season_10", "b"]"#);
}

#[test]
fn columns_may_become_tensors_of_their_own() {
    let steps = r#"{op = "read_csv", numbers = ["a"], texts = ["c"]}, {op = "to_tensor", separate = true, columns = ["c", "a"]}"#;
    let steps = format!("schema = 1\n[[input]]\nname = \"x\"\nkind = \"table\"\nsteps = [{steps}]");
    let text = format!("{steps}\ntensors = {{a = \"in_a\", c = \"in_c\"}}");
    let pipeline = Pipeline::parse(&text, &NoFiles).unwrap();
    let table = Table {
        rows: 2,
        columns: vec![
            ("a".to_owned(), Series::Texts(vec![Some("1".to_owned()), Some("2".to_owned())])),
            ("c".to_owned(), Series::Numbers(vec![3.0, 0.5])),
        ],
    };
    let prepared = pipeline.prepare(&Item::Table(table).into(), false).unwrap();
    let texts = Tensor::from_strings(&[2, 1], vec!["3".to_owned(), "0.5".to_owned()]).unwrap();
    let expected = [("in_c".to_owned(), texts), ("in_a".to_owned(), floats([2, 1], &[1.0, 2.0]))];
    assert_eq!(prepared.feeds, expected);
}

#[test]
fn steps_that_are_not_fitted_or_contradict_themselves_are_refused() {
    for (step, expected) in [
        ("{op = \"read_csv\"}", "parameter 'numbers' is not fitted; run `lehr pipeline fit`"),
        ("{op = \"z_score\"}", "parameter 'mean' is not fitted"),
        ("{op = \"robust\", columns = [\"a\"]}", "parameter 'center' is not fitted"),
        ("{op = \"min_max\"}", "parameter 'min' is not fitted"),
        ("{op = \"impute\", method = \"mean\"}", "parameter 'fill' is not fitted"),
        ("{op = \"outlier\", method = \"winsor\"}", "parameter 'lower' is not fitted"),
        ("{op = \"one_hot\"}", "parameter 'categories' is not fitted"),
        ("{op = \"quantile\", bins = 4}", "parameter 'edges' is not fitted"),
        ("{op = \"to_tensor\"}", "parameter 'columns' is not fitted"),
        (
            "{op = \"outlier\", method = \"winsor\", k = 2}",
            "parameter 'k': expected nothing with this method",
        ),
        ("{op = \"impute\", method = \"constant\"}", "parameter 'value': expected a number or text"),
        (
            "{op = \"bucketize\", edges = [2, 1]}",
            "parameter 'edges': expected rising numbers, got 2 before 1",
        ),
        (
            "{op = \"z_score\", columns = [\"a\"], mean = [], std = [1]}",
            "parameter 'mean': expected one for each",
        ),
        (
            "{op = \"z_score\", columns = [\"a\"], mean = [1], std = [0]}",
            "parameter 'std': expected positive",
        ),
        ("{op = \"select\", columns = [\"a\", \"a\"]}", "parameter 'columns': expected each name once"),
        ("{op = \"read_csv\", texts = [], delimiter = \"é\"}", "parameter 'delimiter': expected one ASCII"),
        ("{op = \"hash\", n = 0}", "parameter 'n': expected from 1 to 16384, got 0"),
        (
            "{op = \"one_hot\", columns = [\"a\"], categories = [[\"x\", \"x\"]]}",
            "parameter 'categories': expected each once, got 'x' twice",
        ),
    ] {
        let said = Pipeline::build(manifest(step), &NoFiles).unwrap_err().to_string();
        assert!(said.contains(expected), "{step}: {said}");
    }
}

#[test]
fn tables_whose_columns_differ_in_length_are_refused() {
    let table = Table { rows: 2, columns: vec![("c".to_owned(), Series::Texts(vec![None; 5]))] };
    let parameters = toml::Table::from_iter([("n".to_owned(), 3.into())]);
    let step = steps::find("hash").unwrap().build(parameters, &NoFiles).unwrap();
    let problem = step.apply(Item::Table(table), &mut Context::default()).unwrap_err().to_string();
    assert_eq!(problem, "column 'c': expected 2 values, one for each row, got 5");
}

/// A generator that gives the same numbers everywhere (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn piece(&mut self) -> &'static str {
        const PIECES: &[&str] = &[
            "a", "b", "c", ",", ",", "\n", "\n", "\"", "1", "2.5", "-7", "NA", "?", "é", "\r\n", " ",
            "1e999", "x", "{", "}", ":", "\"a\":", "null", "[", "\0", "\u{feff}", ";", "a,b,c\n", "1,2,x\n",
        ];
        PIECES[self.below(PIECES.len())]
    }
}

#[test]
fn no_text_makes_a_step_panic_and_what_is_fitted_can_be_used() {
    let seed = std::env::var("LEHR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_u64);
    println!("seed {seed}");
    let mut random = Random(seed | 1);
    let between = [
        r#"{op = "impute", method = "most_frequent"}"#,
        r#"{op = "impute", method = "mean"}, {op = "z_score"}, {op = "quantile", bins = 3}"#,
        r#"{op = "robust"}, {op = "min_max"}, {op = "log1p"}, {op = "one_hot", unknown = "other"}"#,
        r#"{op = "ordinal", unknown_value = -1}, {op = "bucketize", edges = [0, 1]}"#,
        r#"{op = "binary", unknown = "zeros"}, {op = "outlier", method = "mark"}, {op = "drop_rows", marked = "outlier"}"#,
        r#"{op = "hash", n = 2}, {op = "outlier", method = "clip_z"}"#,
    ];
    let mut used = 0;
    for round in 0..3000 {
        let reader = ["read_csv", "read_jsonl"][random.below(2)];
        let begin = if reader == "read_csv" { "a,b,c\n" } else { "{\"a\": 1}\n{\"b\": \"x\"}\n" };
        let mut text = begin.to_owned();
        (0..random.below(12)).for_each(|_| text.push_str(random.piece()));
        let own = between[random.below(between.len())];
        let steps = format!("{{op = \"{reader}\"}}, {own}, {{op = \"to_tensor\", allow_missing = true}}");
        let data = Bytes::from(text.clone().into_bytes());
        let Ok(fitted) = fit(manifest(&steps), None, Item::Bytes(data.clone()), &NoFiles) else { continue };
        let pipeline = Pipeline::parse(&fitted.to_text().unwrap(), &NoFiles);
        let pipeline =
            pipeline.unwrap_or_else(|error| panic!("seed {seed}, round {round}, {text:?}: {error}"));
        let source = |bytes| Source::Bytes { name: "t".to_owned(), bytes };
        let prepared = pipeline.prepare(&source(data), false);
        assert!(prepared.is_ok(), "seed {seed}, round {round}, {text:?}: {prepared:?}");
        let mut other = begin.to_owned();
        (0..random.below(12)).for_each(|_| other.push_str(random.piece()));
        let _ = pipeline.prepare(&source(other.into_bytes().into()), false);
        used += 1;
    }
    assert!(used > 100, "{used}");
}
