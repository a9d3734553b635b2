//! The segments of a file: tables, frame and scan headers, application data.

use image::metadata::Orientation;

use super::JpegError;
use super::huffman::Huffman;

/// Zigzag position → position in a block, row by row.
pub const NATURAL: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// More scans than any encoder makes; each costs a walk over all blocks, however short it is.
const MAX_SCANS: usize = 256;

/// What frames and scans refer to by numbers.
#[derive(Debug, Default)]
pub struct Tables {
    /// Steps of quantisation, in zigzag order.
    pub quantization: [Option<[u16; 64]>; 4],
    /// Codes of the first coefficients of blocks.
    pub dc: [Option<Box<Huffman>>; 4],
    /// Codes of the others.
    pub ac: [Option<Box<Huffman>>; 4],
    /// Units between restart markers; 0 when there are none.
    pub restart_interval: usize,
}

/// A component of the frame.
#[derive(Clone, Debug)]
pub struct Sampling {
    /// What scans call it.
    pub id: u8,
    /// Horizontal sampling factor, 1 to 4.
    pub h: usize,
    /// Vertical sampling factor, 1 to 4.
    pub v: usize,
    /// Number of its quantisation table.
    pub table: usize,
}

/// The frame header.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Whether coefficients come in several passes.
    pub progressive: bool,
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// One, three or four.
    pub components: Vec<Sampling>,
}

impl Frame {
    /// The largest sampling factors, horizontal and vertical.
    pub fn largest(&self) -> (usize, usize) {
        let largest = |factor: fn(&Sampling) -> usize| self.components.iter().map(factor).max().unwrap_or(1);
        (largest(|component| component.h), largest(|component| component.v))
    }
}

/// A component in a scan.
#[derive(Clone, Copy, Debug)]
pub struct ScanComponent {
    /// What the frame calls it.
    pub id: u8,
    /// Number of its table for first coefficients.
    pub dc: usize,
    /// Number of its table for the others.
    pub ac: usize,
}

/// The header of a scan.
#[derive(Clone, Debug)]
pub struct ScanHeader {
    /// One to four.
    pub components: Vec<ScanComponent>,
    /// The first coefficient in zigzag order.
    pub start: usize,
    /// The last one.
    pub end: usize,
    /// Bits below which earlier scans left off; 0 in the first scan of a coefficient.
    pub high: u8,
    /// Bits that this scan leaves away.
    pub low: u8,
}

/// What application segments say.
#[derive(Debug, Default)]
pub struct Application<'a> {
    /// Whether there is a JFIF header.
    pub jfif: bool,
    /// The transform of an Adobe header.
    pub adobe: Option<u8>,
    exif: Option<&'a [u8]>,
}

impl Application<'_> {
    /// How the picture should be looked at.
    pub fn orientation(&self) -> Orientation {
        self.exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
    }
}

/// What a decoder has to do next.
#[derive(Debug)]
pub enum Segment {
    /// Begin the picture.
    Frame(Frame),
    /// Read the entropy-coded data that follows.
    Scan(ScanHeader),
    /// Nothing more.
    End,
}

/// Reads one segment after the other.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    scans: usize,
    /// As they are at this point of the file.
    pub tables: Tables,
    /// What was seen so far.
    pub application: Application<'a>,
}

impl<'a> Reader<'a> {
    /// At the beginning of a file.
    pub fn new(bytes: &'a [u8]) -> Result<Self, JpegError> {
        match bytes {
            [0xff, 0xd8, ..] => Ok(Self {
                bytes,
                at: 2,
                scans: 0,
                tables: Tables::default(),
                application: Application::default(),
            }),
            _ => Err(JpegError::Damaged("it does not begin with a start-of-image marker")),
        }
    }

    /// What follows the last segment.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Leaves away what was read by others.
    pub fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    /// Reads on, through tables and application data, to what a decoder has to do.
    pub fn next(&mut self) -> Result<Segment, JpegError> {
        loop {
            match self.marker()? {
                0xd9 => return Ok(Segment::End),
                // Stray restarts and starts of image, and TEM, have no content.
                0x01 | 0xd0..=0xd8 => {}
                0xc0..=0xc2 if self.scans > 0 => return Err(JpegError::Damaged("a frame follows a scan")),
                marker @ 0xc0..=0xc2 => {
                    return frame(self.content()?, marker == 0xc2).map(Segment::Frame);
                }
                0xc3 => return Err(JpegError::Unsupported("lossless JPEG files")),
                0xc5..=0xc7 | 0xcd..=0xcf | 0xde | 0xdf => {
                    return Err(JpegError::Unsupported("hierarchical JPEG files"));
                }
                0xc8..=0xcc => {
                    return Err(JpegError::Unsupported("JPEG files with arithmetic coding"));
                }
                0xc4 => huffman_tables(self.content()?, &mut self.tables)?,
                0xdb => quantization_tables(self.content()?, &mut self.tables)?,
                0xdd => {
                    let interval = self.content()?.first_chunk().ok_or(SHORT)?;
                    self.tables.restart_interval = usize::from(u16::from_be_bytes(*interval));
                }
                0xda => {
                    self.scans += 1;
                    if self.scans > MAX_SCANS {
                        return Err(JpegError::Unsupported("JPEG files of so many scans"));
                    }
                    return scan_header(self.content()?).map(Segment::Scan);
                }
                marker => {
                    let content = self.content()?;
                    self.application(marker, content);
                }
            }
        }
    }

