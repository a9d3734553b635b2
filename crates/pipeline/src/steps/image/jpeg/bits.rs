//! Bits of entropy-coded data, the highest of each byte first. Behind `FF` comes `00`, or a marker at which data
//! ends.

/// A reader of bits. Behind the end of the data it gives zeros and remembers how many.
#[derive(Debug)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, the first one highest. Lower bits than `count` may be there already, with the values they will
    /// have.
    buffer: u64,
    count: u32,
    /// Bits that were made up.
    missing: u32,
}

impl<'a> Bits<'a> {
    /// At the beginning of entropy-coded data.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, count: 0, missing: 0 }
    }

    /// Makes at least 57 bits ready.
    #[inline(always)]
    pub fn fill(&mut self) {
        if self.count > 56 {
            return;
        }
        match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(next) if !has_ff(u64::from_be_bytes(*next)) => {
                self.buffer |= u64::from_be_bytes(*next) >> self.count;
                let taken = (64 - self.count) / 8;
                self.at += taken as usize;
                self.count += taken * 8;
            }
            _ => self.fill_slowly(),
        }
    }

    #[inline(never)]
    fn fill_slowly(&mut self) {
        while self.count <= 56 {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff), _) | (None, _) => {
                    // A hostile file may want zeros for long; what counts is that there were some.
                    self.missing = self.missing.saturating_add(8);
                    0
                }
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next `length` bits, from 1 to 16, which must be ready.
    #[inline(always)]
    pub fn peek(&self, length: u32) -> usize {
        (self.buffer >> (64 - length)) as usize
    }

    /// Leaves away bits, at most those that are ready.
    #[inline(always)]
    pub fn skip(&mut self, length: u32) {
        self.buffer <<= length;
        self.count = self.count.wrapping_sub(length);
    }

    /// The next `length` bits, from 0 to 16, which must be ready.
    #[inline(always)]
    pub fn take(&mut self, length: u32) -> i32 {
        let value = (self.buffer >> 1 >> (63 - length)) as i32;
        self.skip(length);
        value
    }

    /// The next bit.
    #[inline(always)]
    pub fn bit(&mut self) -> bool {
        self.fill();
        self.take(1) != 0
    }

    /// A number of `length` bits, from 0 to 15, whose highest bit is its sign (T.81, F.2.2.1, EXTEND).
    #[inline(always)]
    pub fn signed(&mut self, length: u32) -> i32 {
        let value = self.take(length);
        extend(value, length)
    }

    /// Whether more bits were taken than there are.
    pub fn overran(&self) -> bool {
        self.missing > self.count
    }

    /// Goes behind the next marker, of which the data must have no more bits. `None` when it is no restart marker.
    pub fn restart(&mut self) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        let is_marker = |pair: &[u8]| matches!(pair, [0xff, marker] if *marker != 0 && *marker != 0xff);
        let at = rest.windows(2).position(is_marker)?;
        let marker = *rest.get(at + 1)?;
        let after = self.at + at + 2;
        *self = Self { at: after, ..Self::new(self.bytes) };
        (0xd0..=0xd7).contains(&marker).then_some(())
    }

    /// How many bytes were read, at most up to the marker that ends the data.
    pub fn used(&self) -> usize {
        self.at
    }
}

/// The signed number that `length` bits stand for.
#[inline(always)]
pub fn extend(value: i32, length: u32) -> i32 {
    if length > 0 && value < 1 << (length - 1) { value - (1 << length) + 1 } else { value }
}

/// Whether any byte is `FF`.
fn has_ff(word: u64) -> bool {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let inverted = !word;
    inverted.wrapping_sub(LOW) & word & (LOW << 7) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffed_bytes_are_one_and_markers_end_the_data() {
        let mut bits = Bits::new(&[0b1010_0000, 0xff, 0x00, 0x12, 0xff, 0xd9]);
        bits.fill();
        assert_eq!((bits.take(3), bits.take(13), bits.take(8)), (0b101, 0xff, 0x12));
        assert!(!bits.overran());
        assert_eq!(bits.used(), 4);
        bits.take(1);
        assert!(bits.overran());
    }

    #[test]
    fn many_bytes_at_once_are_the_same_as_one_by_one() {
        let bytes: Vec<u8> = (0..200u32).map(|index| (index * 37 % 255) as u8).collect();
        let mut bits = Bits::new(&bytes);
        let mut expected = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        for length in (1..=13).cycle().take(200) {
            bits.fill();
            let value = (0..length).fold(0, |value, _| value << 1 | i32::from(expected.next().unwrap()));
            assert_eq!(bits.take(length), value);
        }
    }

    #[test]
    fn the_highest_bit_is_the_sign() {
        assert_eq!([extend(0, 0), extend(0, 1), extend(1, 1), extend(3, 3), extend(4, 3)], [0, -1, 1, -4, 4]);
    }
}
