//! The command line as a process, folders for its files, and a small model.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lehr::Tensor;
use lehr::tensor::npz;
use serde_json::Value;

/// A folder of its own for one test, gone afterwards.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lehr-cli-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn npz(&self, name: &str, arrays: &[(&str, Tensor)]) -> PathBuf {
        let path = self.path(name);
        let file = fs::File::create(&path).unwrap();
        npz::write(file, arrays.iter().map(|(n, t)| (*n, t)), npz::Compression::Stored).unwrap();
        path
    }

    pub fn entries(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            names.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn lehr(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lehr")).args(arguments.iter().map(|a| a.as_ref())).output().unwrap()
}

macro_rules! lehr {
    ($($argument:expr),* $(,)?) => { $crate::support::lehr(&[$(&$argument),*]) };
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// y = relu(x + [0.5, -0.5, 0.5]), x: f32[N,3]
pub fn affine() -> PathBuf {
    root().join("crates/lehr/tests/data/affine.onnx")
}

pub fn rows(rows: &[[f32; 3]]) -> Tensor {
    Tensor::from_vec(&[rows.len(), 3], rows.concat()).unwrap()
}

pub fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
pub fn assert_fails(output: &Output, code: i32, part: &str) {
    let message = text_of(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(message.contains(part), "expected '{part}' in: {message}");
}

#[track_caller]
pub fn stdout_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output.stderr));
    text_of(&output.stdout)
}

#[track_caller]
pub fn json_of(output: &Output) -> Value {
    serde_json::from_str(&stdout_of(output)).unwrap()
}
