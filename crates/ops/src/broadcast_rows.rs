//! Broadcast operands as rows: the common shape with as many axes merged as every operand allows, walked in parallel
//! pieces in which each operand either advances by one or stands still.

use lehr_graph::OpError;
use lehr_kernels::team::Team;
use lehr_tensor::{broadcast_shapes, row_major_strides};

/// Elements per task.
const CHUNK: usize = 8192;

/// How `N` operands lie under their broadcast shape.
pub(crate) struct Rows<const N: usize> {
    /// The broadcast shape.
    pub shape: Vec<usize>,
    /// Its number of elements.
    pub len: usize,
    /// Sizes after merging, outermost first; at least one.
    pub sizes: Vec<usize>,
    /// Strides of the operands after merging; those of the innermost axis are 0 or 1.
    pub strides: Vec<[usize; N]>,
}

impl<const N: usize> Rows<N> {
    /// For dense row-major operands of these shapes, whose result may have at most `most` elements.
    ///
    /// # Errors
    /// When they do not broadcast, or to something too large.
    pub(crate) fn new(shapes: [&[usize]; N], most: usize) -> Result<Self, OpError> {
        let shape = broadcast_shapes(&shapes)?;
        let len = lehr_tensor::checked_len(&shape)?;
        if len > most {
            return Err(OpError::value(format!(
                "a value of shape {shape:?} would have more than the allowed {most} elements"
            )));
        }
        let operand_strides = shapes.map(|own| broadcast_strides(own, shape.len()));
        let (mut sizes, mut strides): (Vec<usize>, Vec<[usize; N]>) = (Vec::new(), Vec::new());
        for (axis, &size) in shape.iter().enumerate().rev().filter(|(_, size)| **size != 1) {
            let stride = std::array::from_fn(|o| operand_strides[o][axis]);
            let inner = sizes.last_mut().zip(strides.last());
            match inner.filter(|(n, inner)| (0..N).all(|o| stride[o] == inner[o] * **n)) {
                Some((n, _)) => *n *= size,
                None => {
                    sizes.push(size);
                    strides.push(stride);
                }
            }
        }
        if sizes.is_empty() {
            sizes.push(1);
            strides.push([1; N]);
        }
        sizes.reverse();
        strides.reverse();
        Ok(Self { shape, len, sizes, strides })
    }

    /// Whether operand `o` advances in the innermost axis.
    pub(crate) fn advances(&self, o: usize) -> bool {
        self.strides.last().is_some_and(|strides| strides[o] == 1)
    }

    /// Sizes and strides of operand `o` alone, outermost first; 0 is the stride of axes that repeat it.
    pub(crate) fn axes_of(&self, o: usize) -> Vec<(usize, usize)> {
        let mut axes: Vec<(usize, usize)> = Vec::with_capacity(self.sizes.len());
        for (&size, strides) in self.sizes.iter().zip(&self.strides) {
            match axes.last_mut() {
                Some((outer, stride)) if *stride == strides[o] * size => {
                    (*outer, *stride) = (*outer * size, strides[o]);
                }
                _ => axes.push((size, strides[o])),
            }
        }
        axes
    }

    /// Calls `body(piece, places)` for pieces of rows of `y`, in parallel; operand `o` starts at `places[o]`.
    pub(crate) fn for_pieces<T: Send>(
        &self,
        team: &Team,
        y: &mut [T],
        body: impl Fn(&mut [T], [usize; N]) + Sync,
    ) {
        let Some((&row_len, _)) = self.sizes.split_last() else { return };
        let run = |start: usize, mut rest: &mut [T]| {
            let mut at = start;
            while !rest.is_empty() {
                let (row, column) = (at / row_len, at % row_len);
                let (piece, behind) = rest.split_at_mut((row_len - column).min(rest.len()));
                let mut places = self.row_places(row);
                if let Some(inner) = self.strides.last() {
                    (0..N).for_each(|o| places[o] += column * inner[o]);
                }
                at += piece.len();
                body(piece, places);
                rest = behind;
            }
        };
        if y.len() < 2 * CHUNK {
            return run(0, y);
        }
        team.parallel_chunks(y, CHUNK, run);
    }

    fn row_places(&self, mut row: usize) -> [usize; N] {
        let mut places = [0; N];
        let outer = self.sizes.len() - 1;
        for (size, strides) in self.sizes[..outer].iter().zip(&self.strides[..outer]).rev() {
            let index = row % size;
            row /= size;
            (0..N).for_each(|o| places[o] += index * strides[o]);
        }
        places
    }
}

fn broadcast_strides(own: &[usize], rank: usize) -> Vec<usize> {
    let mut strides = vec![0; rank - own.len()];
    let dense = row_major_strides(own);
    strides.extend(own.iter().zip(dense).map(|(&size, stride)| if size == 1 { 0 } else { stride }));
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_axes() {
        for (a, b, sizes, strides) in [
            (&[2, 3, 4][..], &[2, 3, 4][..], &[24][..], &[[1, 1]][..]),
            (&[2, 3, 4, 5], &[3, 1, 1], &[2, 3, 20], &[[60, 0], [20, 1], [1, 0]]),
            (&[2, 3, 4], &[4], &[6, 4], &[[4, 0], [1, 1]]),
            (&[2, 3, 4], &[], &[24], &[[1, 0]]),
            (&[1, 1], &[1], &[1], &[[1, 1]]),
            (&[3, 1], &[1, 4], &[3, 4], &[[1, 0], [0, 1]]),
        ] {
            let rows = Rows::new([a, b], 1000).unwrap();
            assert_eq!((rows.sizes.as_slice(), rows.strides.as_slice()), (sizes, strides), "{a:?} {b:?}");
        }
        assert!(Rows::new([&[100, 1], &[1, 100]], 1000).is_err());
        assert!(Rows::new([&[2], &[3]], 1000).is_err());
    }
}
