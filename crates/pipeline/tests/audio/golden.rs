//! Recorded answers of other libraries.

use std::io::Cursor;
use std::path::Path;

use lehr_tensor::{Tensor, npz};

/// The arrays of one file.
pub struct Golden(Vec<(String, Tensor)>);

impl Golden {
    /// Reads a file of the folder `golden`.
    pub fn open(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        Self(npz::read(Cursor::new(std::fs::read(path).unwrap())).unwrap())
    }

    /// The array of that name.
    pub fn tensor(&self, name: &str) -> &Tensor {
        let found = self.0.iter().find(|(have, _)| have == name);
        &found.unwrap_or_else(|| panic!("no array is called {name}")).1
    }

    /// Its numbers.
    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.tensor(name).as_slice::<f32>().unwrap().into_owned()
    }

    /// Demands the shape of the recorded array and numbers within `tolerance` times its largest number.
    #[track_caller]
    pub fn compare(&self, name: &str, got: &Tensor, tolerance: f32) {
        let expected = self.tensor(name);
        assert_eq!(got.shape(), expected.shape(), "{name}");
        let (got, expected) = (got.as_slice::<f32>().unwrap(), expected.as_slice::<f32>().unwrap());
        let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        let differences = got.iter().zip(expected.iter()).map(|(a, b)| (a - b).abs());
        let (at, worst) = differences.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        println!("{name}: at most {worst:e} apart, the largest number is {largest}");
        assert!(
            worst <= tolerance * largest,
            "{name}: value {at} is {}, expected {}; the largest is {largest}",
            got[at],
            expected[at]
        );
    }
}
