//! Whether a JPEG file is whole. Decoders fill what is missing with gray; a picture that was cut off must not pass as
//! one that was not.
//!
//! A file is a sequence of segments (ITU-T T.81, B.1); entropy-coded data follows each start of scan, in which `FF`
//! is always followed by `00` or by a restart marker. The file is whole when an end-of-image marker closes it.

use crate::StepError;

const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;

/// Fails unless the end-of-image marker is reached.
///
/// # Errors
/// [`StepError::Malformed`].
pub fn demand(bytes: &[u8]) -> Result<(), StepError> {
    match ends(bytes) {
        true => Ok(()),
        false => Err(StepError::malformed(format!(
            "the JPEG is cut off: its {} bytes have no end-of-image marker",
            bytes.len()
        ))),
    }
}

fn ends(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        let Some((marker, after)) = next_marker(rest) else { return false };
        rest = match marker {
            END_OF_IMAGE => return true,
            // Start of image, restarts, TEM and fill bytes have no length; `00` belongs to entropy-coded data.
            0x00 | 0x01 | 0xd0..=0xd8 => after,
            0xff => &rest[rest.len() - after.len() - 1..],
            START_OF_SCAN | 0x02..=0xcf | 0xdb..=0xfe => match skip_segment(after) {
                Some(after) => after,
                None => return false,
            },
        };
    }
}

/// The byte that follows the next `FF`, and what follows it.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let at = bytes.iter().position(|byte| *byte == 0xff)?;
    let (marker, after) = bytes[at + 1..].split_first()?;
    Some((*marker, after))
}

/// What follows a segment that begins with its length, which counts itself.
fn skip_segment(bytes: &[u8]) -> Option<&[u8]> {
    let length = u16::from_be_bytes(*bytes.first_chunk()?);
    bytes.get(usize::from(length).max(2)..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_marker_counts_only_outside_of_segments() {
        let app = [0xff, 0xe1, 0x00, 0x04, 0xff, 0xd9];
        let scan = [0xff, 0xda, 0x00, 0x03, 0x01, 0x12, 0xff, 0x00, 0xff, 0xd3, 0x45];
        let whole = [&[0xff, 0xd8], &app[..], &scan[..], &[0xff, 0xff, 0xd9, 0x00]].concat();
        assert!(ends(&whole));
        for length in 0..whole.len() - 1 {
            assert!(!ends(&whole[..length]), "{length}");
        }
    }
}
