//! Scans of sequential files: whole blocks (T.81, F.2).

use super::JpegError;
use super::bits::Bits;
use super::components::Component;
use super::huffman::Huffman;
use super::inverse_dct::{flat, inverse_dct};
use super::scan::BlockDecoder;
use super::segments::{NATURAL, ScanComponent, Tables};

/// The largest size in bits of a difference of first coefficients that 8-bit pictures can have, with a reserve.
const MAX_SIZE: u8 = 15;

/// A component of a scan.
#[derive(Debug)]
pub struct Part<'a> {
    samples: &'a mut [u8],
    stride: usize,
    steps: [u16; 64],
    dc: &'a Huffman,
    ac: &'a Huffman,
    /// The first coefficient of the block before.
    previous: i32,
}

impl<'a> Part<'a> {
    /// A component that has its steps.
    pub fn new(
        component: &'a mut Component,
        part: ScanComponent,
        tables: &'a Tables,
    ) -> Result<Self, JpegError> {
        const MISSING: JpegError = JpegError::Damaged("a code table is missing");
        Ok(Self {
            steps: component.steps.ok_or(JpegError::Damaged("a quantisation table is missing"))?,
            stride: component.blocks_across * 8,
            samples: &mut component.samples,
            dc: tables.dc.get(part.dc).and_then(Option::as_deref).ok_or(MISSING)?,
            ac: tables.ac.get(part.ac).and_then(Option::as_deref).ok_or(MISSING)?,
            previous: 0,
        })
    }

    /// Reads the coefficients of a block, with their steps; whether there are any behind the first.
    #[inline(always)]
    fn read(&mut self, bits: &mut Bits<'_>, block: &mut [i16; 64]) -> Result<bool, JpegError> {
        bits.fill();
        let size = self.dc.symbol(bits)?;
        if size > MAX_SIZE {
            return Err(JpegError::Damaged("a first coefficient is too large"));
        }
        self.previous = self.previous.wrapping_add(bits.signed(u32::from(size)));
        block[0] = self.previous.wrapping_mul(i32::from(self.steps[0])) as i16;
        let mut place = 1;
        while place < 64 {
            bits.fill();
            let short = self.ac.coefficient(bits);
            let value = if short.length != 0 {
                bits.skip(u32::from(short.length));
                place += usize::from(short.zeros);
                i32::from(short.value)
            } else {
                let symbol = self.ac.symbol(bits)?;
                match (symbol >> 4, symbol & 15) {
                    (15, 0) => {
                        place += 16;
                        continue;
                    }
                    (_, 0) => break,
                    (zeros, size) => {
                        place += usize::from(zeros);
                        bits.signed(u32::from(size))
                    }
                }
            };
            if place > 63 {
                return Err(JpegError::Damaged("a block has too many coefficients"));
            }
            block[NATURAL[place]] = value.wrapping_mul(i32::from(self.steps[place])) as i16;
            place += 1;
        }
        Ok(place > 1)
    }
}

/// Reads blocks and transforms them at once.
#[derive(Debug)]
pub struct Baseline<'a> {
    parts: Vec<Part<'a>>,
}

impl<'a> Baseline<'a> {
    /// Of the components of a scan.
    pub fn new(parts: Vec<Part<'a>>) -> Self {
        Self { parts }
    }
}

impl BlockDecoder for Baseline<'_> {
    #[inline(always)]
    fn block(&mut self, bits: &mut Bits<'_>, part: usize, x: usize, y: usize) -> Result<(), JpegError> {
        let part = &mut self.parts[part];
        let mut block = [0; 64];
        let varies = part.read(bits, &mut block)?;
        let lines =
            part.samples[y * 8 * part.stride..(y * 8 + 8) * part.stride].chunks_exact_mut(part.stride);
        if varies {
            for (line, pixels) in lines.zip(inverse_dct(&block)) {
                line[x * 8..x * 8 + 8].copy_from_slice(&pixels);
            }
        } else {
            let value = flat(block[0]);
            lines.for_each(|line| line[x * 8..x * 8 + 8].fill(value));
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.parts.iter_mut().for_each(|part| part.previous = 0);
    }
}
