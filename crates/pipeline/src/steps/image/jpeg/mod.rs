//! Baseline and progressive JPEG files of 8 bits (ITU-T T.81), decoded to the bit as libjpeg-turbo and with it Pillow
//! do.
//!
//! Exact integers all the way: the same bytes on every machine, and no difference to what models were trained with. A
//! file that is cut off or damaged is an error, never a picture that is partly gray. Not supported: arithmetic
//! coding, 12 bits, lossless and hierarchical files.

mod baseline;
mod bits;
mod components;
mod convert;
mod huffman;
mod inverse_dct;
mod progressive;
mod scan;
mod segments;
mod upsample;

use image::metadata::Orientation;

use self::convert::Space;
use self::segments::{Reader, Segment};

/// Why a file can not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JpegError {
    /// The file ends before its end-of-image marker.
    #[error("it is cut off: there is no end-of-image marker")]
    CutOff,
    /// The file contradicts the standard.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// The file is of a kind that is not decoded.
    #[error("{0} are not supported")]
    Unsupported(&'static str),
    /// The picture is larger than allowed.
    #[error("it has {0} pixels")]
    TooLarge(u64),
}

/// A decoded file.
#[derive(Debug)]
pub struct Jpeg {
    /// In pixels, before the orientation is applied.
    pub width: usize,
    /// In pixels, before the orientation is applied.
    pub height: usize,
    /// 1 for brightness, 3 for red, green and blue.
    pub channels: usize,
    /// Row by row, `[height, width, channels]`.
    pub samples: Vec<u8>,
    /// How the picture should be looked at, by its Exif data.
    pub orientation: Orientation,
}

/// The picture in a file's content.
///
/// # Errors
/// [`JpegError`]; that a picture has more than `max_pixels` is known before memory for it is taken.
pub fn decode(bytes: &[u8], max_pixels: u64) -> Result<Jpeg, JpegError> {
    let mut reader = Reader::new(bytes)?;
    let mut components = None;
    loop {
        match (reader.next()?, &mut components) {
            (Segment::Frame(frame), None) => {
                let area = frame.width as u64 * frame.height as u64;
                if area > max_pixels {
                    return Err(JpegError::TooLarge(area));
                }
                components = Some(components::Components::new(frame));
            }
            (Segment::Frame(_), Some(_)) => return Err(JpegError::Damaged("it has two frames")),
            (Segment::Scan(header), Some(components)) => {
                let used = components.decode_scan(&header, &reader.tables, reader.rest())?;
                reader.skip(used);
            }
            (Segment::Scan(_), None) => return Err(JpegError::Damaged("a scan comes before the frame")),
            (Segment::End, Some(_)) => break,
            (Segment::End, None) => return Err(JpegError::Damaged("it has no frame")),
        }
    }
    let components = components.ok_or(JpegError::Damaged("it has no frame"))?;
    let space = Space::of(&components.frame, &reader.application)?;
    let (width, height) = (components.frame.width, components.frame.height);
    let planes = components.into_planes()?;
    let samples = convert::pixels(&planes, space, width, height)?;
    let orientation = reader.application.orientation();
    Ok(Jpeg { width, height, channels: space.channels(), samples, orientation })
}
