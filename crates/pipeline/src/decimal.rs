//! Single-precision numbers in JSON by their shortest decimal form, without the false digits of a wider type.

use serde::{Serialize, Serializer};

/// The double whose shortest decimal form is that of `value`.
pub fn widened(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// For `#[serde(serialize_with)]`.
pub fn serialize<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    widened(*value).serialize(serializer)
}

/// For `#[serde(serialize_with)]`.
pub fn serialize_optional<S: Serializer>(value: &Option<f32>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(widened).serialize(serializer)
}
