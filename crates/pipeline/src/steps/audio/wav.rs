//! Reads WAVE files: RIFF chunks with integer or floating-point samples.
//!
//! Follows *Multimedia Programming Interface and Data Specifications 1.0* (IBM and Microsoft, 1991) and
//! `WAVEFORMATEXTENSIBLE`. A data chunk that claims more than the file holds (a stream of unknown length, a recorder
//! that was stopped) ends with the file.

use crate::steps::limit::allowed;
use crate::{Audio, StepError};

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xFFFE;

/// The end of the identifiers of sub-formats that stand for a format code.
const SUB_FORMAT_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// The recording in a WAVE file of at most `max_seconds`.
///
/// # Errors
/// [`StepError::Malformed`] with what is wrong, [`StepError::TooLarge`].
pub fn read(bytes: &[u8], max_seconds: u32) -> Result<Audio, StepError> {
    let chunks = riff_chunks(bytes)?;
    let mut format = None;
    for chunk in Chunks(chunks) {
        match &chunk.id {
            b"fmt " => format = Some(Format::parse(chunk.content)?),
            b"data" => {
                let format =
                    format.ok_or_else(|| StepError::malformed("the data comes before the format"))?;
                return format.decode(chunk.content, max_seconds);
            }
            _ => {}
        }
    }
    let missing = if format.is_some() { "data" } else { "fmt " };
    Err(StepError::malformed(format!("the WAVE file has no chunk '{missing}'")))
}

/// What follows the file's header.
fn riff_chunks(bytes: &[u8]) -> Result<&[u8], StepError> {
    let Some((header, chunks)) = bytes.split_first_chunk::<12>() else {
        return Err(StepError::malformed(format!("{} bytes are no WAVE file", bytes.len())));
    };
    match header {
        [b'R', b'I', b'F', b'F', .., b'W', b'A', b'V', b'E']
        | [b'R', b'F', b'6', b'4', .., b'W', b'A', b'V', b'E'] => Ok(chunks),
        [b'R', b'I', b'F', b'X', ..] => {
            Err(StepError::malformed("a big-endian WAVE file (RIFX) is not supported"))
        }
        _ => Err(StepError::malformed(format!("expected a WAVE file, got {}", looks_like(header)))),
    }
}

fn looks_like(header: &[u8; 12]) -> String {
    match header {
        [b'f', b'L', b'a', b'C', ..] => "a FLAC file".to_owned(),
        [b'O', b'g', b'g', b'S', ..] => "an Ogg file".to_owned(),
        [b'I', b'D', b'3', ..] | [0xFF, 0xE0..=0xFF, ..] => "an MP3 file".to_owned(),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "an MP4 file".to_owned(),
        _ => format!("a file that begins with \"{}\"", header[..4].escape_ascii()),
    }
}

struct Chunk<'a> {
    id: [u8; 4],
    content: &'a [u8],
}

/// The chunks of a file; the last one may be cut short.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let (id, rest) = self.0.split_first_chunk::<4>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let claimed = usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX);
        let (content, rest) = rest.split_at(claimed.min(rest.len()));
        // Chunks begin at even positions.
        self.0 = rest.get(claimed % 2..).unwrap_or_default();
        Some(Chunk { id: *id, content })
    }
}

#[derive(Clone, Copy, Debug)]
enum Encoding {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
}

