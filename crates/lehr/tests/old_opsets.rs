//! Forms of operators that the standard has changed since: models of opsets 1 to 21 with the answers of ONNX Runtime
//! are read, and models of old and new opsets are written for older ones.

mod suite;

use std::path::{Path, PathBuf};

use lehr::conformance::{ConformanceOptions, Through, Verdict, find_cases};
use lehr::onnx::WriteOptions;
use lehr::{ModelOptions, OptLevel};

use suite::{expected_failures, fixture, in_parallel, run_all};

#[test]
fn old_forms_are_read() {
    let (_scratch, cases) = fixture("old-opsets.zip");
    run_all(&cases);
}

/// How many cases each opset can express: of the old ones, of those of opset 28, and of the nodes of the suite.
const WRITABLE: [(i64, [usize; 3]); 6] = [
    (13, [469, 126, 1221]),
    (15, [471, 138, 1282]),
    (17, [485, 143, 1318]),
    (18, [494, 161, 1421]),
    (20, [496, 192, 1553]),
    (21, [497, 213, 1598]),
];

#[test]
fn old_forms_are_written() {
    let (_old_scratch, old) = fixture("old-opsets.zip");
    let (_new_scratch, new) = fixture("onnx-opset28.zip");
    let suite = std::env::var_os("LEHR_ONNX_SUITE").map(|suite| Path::new(&suite).join("node"));
    let suite = suite.map(|folder| find_cases(&[folder]).unwrap());
    let groups: Vec<Vec<PathBuf>> = [old, new].into_iter().chain(suite).collect();
    let expected = expected_failures("downgraded");
    let mut surprises = Vec::new();
    for (opset, counts) in WRITABLE {
        let options = ConformanceOptions {
            model: ModelOptions { optimize: OptLevel::O0, threads: Some(1), ..ModelOptions::default() },
            through: Through::Onnx(WriteOptions { opset: Some(opset), ..WriteOptions::default() }),
        };
        for (cases, writable) in groups.iter().zip(counts) {
            let mut written = 0;
            for (case, verdict) in cases.iter().zip(in_parallel(cases, &options)) {
                let name = case.file_name().unwrap().to_str().unwrap();
                written += usize::from(!matches!(verdict, Verdict::Skipped(_)));
                match verdict {
                    Verdict::Failed(problem) if !expected.contains_key(name) => {
                        surprises.push(format!("opset {opset}: {name}: {problem}"));
                    }
                    _ => {}
                }
            }
            println!("opset {opset}: {written} of {} cases are writable", cases.len());
            if written != writable {
                surprises.push(format!("opset {opset}: {written} cases are writable, expected {writable}"));
            }
        }
    }
    assert!(surprises.is_empty(), "{} surprises:\n{}", surprises.len(), surprises.join("\n"));
}
