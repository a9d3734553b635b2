//! `NormalizationOptions` of TensorFlow Lite's model metadata.

use super::ImportError;
use super::picture::numbers;

/// The step `normalize` of the options' means and deviations: one number for all channels, or one for each.
///
/// # Errors
/// [`ImportError::Value`] when their numbers are not 1 or 3 and equal.
pub fn normalization(mean: &[f32], std: &[f32]) -> Result<toml::Table, ImportError> {
    if mean.len() != std.len() || !matches!(mean.len(), 1 | 3) {
        let got = format!("{} means and {} deviations", mean.len(), std.len());
        return Err(ImportError::value("NormalizationOptions", "1 or 3 means, and as many deviations", got));
    }
    // A single number stands for all channels of a picture of any color.
    let values = |values: &[f32]| {
        let values: Vec<f64> = values.iter().map(|value| crate::decimal::widened(*value)).collect();
        match values[..] {
            [one] => toml::Value::from(one),
            _ => numbers(&values),
        }
    };
    let parameters = [("op", "normalize".into()), ("mean", values(mean)), ("std", values(std))];
    Ok(parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_a_step() {
        let step = normalization(&[127.5], &[127.5]).unwrap();
        assert_eq!(step.to_string().trim(), "op = \"normalize\"\nmean = 127.5\nstd = 127.5");
        let step = normalization(&[0.1, 0.2, 0.3], &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(step["mean"].to_string(), "[0.1, 0.2, 0.3]");
        assert!(normalization(&[1.0, 2.0], &[1.0, 2.0]).is_err());
        assert!(normalization(&[1.0], &[]).is_err());
    }
}
