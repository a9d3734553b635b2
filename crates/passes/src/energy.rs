//! An estimate of energy from published numbers of a 45 nm chip: comparisons between two versions of a model mean more
//! than the values.
//!
//! M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, doi:10.1109/ISSCC.2014.6757323.

use lehr_tensor::DataType;

/// Picojoules per byte from memory outside the chip: 1.3 nJ per 64 bits, the lower end of the source.
pub const DRAM_PJ_PER_BYTE: f64 = 162.5;
/// Picojoules per byte from 1 MB of memory on the chip: 100 pJ per 64 bits.
pub const CACHE_PJ_PER_BYTE: f64 = 12.5;

/// Picojoules of the multiplication and addition of one multiply-accumulate.
pub fn pj_per_mac(dtype: Option<DataType>) -> f64 {
    match dtype {
        Some(DataType::F16 | DataType::BF16) => 1.5,
        Some(dtype) if dtype.bits() <= 8 => 0.23,
        Some(dtype) if dtype.is_int() => 3.2,
        _ => 4.6,
    }
}
