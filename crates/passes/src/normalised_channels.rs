//! The channels of normalisations that have one scale and one bias per channel.

use lehr_graph::{Graph, PatchBuilder, PatchValue, ValueId};
use lehr_tensor::{DataType, Tensor};

use crate::constants::{along_axis, finite, floats};
use crate::pattern::Match;
use crate::rewrite::Reject;

/// The channels of what is normalised: axis 1.
pub(crate) struct Channels {
    sizes: [usize; 1],
    rank: usize,
    dtype: DataType,
}

impl Channels {
    /// The channels of `x`.
    ///
    /// # Errors
    /// [`Reject::Because`] when their number is not known, there is nothing behind them, or the type has more than 32 bits,
    /// which epsilon has not.
    pub(crate) fn of(graph: &Graph, x: ValueId) -> Result<Self, Reject> {
        let ty = graph.value(x).ty();
        let (Some(dtype), Some(shape)) = (ty.dtype(), ty.shape()) else {
            return Err(Reject::because("type and shape of what is normalised are not known"));
        };
        if !matches!(dtype, DataType::F32 | DataType::F16 | DataType::BF16) {
            return Err(Reject::because(format!("epsilon of {dtype} would be rounded to 32 bits")));
        }
        let size = shape.get(1).and_then(|dim| dim.as_fixed()).filter(|_| shape.rank() > 2);
        let size = size.ok_or_else(|| Reject::because("the number of channels is not known"))?;
        Ok(Self { sizes: [size], rank: shape.rank(), dtype })
    }

    /// Their number.
    pub(crate) fn len(&self) -> usize {
        self.sizes[0]
    }

    /// Shape of a parameter.
    pub(crate) fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Type of what is normalised.
    pub(crate) fn dtype(&self) -> DataType {
        self.dtype
    }

    /// The parameter of a normalisation, each element repeated until there is one for each channel.
    ///
    /// # Errors
    /// [`Reject::Because`] when their number does not divide that of the channels.
    pub(crate) fn repeated(&self, tensor: &Tensor) -> Result<Tensor, Reject> {
        let numbers = finite(tensor)?;
        let times = self.len().checked_div(numbers.len()).filter(|times| times * numbers.len() == self.len());
        let times =
            times.filter(|_| tensor.rank() == 1 && tensor.dtype() == self.dtype).ok_or_else(|| {
                let (got, expected) = (tensor.shape(), self.len());
                Reject::because(format!("a parameter of shape {got:?} for {expected} channels"))
            })?;
        let numbers = numbers.into_iter().flat_map(|number| std::iter::repeat_n(number, times)).collect();
        floats(self.dtype, &self.sizes, numbers)
    }

    /// A constant that broadcasts against what is normalised and has one number for each channel.
    ///
    /// # Errors
    /// [`Reject::Because`] when it is not so.
    pub(crate) fn operand(&self, tensor: &Tensor) -> Result<Tensor, Reject> {
        finite(tensor)?;
        let numbers = along_axis(tensor, self.rank, 1, self.len()).filter(|_| tensor.dtype() == self.dtype);
        let numbers = numbers.ok_or_else(|| {
            let (got, expected) = (tensor.shape(), self.len());
            Reject::because(format!("a constant of shape {got:?} for {expected} channels"))
        })?;
        floats(self.dtype, &self.sizes, numbers)
    }

    /// The operand bound to `name`, or `default` everywhere.
    pub(crate) fn bound(
        &self,
        found: &Match,
        patch: &mut PatchBuilder<'_>,
        name: &str,
        default: f64,
    ) -> Result<PatchValue, Reject> {
        let given = found.get(name).and_then(|value| patch.graph().constant(value));
        let tensor = match given {
            Some(tensor) => self.operand(tensor)?,
            None => floats(self.dtype, &self.sizes, vec![default; self.len()])?,
        };
        Ok(patch.constant(tensor))
    }
}
