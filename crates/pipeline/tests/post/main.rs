//! Steps behind the model: held against others' results, and fed with anything.

mod ctc;
mod hostile;
mod nms;
mod text_regions;

use std::fs::File;
use std::path::{Path, PathBuf};

use lehr_pipeline::{NoFiles, Step, steps};
use lehr_tensor::{Tensor, npz};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Arrays that a script recorded.
struct Golden(Vec<(String, Tensor)>);

impl Golden {
    fn read(name: &str) -> Self {
        Self(npz::read(File::open(path(name)).unwrap()).unwrap())
    }

    fn get(&self, name: &str) -> &Tensor {
        &self.0.iter().find(|(key, _)| key == name).unwrap().1
    }
}

fn step(op: &str, parameters: &str) -> Box<dyn Step> {
    let parameters: toml::Table = toml::from_str(parameters).unwrap();
    steps::find(op).unwrap().build(parameters, &NoFiles).unwrap()
}

/// A tensor of parts of 255.
fn unpacked(tensor: &Tensor) -> Tensor {
    let values = tensor.as_slice::<u8>().unwrap().iter().map(|value| f32::from(*value) / 255.0).collect();
    Tensor::from_vec::<f32>(tensor.shape(), values).unwrap()
}
