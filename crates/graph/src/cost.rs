//! Work and memory traffic of a node.

use crate::dim::Dim;
use crate::signature::Signature;
use crate::types::ValueType;

/// What a node costs, as expressions over the graph's symbols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-accumulate operations.
    pub macs: Dim,
    /// Bytes read: all inputs once.
    pub bytes_read: Dim,
    /// Bytes written: all outputs once.
    pub bytes_written: Dim,
}

impl Cost {
    /// No multiply-accumulates, every input read and every output written once.
    pub fn of_traffic(io: &Signature<'_>) -> Self {
        let sum = |bytes: Vec<Dim>| bytes.iter().fold(Dim::Fixed(0), |a, b| a.add(b));
        Self {
            macs: Dim::Fixed(0),
            bytes_read: sum(io.inputs.iter().flatten().map(|ty| bytes_of(ty)).collect()),
            bytes_written: sum(io.outputs.iter().map(|ty| bytes_of(ty)).collect()),
        }
    }

    /// The traffic of a node that picks elements of input 0: only what it gives is read of that.
    pub fn of_picking(io: &Signature<'_>) -> Self {
        let traffic = Self::of_traffic(io);
        let others = io.inputs.iter().skip(1).flatten().map(|ty| bytes_of(ty));
        let bytes_read = others.fold(traffic.bytes_written.clone(), |a, b| a.add(&b));
        Self { bytes_read, ..traffic }
    }

    /// The traffic of the node and the given multiply-accumulates.
    pub fn of_macs(io: &Signature<'_>, macs: Dim) -> Self {
        Self { macs, ..Self::of_traffic(io) }
    }
}

/// Bytes of a value of this type; unknown when the type is.
pub fn bytes_of(ty: &ValueType) -> Dim {
    let (Some(dtype), Some(shape)) = (ty.dtype(), ty.shape()) else { return Dim::Unknown };
    let bits = Dim::Fixed(dtype.bits() as u64);
    match shape.numel().mul(&bits) {
        Dim::Fixed(bits) => Dim::Fixed(bits.div_ceil(8)),
        symbolic => symbolic.div_exact(&Dim::Fixed(8)),
    }
}
