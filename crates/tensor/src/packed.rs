//! Codes narrower than a byte, packed as a bit stream from the least significant bit of each byte.
//!
//! Two 4-bit codes share a byte, the first in the low half; four 2-bit codes likewise; four 6-bit codes share three
//! bytes. This is the layout of ONNX's `raw_data`.

/// Packs codes of `bits` bits (1 to 8) each; bits above that width are dropped and the tail is filled with zeros.
pub fn pack(bits: usize, codes: impl ExactSizeIterator<Item = u8>) -> Vec<u8> {
    let bits = bits.clamp(1, 8);
    let mask = u8::MAX >> (8 - bits);
    let mut out = Vec::with_capacity((codes.len() / 8 + 1) * bits);
    let (mut pending, mut held) = (0u16, 0);
    for code in codes {
        pending |= u16::from(code & mask) << held;
        held += bits;
        if held >= 8 {
            out.push((pending & 0xff) as u8);
            pending >>= 8;
            held -= 8;
        }
    }
    if held > 0 {
        out.push((pending & 0xff) as u8);
    }
    out
}

/// Unpacks up to `count` codes of `bits` bits (1 to 8), zero-extended; fewer when `data` ends before.
pub fn unpack(bits: usize, data: &[u8], count: usize) -> Vec<u8> {
    let bits = bits.clamp(1, 8);
    let mask = u16::from(u8::MAX >> (8 - bits));
    let mut out = Vec::with_capacity(count.min(data.len().saturating_mul(8 / bits + 1)));
    let (mut pending, mut held) = (0u16, 0);
    let mut bytes = data.iter();
    while out.len() < count {
        if held < bits {
            let Some(byte) = bytes.next() else { break };
            pending |= u16::from(*byte) << held;
            held += 8;
        }
        out.push((pending & mask) as u8);
        pending >>= bits;
        held -= bits;
    }
    out
}

/// Extends the sign of a code of `bits` bits (1 to 8).
pub fn sign_extend(bits: usize, code: u8) -> i8 {
    let shift = 8 - bits.clamp(1, 8);
    (code << shift).cast_signed() >> shift
}

/// Whether unused bits of the last byte are set.
pub(crate) fn dirty_tail(data: &[u8], bits: usize, count: usize) -> bool {
    data.last().is_some_and(|last| last & !tail_mask(bits, count) != 0)
}

/// Zeroes the unused bits of the last byte.
pub(crate) fn clear_tail(data: &mut [u8], bits: usize, count: usize) {
    if let Some(last) = data.last_mut() {
        *last &= tail_mask(bits, count);
    }
}

/// The bits of the last byte that `count` codes use.
fn tail_mask(bits: usize, count: usize) -> u8 {
    match count % 8 * bits % 8 {
        0 => u8::MAX,
        used => u8::MAX >> (8 - used),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_of_the_onnx_raw_data() {
        assert_eq!(pack(4, [1, 2, 3].into_iter()), [0x21, 0x03]);
        assert_eq!(pack(2, [1, 2, 3, 0, 2].into_iter()), [0b00_11_10_01, 0b10]);
        let (a, b, c, d) = (0b100001u8, 0b011110, 0b110011, 0b001101);
        let want = [a | (b & 3) << 6, b >> 2 | (c & 15) << 4, c >> 4 | d << 2];
        assert_eq!(pack(6, [a, b, c, d].into_iter()), want);
        assert_eq!(pack(4, [0xff].into_iter()), [0x0f]);
    }

    #[test]
    fn unpacking_inverts_packing_at_every_length() {
        for bits in 1..=8 {
            for len in 0..20usize {
                let codes: Vec<u8> = (0..len).map(|i| (i * 37 + 11) as u8 & (255 >> (8 - bits))).collect();
                let data = pack(bits, codes.iter().copied());
                assert_eq!(data.len(), (len * bits).div_ceil(8));
                assert_eq!(unpack(bits, &data, len), codes, "{bits} {len}");
                assert!(!dirty_tail(&data, bits, len));
            }
        }
        assert_eq!(unpack(4, &[0x21], 9), [1, 2]);
    }

    #[test]
    fn tails_are_cleared() {
        let mut data = [0xff, 0xff];
        assert!(dirty_tail(&data, 6, 2));
        clear_tail(&mut data, 6, 2);
        assert_eq!(data, [0xff, 0x0f]);
        assert!(!dirty_tail(&[0xff], 4, 2));
    }

    #[test]
    fn signs_extend() {
        assert_eq!(
            [sign_extend(4, 7), sign_extend(4, 8), sign_extend(2, 3), sign_extend(8, 128)],
            [7, -8, -1, -128]
        );
    }
}
