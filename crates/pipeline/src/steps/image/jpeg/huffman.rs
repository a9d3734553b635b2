//! Huffman codes (T.81, annexes C and F).

use super::JpegError;
use super::bits::{Bits, extend};

/// Codes up to this length are found by one look.
const SHORT: u32 = 9;

const DAMAGED: JpegError = JpegError::Damaged("there is no such code");

/// A table of codes.
#[derive(Debug)]
pub struct Huffman {
    /// By the next [`SHORT`] bits; length 0 where the code is longer.
    symbols: [Symbol; 1 << SHORT],
    /// By the next [`SHORT`] bits, where code and coefficient fit into them; length 0 elsewhere.
    coefficients: [Coefficient; 1 << SHORT],
    /// By length less 1, the first code that is too large, aligned to 16 bits.
    limits: [u32; 16],
    /// By length less 1, what is added to a code to find its symbol.
    offsets: [i32; 16],
    values: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Symbol {
    value: u8,
    length: u8,
}

/// A coefficient that is not zero, and the zeros before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coefficient {
    /// The coefficient.
    pub value: i16,
    /// Zeros before it.
    pub zeros: u8,
    /// Bits of code and coefficient.
    pub length: u8,
}

impl Huffman {
    /// Of the number of codes of each length from 1 to 16, and their symbols in the order of the codes.
    pub fn new(counts: &[u8; 16], values: &[u8]) -> Result<Self, JpegError> {
        let mut table = Self {
            symbols: [Symbol::default(); 1 << SHORT],
            coefficients: [Coefficient::default(); 1 << SHORT],
            limits: [0; 16],
            offsets: [0; 16],
            values: values.to_vec(),
        };
        let (mut code, mut index) = (0u32, 0usize);
        for (length, count) in (1u32..).zip(counts) {
            let count = usize::from(*count);
            let slot = length as usize - 1;
            table.offsets[slot] = index as i32 - code as i32;
            for value in values.iter().skip(index).take(count) {
                table.enter(code, length, *value)?;
                code += 1;
            }
            index += count;
            if code > 1 << length {
                return Err(JpegError::Damaged("a code table has too many codes"));
            }
            table.limits[slot] = code << (16 - length);
            code <<= 1;
        }
        table.enter_coefficients();
        Ok(table)
    }

    fn enter(&mut self, code: u32, length: u32, value: u8) -> Result<(), JpegError> {
        if length > SHORT {
            return Ok(());
        }
        let spare = SHORT - length;
        let first = (code << spare) as usize;
        let entries = self.symbols.get_mut(first..first + (1 << spare));
        let entries = entries.ok_or(JpegError::Damaged("a code table has too many codes"))?;
        entries.fill(Symbol { value, length: length as u8 });
        Ok(())
    }

    fn enter_coefficients(&mut self) {
        for (bits, symbol) in self.symbols.iter().enumerate() {
            let (code_length, size) = (u32::from(symbol.length), u32::from(symbol.value & 15));
            if code_length == 0 || size == 0 || code_length + size > SHORT {
                continue;
            }
            let magnitude = bits >> (SHORT - code_length - size) & ((1 << size) - 1);
            self.coefficients[bits] = Coefficient {
                value: extend(magnitude as i32, size) as i16,
                zeros: symbol.value >> 4,
                length: (code_length + size) as u8,
            };
        }
    }

    /// The next symbol. At least 16 bits must be ready.
    #[inline(always)]
    pub fn symbol(&self, bits: &mut Bits<'_>) -> Result<u8, JpegError> {
        let symbol = self.symbols[bits.peek(SHORT)];
        if symbol.length != 0 {
            bits.skip(u32::from(symbol.length));
            return Ok(symbol.value);
        }
        self.long_symbol(bits)
    }

    #[inline(never)]
    fn long_symbol(&self, bits: &mut Bits<'_>) -> Result<u8, JpegError> {
        let next = bits.peek(16);
        let length = (SHORT as usize..16).find(|slot| (next as u32) < self.limits[*slot]).ok_or(DAMAGED)?;
        let code = (next >> (15 - length)) as i32;
        bits.skip(length as u32 + 1);
        let index = usize::try_from(code + self.offsets[length]).map_err(|_| DAMAGED)?;
        self.values.get(index).copied().ok_or(DAMAGED)
    }

    /// The next coefficient, when it can be told by one look; the caller takes its bits. At least [`SHORT`] bits must
    /// be ready.
    #[inline(always)]
    pub fn coefficient(&self, bits: &Bits<'_>) -> Coefficient {
        self.coefficients[bits.peek(SHORT)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_all_lengths_are_found() {
        // 0 → 7; 10 → 2, a coefficient of 2 bits; 110 0000 0000 → 9.
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[10]) = (1, 1, 1);
        let table = Huffman::new(&counts, &[7, 2, 9]).unwrap();
        let mut bits = Bits::new(&[0b0100_1110, 0b0000_0000, 0b1111_0000]);
        bits.fill();
        assert_eq!(table.symbol(&mut bits), Ok(7));
        let coefficient = table.coefficient(&bits);
        assert_eq!((coefficient.value, coefficient.zeros, coefficient.length), (-2, 0, 4));
        assert_eq!(table.symbol(&mut bits), Ok(2));
        bits.skip(2);
        assert_eq!(table.symbol(&mut bits), Ok(9));
        assert_eq!(table.symbol(&mut bits), Err(DAMAGED));
    }

    #[test]
    fn too_many_codes_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Huffman::new(&counts, &[1, 2, 3]).is_err());
        counts = [0; 16];
        counts[11] = 255;
        counts[15] = 255;
        assert!(Huffman::new(&counts, &[0; 510]).is_ok());
    }
}
