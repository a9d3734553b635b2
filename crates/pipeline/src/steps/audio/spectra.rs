//! A tensor as matrices of its last two axes: what steps behind a spectrogram look at.

use lehr_tensor::{CastOptions, DataType, Tensor};

use crate::steps::limit::allowed;
use crate::{Item, ItemType, StepError, TensorType};

/// Matrices of one size: a row for each frequency, a column for each frame.
#[derive(Clone, Debug)]
pub struct Spectra {
    leading: Vec<usize>,
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

impl Spectra {
    /// The matrices of an item, which must be a tensor of numbers with at least two axes, none of them empty.
    ///
    /// # Errors
    /// [`StepError::Kind`].
    pub fn of(item: Item) -> Result<Self, StepError> {
        let tensor = item.into_tensor()?;
        let shape = tensor.shape().to_vec();
        match shape.as_slice() {
            [leading @ .., rows, columns] if !tensor.is_empty() => {
                let values = tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?;
                Ok(Self { leading: leading.to_vec(), rows: *rows, columns: *columns, values })
            }
            _ => Err(StepError::kind("a tensor with at least two axes", Item::Tensor(tensor).ty())),
        }
    }

    /// Rows of each matrix.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Multiplies every matrix from the left with one that is given by its rows: of each the column where it begins and
    /// the numbers from there on, all others being zero.
    ///
    /// # Errors
    /// [`StepError::TooLarge`].
    pub fn multiplied(&self, left: &[SparseRow]) -> Result<Item, StepError> {
        let count = self.values.len() / (self.rows * self.columns);
        let mut product = Vec::with_capacity(allowed("numbers", &[count, left.len(), self.columns])?);
        let mut sums = vec![0f64; self.columns];
        for matrix in self.values.chunks_exact(self.rows * self.columns) {
            for SparseRow { first, weights } in left {
                sums.fill(0.0);
                let rows = matrix.chunks_exact(self.columns).skip(*first);
                for (weight, row) in weights.iter().zip(rows) {
                    sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * f64::from(*value));
                }
                product.extend(sums.iter().map(|sum| *sum as f32));
            }
        }
        let shape = [self.leading.as_slice(), &[left.len(), self.columns]].concat();
        Ok(Item::Tensor(Tensor::from_vec(&shape, product)?))
    }
}

/// A row of a matrix: zeros, then `weights` from position `first` on, then zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseRow {
    /// Where the weights begin.
    pub first: usize,
    /// The weights.
    pub weights: Vec<f64>,
}

/// What is known of a tensor after its matrices got another number of rows.
///
/// # Errors
/// [`StepError::Kind`] when it is none, or has fewer than two axes.
pub fn infer_rows(input: &ItemType, rows: usize) -> Result<ItemType, StepError> {
    let shape = match input.tensor()?.shape.as_deref() {
        None => None,
        Some([leading @ .., _, columns]) => Some([leading, &[Some(rows), *columns]].concat()),
        Some(_) => return Err(StepError::kind("a tensor with at least two axes", input)),
    };
    Ok(ItemType::Tensor(TensorType { dtype: Some(DataType::F32), shape }))
}
