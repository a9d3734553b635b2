//! A tensor as lanes along one of its axes: what steps look at that work over an axis of the caller's choice.

use lehr_tensor::{CastOptions, DataType, Tensor};

use crate::steps::tensor::axis::{lacks_axis, resolve_axis};
use crate::{Item, StepError};

/// The numbers of a tensor, seen as `[outer, size, inner]`: a lane is the `size` numbers at one place of the rest.
#[derive(Clone, Debug)]
pub struct Lanes {
    shape: Vec<usize>,
    axis: usize,
    size: usize,
    inner: usize,
    values: Vec<f32>,
}

impl Lanes {
    /// The lanes of an item along `axis`, counted from the end where it is negative.
    ///
    /// # Errors
    /// [`StepError::Kind`] when the item is no tensor of numbers with that axis, or the axis is empty.
    pub fn of(item: Item, axis: i64) -> Result<Self, StepError> {
        let ty = item.ty();
        let tensor = item.into_tensor()?;
        let shape = tensor.shape().to_vec();
        let axis = resolve_axis(axis, shape.len()).ok_or_else(|| lacks_axis(axis, &ty))?;
        let (size, inner) = (shape[axis], shape[axis + 1..].iter().product());
        if size == 0 {
            return Err(StepError::kind(format!("a tensor whose axis {axis} is not empty"), ty));
        }
        let values = tensor.cast(DataType::F32, CastOptions::default())?.into_vec::<f32>()?;
        Ok(Self { shape, axis, size, inner, values })
    }

    /// The sizes without the axis.
    pub fn shape_without_axis(&self) -> Vec<usize> {
        without(&self.shape, self.axis)
    }

    /// Each lane, in the row-major order of the rest of the axes.
    pub fn for_each(&self, mut look: impl FnMut(&[f32])) {
        let mut lane = vec![0.0; self.size];
        for start in self.starts() {
            self.read(start, &mut lane);
            look(&lane);
        }
    }

    /// The tensor with every lane changed in place.
    ///
    /// # Errors
    /// [`StepError::Tensor`].
    pub fn map(mut self, mut change: impl FnMut(&mut [f32])) -> Result<Item, StepError> {
        let mut lane = vec![0.0; self.size];
        for start in self.starts() {
            self.read(start, &mut lane);
            change(&mut lane);
            let places = self.values[start..].iter_mut().step_by(self.inner);
            places.zip(&lane).for_each(|(place, value)| *place = *value);
        }
        Ok(Item::Tensor(Tensor::from_vec(&self.shape, self.values)?))
    }

    /// Positions of the first number of every lane; none when the tensor is empty.
    fn starts(&self) -> impl Iterator<Item = usize> + use<> {
        let (inner, block) = (self.inner, self.size * self.inner);
        let outer = self.values.len().checked_div(block).unwrap_or(0);
        (0..outer).flat_map(move |outer| (0..inner).map(move |inner| outer * block + inner))
    }

    fn read(&self, start: usize, lane: &mut [f32]) {
        let values = self.values[start..].iter().step_by(self.inner);
        lane.iter_mut().zip(values).for_each(|(place, value)| *place = *value);
    }
}

/// The sizes without those of one axis.
pub fn without<T: Clone>(shape: &[T], axis: usize) -> Vec<T> {
    [&shape[..axis], &shape[axis + 1..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_run_along_any_axis_and_go_back_to_their_places() {
        let tensor = Tensor::from_vec(&[2, 3, 2], (0..12i32).collect()).unwrap();
        for (axis, first) in [(0, [0.0, 6.0].as_slice()), (1, &[0.0, 2.0, 4.0]), (-1, &[0.0, 1.0])] {
            let lanes = Lanes::of(Item::Tensor(tensor.clone()), axis).unwrap();
            let mut seen = Vec::new();
            lanes.for_each(|lane| seen.push(lane.to_vec()));
            assert_eq!((seen[0].as_slice(), seen.len() * first.len()), (first, 12));
            let doubled = lanes.map(|lane| lane.iter_mut().for_each(|x| *x *= 2.0)).unwrap();
            let doubled = doubled.into_tensor().unwrap().into_vec::<f32>().unwrap();
            assert_eq!(doubled, (0..12u8).map(|x| f32::from(x) * 2.0).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_axis_that_is_not_there_is_named() {
        let tensor = Item::Tensor(Tensor::from_vec(&[2], vec![0.0f32; 2]).unwrap());
        let error = Lanes::of(tensor, -2).unwrap_err().to_string();
        assert_eq!(error, "expected a tensor with an axis -2, got a tensor f32[2]");
        assert!(Lanes::of(Item::Tensor(Tensor::from_vec::<f32>(&[2, 0], vec![]).unwrap()), 1).is_err());
    }
}
