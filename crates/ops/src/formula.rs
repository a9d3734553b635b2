//! Short names for the operators that decompositions consist of.

use lehr_graph::{Builder, OpError, ValueId};
use lehr_tensor::DataType;

use crate::add::Add;
use crate::clip::Clip;
use crate::div::Div;
use crate::exp::Exp;
use crate::less::Less;
use crate::mul::Mul;
use crate::reduce_max::ReduceMax;
use crate::reduce_sum::ReduceSum;
use crate::sub::Sub;
use crate::r#where::Where;

/// Elementwise arithmetic on values of one element type inside a [`Builder`].
pub(crate) struct Formula<'b> {
    builder: &'b mut Builder,
    dtype: DataType,
}

impl<'b> Formula<'b> {
    /// The required input `index`, and arithmetic in its element type.
    pub(crate) fn on(builder: &'b mut Builder, index: usize) -> Result<(Self, ValueId), OpError> {
        let x = builder.require(index)?;
        let dtype = builder.dtype(x)?;
        Ok((Self { builder, dtype }, x))
    }

    /// The element type.
    pub(crate) fn dtype(&self) -> DataType {
        self.dtype
    }

    /// Another required input.
    pub(crate) fn input(&self, index: usize) -> Result<ValueId, OpError> {
        self.builder.require(index)
    }

    /// A scalar constant.
    pub(crate) fn number(&mut self, value: impl Into<f64>) -> Result<ValueId, OpError> {
        self.builder.scalar(self.dtype, value.into())
    }

    /// `op(x)`.
    pub(crate) fn apply(&mut self, op: impl lehr_graph::Op, x: ValueId) -> Result<ValueId, OpError> {
        self.builder.call(op, &[x])
    }

    /// `a + b`.
    pub(crate) fn add(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.builder.call(Add {}, &[a, b])
    }

    /// `a - b`.
    pub(crate) fn sub(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.builder.call(Sub {}, &[a, b])
    }

    /// `a * b`.
    pub(crate) fn mul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.builder.call(Mul {}, &[a, b])
    }

    /// `a / b`.
    pub(crate) fn div(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.builder.call(Div {}, &[a, b])
    }

    /// `x * factor`.
    pub(crate) fn scale(&mut self, x: ValueId, factor: impl Into<f64>) -> Result<ValueId, OpError> {
        let factor = self.number(factor)?;
        self.mul(x, factor)
    }

    /// `x + offset`.
    pub(crate) fn shift(&mut self, x: ValueId, offset: impl Into<f64>) -> Result<ValueId, OpError> {
        let offset = self.number(offset)?;
        self.add(x, offset)
    }

    /// `e^x`.
    pub(crate) fn exp(&mut self, x: ValueId) -> Result<ValueId, OpError> {
        self.apply(Exp {}, x)
    }

    /// `a < b`, as truth values.
    pub(crate) fn less(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        self.builder.call(Less {}, &[a, b])
    }

    /// `condition ? yes : no`.
    pub(crate) fn select(
        &mut self,
        condition: ValueId,
        yes: ValueId,
        no: ValueId,
    ) -> Result<ValueId, OpError> {
        self.builder.call(Where {}, &[condition, yes, no])
    }

    /// `x < 0 ? negative : other`.
    pub(crate) fn select_negative(
        &mut self,
        x: ValueId,
        negative: ValueId,
        other: ValueId,
    ) -> Result<ValueId, OpError> {
        let zero = self.number(0.0)?;
        let condition = self.less(x, zero)?;
        self.select(condition, negative, other)
    }

    /// `min(high, max(low, x))`.
    pub(crate) fn clip(&mut self, x: ValueId, low: f64, high: f64) -> Result<ValueId, OpError> {
        let (low, high) = (self.number(low)?, self.number(high)?);
        self.builder.call(Clip {}, &[x, low, high])
    }

    /// x minus its greatest element along `axis`.
    pub(crate) fn minus_greatest(&mut self, x: ValueId, axis: i64) -> Result<ValueId, OpError> {
        let axes = self.builder.vector(&[axis]);
        let greatest =
            self.builder.call(ReduceMax { keepdims: true, noop_with_empty_axes: false }, &[x, axes])?;
        self.sub(x, greatest)
    }

    /// The sum along `axis`, which stays with size 1.
    pub(crate) fn sum_along(&mut self, x: ValueId, axis: i64) -> Result<ValueId, OpError> {
        let axes = self.builder.vector(&[axis]);
        self.builder.call(ReduceSum { keepdims: true, noop_with_empty_axes: false }, &[x, axes])
    }

    /// `y` is the only output.
    pub(crate) fn finish(self, y: ValueId) -> Result<bool, OpError> {
        self.builder.output(0, y);
        Ok(true)
    }
}