    /// The next marker; bytes that belong to none are left away.
    fn marker(&mut self) -> Result<u8, JpegError> {
        loop {
            let rest = self.rest();
            let start = rest.iter().position(|byte| *byte == 0xff).ok_or(JpegError::CutOff)?;
            let fill = rest.get(start..).unwrap_or_default().iter().take_while(|byte| **byte == 0xff).count();
            let marker = *rest.get(start + fill).ok_or(JpegError::CutOff)?;
            self.skip(start + fill + 1);
            if marker != 0 {
                return Ok(marker);
            }
        }
    }

    /// The content of a segment, without its length.
    fn content(&mut self) -> Result<&'a [u8], JpegError> {
        let rest = self.rest();
        let length = usize::from(u16::from_be_bytes(*rest.first_chunk().ok_or(JpegError::CutOff)?));
        if length < 2 {
            return Err(JpegError::Damaged("the length of a segment is less than 2"));
        }
        self.skip(length);
        rest.get(2..length).ok_or(JpegError::CutOff)
    }

    fn application(&mut self, marker: u8, content: &'a [u8]) {
        match (marker, content) {
            (0xe0, [b'J', b'F', b'I', b'F', 0, ..]) => self.application.jfif = true,
            (0xe1, [b'E', b'x', b'i', b'f', 0, 0, exif @ ..]) if self.application.exif.is_none() => {
                self.application.exif = Some(exif);
            }
            (0xee, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..]) => {
                self.application.adobe = Some(*transform);
            }
            _ => {}
        }
    }
}

const SHORT: JpegError = JpegError::Damaged("a segment is too short");

fn frame(content: &[u8], progressive: bool) -> Result<Frame, JpegError> {
    let [precision, h1, h0, w1, w0, count, rest @ ..] = content else { return Err(SHORT) };
    let (width, height) = (u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0]));
    match (precision, width, height) {
        (8, 1.., 1..) => {}
        (8, _, 0) => return Err(JpegError::Unsupported("JPEG files that tell their height at the end")),
        (8, ..) => return Err(JpegError::Damaged("the picture is empty")),
        _ => return Err(JpegError::Unsupported("JPEG files of other than 8 bits")),
    }
    if !matches!(count, 1 | 3 | 4) {
        return Err(JpegError::Unsupported("JPEG files of other than 1, 3 or 4 components"));
    }
    let components = rest.chunks_exact(3).take(usize::from(*count)).map(|component| {
        let [id, factors, table] = *component else { return Err(SHORT) };
        let (h, v) = (usize::from(factors >> 4), usize::from(factors & 15));
        match (1..=4).contains(&h) && (1..=4).contains(&v) && table < 4 {
            true => Ok(Sampling { id, h, v, table: usize::from(table) }),
            false => Err(JpegError::Damaged("a component has factors or a table that can not be")),
        }
    });
    let components: Vec<Sampling> = components.collect::<Result<_, _>>()?;
    match components.len() == usize::from(*count) {
        true => Ok(Frame { progressive, width: usize::from(width), height: usize::from(height), components }),
        false => Err(SHORT),
    }
}

fn scan_header(content: &[u8]) -> Result<ScanHeader, JpegError> {
    let (count, rest) = content.split_first().ok_or(SHORT)?;
    let count = usize::from(*count);
    if !(1..=4).contains(&count) {
        return Err(JpegError::Damaged("a scan has no or too many components"));
    }
    let (components, rest) = rest.split_at_checked(2 * count).ok_or(SHORT)?;
    let [start, end, bits, ..] = rest else { return Err(SHORT) };
    let components = components.chunks_exact(2).map(|component| {
        let [id, tables] = *component else { return Err(SHORT) };
        let (dc, ac) = (usize::from(tables >> 4), usize::from(tables & 15));
        match dc < 4 && ac < 4 {
            true => Ok(ScanComponent { id, dc, ac }),
            false => Err(JpegError::Damaged("a scan refers to a table that can not be")),
        }
    });
    Ok(ScanHeader {
        components: components.collect::<Result<_, _>>()?,
        start: usize::from(*start),
        end: usize::from(*end),
        high: bits >> 4,
        low: bits & 15,
    })
}

fn quantization_tables(mut content: &[u8], tables: &mut Tables) -> Result<(), JpegError> {
    while let Some((kind, rest)) = content.split_first() {
        let wide = kind >> 4 != 0;
        let (values, rest) = rest.split_at_checked(if wide { 128 } else { 64 }).ok_or(SHORT)?;
        let slot = tables.quantization.get_mut(usize::from(kind & 15));
        let slot = slot.ok_or(JpegError::Damaged("a quantisation table has a number above 3"))?;
        let mut table = [0; 64];
        match wide {
            true => {
                for (entry, value) in table.iter_mut().zip(values.as_chunks::<2>().0) {
                    *entry = u16::from_be_bytes(*value);
                }
            }
            false => table.iter_mut().zip(values).for_each(|(entry, value)| *entry = u16::from(*value)),
        }
        *slot = Some(table);
        content = rest;
    }
    Ok(())
}

fn huffman_tables(mut content: &[u8], tables: &mut Tables) -> Result<(), JpegError> {
    while let Some((kind, rest)) = content.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>().ok_or(SHORT)?;
        let total = counts.iter().map(|count| usize::from(*count)).sum();
        let (symbols, rest) = rest.split_at_checked(total).ok_or(SHORT)?;
        let family = match kind >> 4 {
            0 => &mut tables.dc,
            1 => &mut tables.ac,
            _ => return Err(JpegError::Damaged("a code table is of an unknown kind")),
        };
        let slot = family.get_mut(usize::from(kind & 15));
        let slot = slot.ok_or(JpegError::Damaged("a code table has a number above 3"))?;
        *slot = Some(Box::new(Huffman::new(counts, symbols)?));
        content = rest;
    }
    Ok(())
}
