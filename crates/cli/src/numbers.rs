//! Short statistics of tensors.

use lehr::{Datum, Tensor};
use serde_json::{Value, json};

/// Smallest, largest and mean of the finite and infinite elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Elements that are not a number.
    pub nans: usize,
}

/// Statistics of a tensor of real numbers that has elements.
pub fn statistics(tensor: &Tensor) -> Option<Statistics> {
    let values = tensor.to_f64s().ok()?;
    let numbers = || values.iter().copied().filter(|v| !v.is_nan());
    let count = numbers().count();
    if count == 0 {
        return None;
    }
    Some(Statistics {
        min: numbers().fold(f64::INFINITY, f64::min),
        max: numbers().fold(f64::NEG_INFINITY, f64::max),
        mean: numbers().sum::<f64>() / count as f64,
        nans: values.len() - count,
    })
}

/// One of the largest elements of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Position in the row.
    pub index: usize,
    /// The element.
    pub value: f64,
    /// The element if the row is a distribution, else its softmax.
    pub probability: f64,
}

/// The `k` largest elements of each row along the last axis, largest first, earlier ones first among equals.
pub fn top_k(tensor: &Tensor, k: usize) -> Option<Vec<Vec<Ranked>>> {
    let width = tensor.shape().last().copied().filter(|&width| width > 0)?;
    let values = tensor.to_f64s().ok()?;
    Some(values.chunks(width).map(|row| rank(row, k)).collect())
}

fn rank(row: &[f64], k: usize) -> Vec<Ranked> {
    let sum: f64 = row.iter().sum();
    let is_distribution = row.iter().all(|v| (0.0..=1.0).contains(v)) && (sum - 1.0).abs() < 1e-3;
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = row.iter().map(|v| (v - max).exp()).sum();
    let probability = |v: f64| if is_distribution { v } else { (v - max).exp() / total };
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
    let ranked = |index: usize| Ranked { index, value: row[index], probability: probability(row[index]) };
    order.into_iter().take(k).map(ranked).collect()
}

/// A value in one line: `f32[1,10]  min -1  max 3  mean 0.2`.
pub fn value_text(value: &Datum) -> String {
    let mut text = value.describe();
    if let Some(statistics) = value.as_tensor().and_then(statistics) {
        let Statistics { min, max, mean, nans } = statistics;
        text += &format!("  min {}  max {}  mean {}", short(min), short(max), short(mean));
        if nans > 0 {
            text += &format!("  NaN {nans}");
        }
    }
    text
}

/// A value for programs, without its elements.
pub fn value_json(name: &str, value: &Datum) -> Value {
    let Some(tensor) = value.as_tensor() else {
        return json!({"name": name, "type": value.describe()});
    };
    let mut json = json!({"name": name, "type": tensor.dtype().name(), "shape": tensor.shape()});
    if let Some(statistics) = statistics(tensor) {
        json["min"] = json!(statistics.min);
        json["max"] = json!(statistics.max);
        json["mean"] = json!(statistics.mean);
        json["nans"] = json!(statistics.nans);
    }
    json
}

/// A number with up to six significant digits.
pub fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() || (1e-4..1e7).contains(&value.abs()) {
        let digits = (5 - value.abs().max(1e-4).log10().floor() as i32).clamp(0, 9) as usize;
        let text = format!("{value:.digits$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        return text.to_owned();
    }
    format!("{value:.5e}")
}

/// A count for people: `1.23 M`.
pub fn count(value: u64) -> String {
    with_unit(value, "", &["", " k", " M", " G", " T"])
}

/// A size for people, in powers of ten: `1.23 MB`.
pub fn bytes(value: u64) -> String {
    with_unit(value, " B", &["", " kB", " MB", " GB", " TB"])
}

fn with_unit(value: u64, unit: &str, units: &[&str]) -> String {
    let mut scaled = value as f64;
    let mut step = 0;
    while scaled >= 999.5 && step + 1 < units.len() {
        scaled /= 1000.0;
        step += 1;
    }
    match (step, scaled) {
        (0, _) => format!("{value}{unit}"),
        (_, scaled) if scaled < 9.995 => format!("{scaled:.2}{}", units[step]),
        (_, scaled) if scaled < 99.95 => format!("{scaled:.1}{}", units[step]),
        (_, scaled) => format!("{scaled:.0}{}", units[step]),
    }
}

/// What there is, or a dash.
pub fn or_dash(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_short() {
        assert_eq!(
            [0, 999, 1000, 12_345, 999_950, 123_456_789].map(count),
            ["0", "999", "1.00 k", "12.3 k", "1.00 M", "123 M"]
        );
        assert_eq!([5, 585_532].map(bytes), ["5 B", "586 kB"]);
    }

    #[test]
    fn rows_are_ranked_with_probabilities() {
        let logits = Tensor::from_vec(&[2, 3], vec![0.0f32, 2.0, 2.0, 1.0, 0.0, 0.0]).unwrap();
        let rows = top_k(&logits, 2).unwrap();
        assert_eq!(
            rows.iter().map(|row| row.iter().map(|r| r.index).collect()).collect::<Vec<Vec<_>>>(),
            [[1, 2], [0, 1]]
        );
        assert!((rows[0][0].probability - 0.468).abs() < 1e-3, "softmax");
        assert_eq!(rows[1][0].probability, 1.0, "already a distribution");
        assert_eq!(top_k(&Tensor::scalar(1.0f32), 1), None);
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (1.5, "1.5"),
            (1234567.0, "1234567"),
            (1e-9, "1.00000e-9"),
            (0.333333333, "0.333333"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
