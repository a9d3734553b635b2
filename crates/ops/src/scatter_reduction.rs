//! What the scattering operators share: overwriting or combining elements at given positions.

use lehr_graph::{OpError, WriteCx, attribute_enum};
use lehr_tensor::{DataType, Tensor, Wide};

use crate::movement::{Overwrite, move_elements};

attribute_enum! {
    /// How an update meets the element that is there.
    pub enum Reduction {
        /// The update takes its place.
        None = "none",
        /// Sum.
        Add = "add",
        /// Product.
        Mul = "mul",
        /// The larger one.
        Max = "max",
        /// The smaller one.
        Min = "min",
    }
}

impl Reduction {
    fn float(self, a: f64, b: f64) -> f64 {
        match self {
            Self::None => b,
            Self::Add => a + b,
            Self::Mul => a * b,
            _ if a.is_nan() || b.is_nan() => f64::NAN,
            Self::Max => a.max(b),
            Self::Min => a.min(b),
        }
    }

    fn signed(self, a: i64, b: i64) -> i64 {
        match self {
            Self::None => b,
            Self::Add => a.wrapping_add(b),
            Self::Mul => a.wrapping_mul(b),
            Self::Max => a.max(b),
            Self::Min => a.min(b),
        }
    }

    fn unsigned(self, a: u64, b: u64) -> u64 {
        match self {
            Self::None => b,
            Self::Add => a.wrapping_add(b),
            Self::Mul => a.wrapping_mul(b),
            Self::Max => a.max(b),
            Self::Min => a.min(b),
        }
    }

    fn logical(self, a: bool, b: bool) -> bool {
        match self {
            Self::None => b,
            Self::Add | Self::Max => a | b,
            Self::Mul | Self::Min => a & b,
        }
    }

    /// Removes or refuses the attribute for opsets that do not have it.
    pub(crate) fn write(self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        let since = match self {
            Self::None => 0,
            Self::Add | Self::Mul => 16,
            Self::Max | Self::Min => 18,
        };
        if cx.opset() < since {
            return Err(OpError::Unsupported(format!(
                "before opset {since}, there is no reduction {self:?}"
            )));
        }
        if cx.opset() < 16 {
            cx.attributes_mut().remove("reduction");
        }
        Ok(())
    }
}

/// `data` with blocks of `updates` put at `starts`.
pub(crate) fn scatter(
    data: &Tensor,
    updates: &Tensor,
    starts: &[usize],
    block: usize,
    reduction: Reduction,
) -> Result<Tensor, OpError> {
    if reduction == Reduction::None {
        return move_elements(&[data, updates], data.shape(), &Overwrite { starts, block });
    }
    if updates.dtype() != data.dtype() {
        return Err(OpError::input_type(2, data.dtype().name(), updates.dtype()));
    }
    let combined = match (data.widen(), updates.widen()) {
        (Wide::F(a), Wide::F(b)) => Wide::F(combine(a, &b, starts, block, |x, y| reduction.float(x, y))?),
        (Wide::I(a), Wide::I(b)) => Wide::I(combine(a, &b, starts, block, |x, y| reduction.signed(x, y))?),
        (Wide::U(a), Wide::U(b)) => Wide::U(combine(a, &b, starts, block, |x, y| reduction.unsigned(x, y))?),
        (Wide::B(a), Wide::B(b)) => Wide::B(combine(a, &b, starts, block, |x, y| reduction.logical(x, y))?),
        _ => return Err(not_reducible(data.dtype())),
    };
    Ok(Tensor::narrow(data.dtype(), data.shape(), combined)?)
}

#[cold]
fn not_reducible(dtype: DataType) -> OpError {
    OpError::input_type(0, "a real type for a reduction", dtype)
}

fn combine<T: Copy>(
    mut data: Vec<T>,
    updates: &[T],
    starts: &[usize],
    block: usize,
    f: impl Fn(T, T) -> T,
) -> Result<Vec<T>, OpError> {
    for (i, &start) in starts.iter().enumerate() {
        let update = updates.get(i * block..(i + 1) * block);
        let place = data.get_mut(start..start + block);
        let (Some(update), Some(place)) = (update, place) else {
            return Err(OpError::shape(format!("update {i} does not fit")));
        };
        place.iter_mut().zip(update).for_each(|(a, &b)| *a = f(*a, b));
    }
    Ok(data)
}
