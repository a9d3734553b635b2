//! Scans of progressive files: some coefficients of each block, or one more bit of them (T.81, G.1.2 and G.2).

use super::JpegError;
use super::bits::Bits;
use super::components::Component;
use super::huffman::Huffman;
use super::scan::BlockDecoder;
use super::segments::{NATURAL, ScanComponent, ScanHeader, Tables};

const MISSING: JpegError = JpegError::Damaged("a code table is missing");
const TOO_MANY: JpegError = JpegError::Damaged("a block has too many coefficients");

/// A component of a scan.
#[derive(Debug)]
pub struct Part<'a> {
    component: &'a mut Component,
    dc: Option<&'a Huffman>,
    ac: Option<&'a Huffman>,
    /// The first coefficient of the block before.
    previous: i32,
}

impl<'a> Part<'a> {
    /// A component and the tables that it refers to, of which a scan needs one at most.
    pub fn new(component: &'a mut Component, part: ScanComponent, tables: &'a Tables) -> Self {
        Self {
            component,
            dc: tables.dc.get(part.dc).and_then(Option::as_deref),
            ac: tables.ac.get(part.ac).and_then(Option::as_deref),
            previous: 0,
        }
    }
}

/// What a scan gives.
#[derive(Clone, Copy, Debug)]
enum Pass {
    /// The upper bits of first coefficients.
    FirstOfDc,
    /// One more bit of them.
    NextOfDc,
    /// The upper bits of other coefficients.
    FirstOfAc,
    /// One more bit of them.
    NextOfAc,
}

/// Reads blocks of a scan.
#[derive(Debug)]
pub struct Progressive<'a> {
    parts: Vec<Part<'a>>,
    pass: Pass,
    start: usize,
    end: usize,
    low: u8,
    /// Blocks that follow in which nothing is new.
    ended: u32,
}

impl<'a> Progressive<'a> {
    /// Of the components of a scan.
    pub fn new(parts: Vec<Part<'a>>, header: &ScanHeader) -> Result<Self, JpegError> {
        let ScanHeader { start, end, high, low, .. } = *header;
        let pass = match (start, high) {
            (0, 0) => Pass::FirstOfDc,
            (0, _) => Pass::NextOfDc,
            (_, 0) => Pass::FirstOfAc,
            _ => Pass::NextOfAc,
        };
        let fits = if start == 0 { end == 0 } else { (start..64).contains(&end) && parts.len() == 1 };
        if !fits || low > 13 {
            return Err(JpegError::Damaged("a scan takes coefficients that it can not take"));
        }
        Ok(Self { parts, pass, start, end, low, ended: 0 })
    }
}

impl BlockDecoder for Progressive<'_> {
    fn block(&mut self, bits: &mut Bits<'_>, part: usize, x: usize, y: usize) -> Result<(), JpegError> {
        let part = &mut self.parts[part];
        let block = &mut part.component.coefficients[y * part.component.blocks_across + x];
        match self.pass {
            Pass::FirstOfDc => {
                bits.fill();
                let size = part.dc.ok_or(MISSING)?.symbol(bits)?;
                if size > 15 {
                    return Err(JpegError::Damaged("a first coefficient is too large"));
                }
                part.previous = part.previous.wrapping_add(bits.signed(u32::from(size)));
                block[0] = (part.previous << self.low) as i16;
                Ok(())
            }
            Pass::NextOfDc => {
                block[0] |= i16::from(bits.bit()) << self.low;
                Ok(())
            }
            Pass::FirstOfAc if self.ended > 0 => {
                self.ended -= 1;
                Ok(())
            }
            Pass::FirstOfAc => {
                let ac = part.ac.ok_or(MISSING)?;
                self.ended = first_of_ac(bits, ac, block, (self.start, self.end), self.low)?;
                Ok(())
            }
            Pass::NextOfAc => {
                let ac = part.ac.ok_or(MISSING)?;
                self.ended = next_of_ac(bits, ac, block, (self.start, self.end), self.low, self.ended)?;
                Ok(())
            }
        }
    }

    fn restart(&mut self) {
        self.ended = 0;
        self.parts.iter_mut().for_each(|part| part.previous = 0);
    }
}

/// Reads new coefficients and tells in how many blocks behind this one nothing is new.
fn first_of_ac(
    bits: &mut Bits<'_>,
    ac: &Huffman,
    block: &mut [i16; 64],
    (start, end): (usize, usize),
    low: u8,
) -> Result<u32, JpegError> {
    let mut place = start;
    while place <= end {
        bits.fill();
        let symbol = ac.symbol(bits)?;
        match (symbol >> 4, symbol & 15) {
            (15, 0) => place += 16,
            (run, 0) => return Ok(blocks_ended(bits, run) - 1),
            (zeros, size) => {
                place += usize::from(zeros);
                let coefficient = NATURAL.get(place).ok_or(TOO_MANY)?;
                block[*coefficient] = (bits.signed(u32::from(size)) << low) as i16;
                place += 1;
            }
        }
    }
    Ok(0)
}

/// How many blocks, this one among them, have no further new coefficients.
fn blocks_ended(bits: &mut Bits<'_>, run: u8) -> u32 {
    let extra = bits.take(u32::from(run));
    (1 << run) + extra as u32
}

/// Reads one more bit of coefficients that are there, and new ones of one bit. `ended` counts blocks, this one among
/// them, in which nothing is new; returned is how many are left.
fn next_of_ac(
    bits: &mut Bits<'_>,
    ac: &Huffman,
    block: &mut [i16; 64],
    (start, end): (usize, usize),
    low: u8,
    mut ended: u32,
) -> Result<u32, JpegError> {
    let bit = 1i16 << low;
    let mut place = start;
    while ended == 0 && place <= end {
        bits.fill();
        let symbol = ac.symbol(bits)?;
        let (run, new) = match (symbol >> 4, symbol & 15) {
            (15, 0) => (15, None),
            (run, 0) => {
                ended = blocks_ended(bits, run);
                break;
            }
            (run, 1) => (run, Some(if bits.take(1) != 0 { bit } else { -bit })),
            _ => return Err(JpegError::Damaged("a new coefficient has more than one bit")),
        };
        place = refine(bits, block, (place, end), bit, Some(run));
        if let (Some(new), true) = (new, place <= end) {
            block[NATURAL[place]] = new;
        }
        place += 1;
    }
    if ended > 0 {
        refine(bits, block, (place, end), bit, None);
        ended -= 1;
    }
    Ok(ended)
}

/// Adds a bit to coefficients that are not zero, from `start` on, until `zeros` others were passed and the next is
/// found, or to the end. Returned is where that is.
fn refine(
    bits: &mut Bits<'_>,
    block: &mut [i16; 64],
    (start, end): (usize, usize),
    bit: i16,
    zeros: Option<u8>,
) -> usize {
    let mut left = zeros;
    for place in start..=end {
        let coefficient = &mut block[NATURAL[place]];
        if *coefficient != 0 {
            if bits.bit() && *coefficient & bit == 0 {
                *coefficient = coefficient.wrapping_add(if *coefficient >= 0 { bit } else { -bit });
            }
            continue;
        }
        match &mut left {
            Some(0) => return place,
            Some(left) => *left -= 1,
            None => {}
        }
    }
    end + 1
}
