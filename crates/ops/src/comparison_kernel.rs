//! Comparisons of the common types, row by row of the broadcast shape.

use std::marker::PhantomData;

use lehr_graph::{Op, OpError, Signature};
use lehr_tensor::{DataType, Element, Tensor};

use crate::broadcast_rows::Rows;
use crate::cpu::{Kernel, RunCx, run_reference};

/// A relation of two values; a NaN stands in none.
pub(crate) trait Relation: Send + Sync + 'static {
    fn holds<T: PartialOrd>(a: &T, b: &T) -> bool;
}

macro_rules! relations {
    ($($name:ident: $method:ident;)*) => {
        $(pub(crate) struct $name;

        impl Relation for $name {
            #[inline(always)]
            fn holds<T: PartialOrd>(a: &T, b: &T) -> bool {
                a.$method(b)
            }
        })*
    };
}

relations! {
    IsEqual: eq;
    IsLess: lt;
    IsLessOrEqual: le;
    IsGreater: gt;
    IsGreaterOrEqual: ge;
}

/// Whether both inputs are of one type that the kernel takes.
pub(crate) fn comparable(io: &Signature<'_>) -> bool {
    let dtype = io.input_dtype(0);
    io.inputs.len() == 2
        && dtype == io.input_dtype(1)
        && matches!(dtype, Some(DataType::F32 | DataType::I32 | DataType::I64))
}

/// Compares inputs 0 and 1.
pub(crate) struct ComparisonKernel<O, R>(O, PhantomData<R>);

impl<O: Op, R: Relation> ComparisonKernel<O, R> {
    /// The kernel of `op`, which is the relation R.
    pub(crate) fn new(op: O, _relation: R) -> Self {
        Self(op, PhantomData)
    }
}

impl<O: Op, R: Relation> Kernel for ComparisonKernel<O, R> {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let z = match (cx.tensor(0)?.dtype(), cx.tensor(1)?.dtype()) {
            (DataType::F32, DataType::F32) => compared::<f32, R>(cx)?,
            (DataType::I32, DataType::I32) => compared::<i32, R>(cx)?,
            (DataType::I64, DataType::I64) => compared::<i64, R>(cx)?,
            _ => return run_reference(&self.0, cx),
        };
        cx.set(0, z);
        Ok(())
    }
}

fn compared<T: Element + PartialOrd, R: Relation>(cx: &RunCx<'_>) -> Result<Tensor, OpError> {
    let (a, b) = (cx.tensor(0)?, cx.tensor(1)?);
    let rows = Rows::new([a.shape(), b.shape()], cx.environment.max_value_bytes())?;
    let (a, b) = (a.as_slice::<T>()?, b.as_slice::<T>()?);
    let mut z = vec![false; rows.len];
    let advance = [rows.advances(0), rows.advances(1)];
    rows.for_pieces(cx.team, &mut z, |z, [i, j]| {
        let (a, b) = (&a[i..], &b[j..]);
        match advance {
            [true, true] => z.iter_mut().zip(a.iter().zip(b)).for_each(|(z, (a, b))| *z = R::holds(a, b)),
            [true, false] => z.iter_mut().zip(a).for_each(|(z, a)| *z = R::holds(a, &b[0])),
            [false, true] => z.iter_mut().zip(b).for_each(|(z, b)| *z = R::holds(&a[0], b)),
            [false, false] => z.fill(R::holds(&a[0], &b[0])),
        }
    });
    Ok(Tensor::from_vec(&rows.shape, z)?)
}

#[cfg(test)]
mod tests {
    use lehr_tensor::Tensor;

    use crate::equal::Equal;
    use crate::greater_or_equal::GreaterOrEqual;
    use crate::less::Less;
    use crate::testing::Case;

    #[test]
    fn every_broadcast_agrees_with_the_definition() {
        for (a, b) in
            [(&[2, 3, 4][..], &[2, 3, 4][..]), (&[2, 3, 1], &[1, 4]), (&[1, 4], &[3, 1]), (&[0, 4], &[4])]
        {
            let len = |shape: &[usize]| shape.iter().product::<usize>();
            let ints = |shape: &[usize]| {
                Tensor::from_vec(shape, (0..len(shape)).map(|i| (i * 5 % 7) as i32).collect()).unwrap()
            };
            let floats = |shape: &[usize]| {
                let value = |i: usize| if i % 5 == 4 { f32::NAN } else { (i * 5 % 7) as f32 - 2.0 };
                Tensor::from_vec(shape, (0..len(shape)).map(value).collect()).unwrap()
            };
            Case::new(Equal {}).input(ints(a)).input(ints(b)).agree();
            Case::new(Equal {}).input(floats(a)).input(floats(b)).agree();
            Case::new(Less {}).input(floats(a)).input(floats(b)).agree();
            Case::new(GreaterOrEqual {}).input(floats(a)).input(floats(b)).agree();
        }
    }
}
