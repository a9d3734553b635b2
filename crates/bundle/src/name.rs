//! Names of files inside a bundle: relative paths that stay below any folder they are unpacked to.

use crate::error::BundleError;

/// Longest name in bytes.
const MAX_LENGTH: usize = 1024;

/// Checks a name of a file: components separated by `/`, none of them empty, `.` or `..`; no `\`, `:` or control
/// characters; 1 to 1024 bytes.
///
/// # Errors
/// [`BundleError::Name`].
pub fn check_name(name: &str) -> Result<(), BundleError> {
    let is_bad_part = |part: &str| matches!(part, "" | "." | "..");
    let problem = if name.is_empty() {
        "expected a relative path, got nothing"
    } else if name.len() > MAX_LENGTH {
        "expected at most 1024 bytes"
    } else if name.starts_with('/') {
        "expected a relative path, got an absolute one"
    } else if name.chars().any(|c| matches!(c, '\\' | ':') || c.is_control()) {
        "expected a path without '\\', ':' and control characters"
    } else if name.split('/').any(is_bad_part) {
        "expected a path without empty parts, '.' and '..'"
    } else {
        return Ok(());
    };
    Err(BundleError::Name { name: name.chars().take(MAX_LENGTH).collect(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for good in ["labels.txt", "a/b c/..d", "ä/€.json", &"x".repeat(1024)] {
            check_name(good).unwrap();
        }
        let bad =
            ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", "./a", "a\\b", "C:x", "a\0", &"x".repeat(1025)];
        for bad in bad {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