impl Encoding {
    fn of(code: u16, bits: u16) -> Result<Self, StepError> {
        match (code, bits) {
            (PCM, 1..=8) => Ok(Self::U8),
            (PCM, 9..=16) => Ok(Self::I16),
            (PCM, 17..=24) => Ok(Self::I24),
            (PCM, 25..=32) => Ok(Self::I32),
            (FLOAT, 32) => Ok(Self::F32),
            (FLOAT, 64) => Ok(Self::F64),
            (PCM | FLOAT, _) => {
                Err(StepError::malformed(format!("samples of {bits} bits are not supported")))
            }
            _ => Err(StepError::malformed(format!(
                "expected integer (1) or floating-point (3) samples, got format {code:#06x}"
            ))),
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// A sample of [`bytes`](Self::bytes) bytes, integers as fractions of their range.
    fn decode(self, sample: &[u8]) -> f32 {
        match (self, sample) {
            (Self::U8, &[a]) => (f32::from(a) - 128.0) / 128.0,
            (Self::I16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32768.0,
            (Self::I24, &[a, b, c]) => (f64::from(i32::from_le_bytes([0, a, b, c])) / 2_147_483_648.0) as f32,
            (Self::I32, &[a, b, c, d]) => {
                (f64::from(i32::from_le_bytes([a, b, c, d])) / 2_147_483_648.0) as f32
            }
            (Self::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Self::F64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => f32::NAN,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Format {
    encoding: Encoding,
    channels: usize,
    rate: u32,
}

impl Format {
    fn parse(chunk: &[u8]) -> Result<Self, StepError> {
        let short = || StepError::malformed(format!("a format of {} bytes is cut short", chunk.len()));
        let u16_at = |at: usize| match chunk.get(at..at + 2) {
            Some(&[a, b]) => Ok(u16::from_le_bytes([a, b])),
            _ => Err(short()),
        };
        let rate = match chunk.get(4..8) {
            Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
            _ => return Err(short()),
        };
        let (mut code, channels, frame, bits) = (u16_at(0)?, u16_at(2)?, u16_at(12)?, u16_at(14)?);
        if code == EXTENSIBLE {
            if chunk.get(26..40).ok_or_else(short)? != SUB_FORMAT_TAIL {
                return Err(StepError::malformed("the sub-format of the WAVE file is not known"));
            }
            code = u16_at(24)?;
        }
        let encoding = Encoding::of(code, bits)?;
        if rate == 0 || channels == 0 {
            return Err(StepError::malformed(format!("{channels} channels of {rate} samples per second")));
        }
        let channels = usize::from(channels);
        if usize::from(frame) != channels * encoding.bytes() {
            return Err(StepError::malformed(format!(
                "{channels} channels of {bits} bits do not take {frame} bytes"
            )));
        }
        Ok(Self { encoding, channels, rate })
    }

    fn decode(self, data: &[u8], max_seconds: u32) -> Result<Audio, StepError> {
        let width = self.encoding.bytes();
        let frame = width * self.channels;
        let samples = data.len() / frame;
        let seconds = (samples as u64).div_ceil(u64::from(self.rate));
        if seconds > u64::from(max_seconds) {
            let limit = u64::from(max_seconds);
            return Err(StepError::TooLarge { what: "seconds of the recording", limit, got: seconds });
        }
        allowed("samples of the recording", &[samples, self.channels])?;
        let channel = |index: usize| {
            let frames = data.chunks_exact(frame);
            frames.map(|frame| self.encoding.decode(&frame[index * width..][..width])).collect()
        };
        Audio::new(self.rate, (0..self.channels).map(channel).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let padding = vec![0; content.len() % 2];
        [id.as_slice(), &size, content, &padding].concat()
    }

    fn format(code: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
        let frame = channels * bits.div_ceil(8);
        let mut format = Vec::new();
        format.extend(code.to_le_bytes());
        format.extend(channels.to_le_bytes());
        format.extend(rate.to_le_bytes());
        format.extend((rate * u32::from(frame)).to_le_bytes());
        format.extend(frame.to_le_bytes());
        format.extend(bits.to_le_bytes());
        format
    }

    fn extensible(code: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
        let mut format = format(EXTENSIBLE, channels, rate, bits);
        format.extend([22, 0]);
        format.extend(bits.to_le_bytes());
        format.extend([0; 4]);
        format.extend(code.to_le_bytes());
        format.extend(SUB_FORMAT_TAIL);
        format
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let content = [b"WAVE".to_vec(), chunks.concat()].concat();
        [b"RIFF".to_vec(), u32::try_from(content.len()).unwrap().to_le_bytes().to_vec(), content].concat()
    }

    fn with_data(format: Vec<u8>, data: &[u8]) -> Vec<u8> {
        file(&[chunk(b"fmt ", &format), chunk(b"data", data)])
    }

    fn samples(file: &[u8]) -> Vec<Vec<f32>> {
        read(file, 10).unwrap().into_channels()
    }

    fn problem(file: &[u8]) -> String {
        read(file, 10).unwrap_err().to_string()
    }

    #[test]
    fn integers_are_fractions_of_their_range_and_floats_are_themselves() {
        let eight = with_data(format(PCM, 1, 8000, 8), &[0, 128, 192]);
        assert_eq!(samples(&eight), [[-1.0, 0.0, 0.5]]);
        let sixteen = with_data(format(PCM, 2, 8000, 16), &[0, 128, 0, 64, 255, 127, 0, 0]);
        assert_eq!(samples(&sixteen), [[-1.0, 32767.0 / 32768.0], [0.5, 0.0]]);
        let twenty_four = with_data(extensible(PCM, 1, 8000, 24), &[0, 0, 128, 0, 0, 64, 1, 0, 0]);
        assert_eq!(samples(&twenty_four), [[-1.0, 0.5, 1.0 / 8_388_608.0]]);
        let thirty_two = with_data(format(PCM, 1, 8000, 32), &[0, 0, 0, 128, 0, 0, 0, 64]);
        assert_eq!(samples(&thirty_two), [[-1.0, 0.5]]);
        let single = with_data(extensible(FLOAT, 1, 8000, 32), &1.25f32.to_le_bytes());
        assert_eq!(samples(&single), [[1.25]]);
        let double = with_data(format(FLOAT, 1, 8000, 64), &(-0.1f64).to_le_bytes());
        assert_eq!(samples(&double), [[-0.1]]);
    }

    #[test]
    fn other_chunks_are_passed_over_and_incomplete_frames_left_out() {
        let list = chunk(b"LIST", b"odd");
        let file = file(&[
            list.clone(),
            chunk(b"fmt ", &format(PCM, 1, 8000, 16)),
            list,
            chunk(b"data", &[0, 64, 7]),
        ]);
        assert_eq!(samples(&file), [[0.5]]);
    }

    #[test]
    fn data_that_claims_more_than_there_is_ends_with_the_file() {
        for claimed in [u32::MAX, 100] {
            let mut file = with_data(format(PCM, 1, 8000, 16), &[0, 64, 0, 192]);
            let at = file.len() - 8;
            file[at..at + 4].copy_from_slice(&claimed.to_le_bytes());
            assert_eq!(samples(&file), [[0.5, -0.5]]);
        }
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(problem(b"RIFF"), "4 bytes are no WAVE file");
        assert_eq!(problem(b"fLaC00000000"), "expected a WAVE file, got a FLAC file");
        assert_eq!(
            problem(b"\x00ab\"00000000"),
            "expected a WAVE file, got a file that begins with \"\\x00ab\\\"\""
        );
        assert_eq!(problem(&file(&[])), "the WAVE file has no chunk 'fmt '");
        assert_eq!(problem(&file(&[chunk(b"data", &[0; 4])])), "the data comes before the format");
        assert_eq!(problem(&file(&[chunk(b"fmt ", &[1, 0])])), "a format of 2 bytes is cut short");
        assert_eq!(problem(&with_data(format(PCM, 1, 8000, 16), &[])), "the recording has no samples");
        assert_eq!(problem(&with_data(format(PCM, 1, 0, 16), &[0; 2])), "1 channels of 0 samples per second");
        assert_eq!(
            problem(&with_data(format(PCM, 0, 8000, 16), &[0; 2])),
            "0 channels of 8000 samples per second"
        );
        assert_eq!(
            problem(&with_data(format(PCM, 1, 8000, 48), &[0; 6])),
            "samples of 48 bits are not supported"
        );
        assert_eq!(
            problem(&with_data(format(6, 1, 8000, 8), &[0; 2])),
            "expected integer (1) or floating-point (3) samples, got format 0x0006"
        );
        assert_eq!(
            problem(&with_data(format(PCM, 1, 1, 16), &[0; 22])),
            "seconds of the recording: expected at most 10, got 11"
        );
        assert_eq!(
            problem(&with_data(format(FLOAT, 1, 8000, 64), &1e300f64.to_le_bytes())),
            "sample 0 of channel 0, counted from 0, is inf; expected finite numbers"
        );
        let mut frame = format(PCM, 2, 8000, 16);
        frame[12] = 3;
        assert_eq!(problem(&with_data(frame, &[0; 6])), "2 channels of 16 bits do not take 3 bytes");
    }
}
