//! Inputs of a run: recorded, or made up from the signature.

use std::path::Path;

use lehr::graph::Dim;
use lehr::graph::dim::Assignment;
use lehr::recorded::Recording;
use lehr::{DataType, Datum, Model, Port, Tensor, ValueType};

use crate::failure::Failure;

/// Size of a symbol that nobody bound.
const DEFAULT_SIZE: u64 = 1;

/// Values by input name.
pub type NamedValues = Vec<(String, Datum)>;

/// Recorded inputs, and outputs if there are any: an `.npz` file or a folder of `input_0.pb …`.
pub fn recording(path: &Path, model: &Model) -> Result<Recording, Failure> {
    let read = Recording::read(path, &model.inputs(), &model.outputs());
    read.map_err(|error| Failure::Message(error.to_string()))
}

/// Recorded inputs, or made up ones where no path is given.
pub fn recorded_or_made_up(
    path: Option<&Path>,
    model: &Model,
    sizes: &Assignment,
) -> Result<NamedValues, Failure> {
    match path {
        Some(path) => Ok(recording(path, model)?.inputs),
        None => made_up(&model.inputs(), sizes),
    }
}

/// Inputs of the declared types, always the same ones; symbols without a size count as 1, which is told.
pub fn made_up(inputs: &[Port], sizes: &Assignment) -> Result<NamedValues, Failure> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    inputs.iter().map(|input| Ok((input.name.clone(), made_up_value(input, sizes, &mut random)?))).collect()
}

fn made_up_value(input: &Port, sizes: &Assignment, random: &mut Random) -> Result<Datum, Failure> {
    let problem = |what: &str| Failure::Message(format!("input '{}': {what}; give --feed", input.name));
    let ValueType::Tensor(ty) = &input.ty else {
        return Err(problem("only tensors can be made up"));
    };
    let dtype = ty.dtype.ok_or_else(|| problem("the element type is not known"))?;
    let shape = ty.shape.as_ref().ok_or_else(|| problem("the rank is not known"))?;
    let shape: Vec<usize> = shape.iter().map(|dim| size_of(dim, sizes, &input.name)).collect();
    random.tensor(dtype, &shape).map(Datum::Tensor).map_err(|error| problem(&error.to_string()))
}

fn size_of(dim: &Dim, sizes: &Assignment, input: &str) -> usize {
    if let Some(size) = dim.eval(sizes) {
        return usize::try_from(size).unwrap_or(usize::MAX);
    }
    eprintln!("note: input '{input}': size {dim} is taken as {DEFAULT_SIZE}; bind it with --shape NAME=SIZE");
    DEFAULT_SIZE as usize
}

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    /// Uniform in [0, 1).
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Floats in [-1, 1); integers and flags 0 or 1, which are indices into almost anything.
    fn tensor(&mut self, dtype: DataType, shape: &[usize]) -> Result<Tensor, lehr::tensor::TensorError> {
        let blank = Tensor::zeros(dtype, shape)?;
        if dtype == DataType::String || dtype.is_complex() {
            return Ok(blank);
        }
        let values = (0..blank.len())
            .map(|_| if dtype.is_float() { 2.0 * self.next() - 1.0 } else { self.next().round() });
        Tensor::from_vec(shape, values.collect::<Vec<f64>>())?.cast(dtype, Default::default())
    }
}
