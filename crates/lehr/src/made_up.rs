//! Made up inputs, the same ones on every machine: to run a model without data.

use lehr_graph::dim::Assignment;
use lehr_graph::{Datum, Dim, ValueType};
use lehr_runtime::Port;
use lehr_tensor::{DataType, Tensor, TensorError};

/// Size of a symbol that nobody bound.
const DEFAULT_SIZE: u64 = 1;

/// Inputs of the declared types: floats in [-1, 1), integers and flags 0 or 1, which are indices into almost anything.
/// Symbols without a size count as 1; `note` hears of each.
///
/// # Errors
/// A sentence about the first input that can not be made up.
pub fn inputs(
    ports: &[Port],
    sizes: &Assignment,
    mut note: impl FnMut(String),
) -> Result<Vec<(String, Datum)>, String> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let one = |port: &Port| {
        let value = value(port, sizes, &mut random, &mut note);
        value.map(|value| (port.name.clone(), value)).map_err(|what| format!("input '{}': {what}", port.name))
    };
    ports.iter().map(one).collect()
}

fn value(
    port: &Port,
    sizes: &Assignment,
    random: &mut Random,
    note: &mut impl FnMut(String),
) -> Result<Datum, String> {
    let ValueType::Tensor(ty) = &port.ty else { return Err("only tensors can be made up".to_owned()) };
    let dtype = ty.dtype.ok_or("the element type is not known")?;
    let shape = ty.shape.as_ref().ok_or("the rank is not known")?;
    let mut size_of = |dim: &Dim| {
        if let Some(size) = dim.eval(sizes) {
            return usize::try_from(size).unwrap_or(usize::MAX);
        }
        note(format!("input '{}': size {dim} is taken as {DEFAULT_SIZE}", port.name));
        DEFAULT_SIZE as usize
    };
    let shape: Vec<usize> = shape.iter().map(&mut size_of).collect();
    random.tensor(dtype, &shape).map(Datum::Tensor).map_err(|error| error.to_string())
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

    fn tensor(&mut self, dtype: DataType, shape: &[usize]) -> Result<Tensor, TensorError> {
        let blank = Tensor::zeros(dtype, shape)?;
        if dtype == DataType::String || dtype.is_complex() {
            return Ok(blank);
        }
        let values = (0..blank.len())
            .map(|_| if dtype.is_float() { 2.0 * self.next() - 1.0 } else { self.next().round() });
        Tensor::from_vec(shape, values.collect::<Vec<f64>>())?.cast(dtype, Default::default())
    }
}
