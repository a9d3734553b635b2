//! The inverse discrete cosine transform of 8×8 coefficients in integers: the fast algorithm of Loeffler, Ligtenberg
//! and Moschytz (ICASSP 1989) with 13 bits behind the point, as libjpeg's accurate method rounds it.
//!
//! The algorithm's sums of products are multiplied out, which changes no result in exact integers and lets all
//! products be of 16 bits.

/// Bits behind the point of the constants.
const CONSTANT: u32 = 13;
/// Bits behind the point that are kept between the two passes.
const BETWEEN: u32 = 2;

/// Pixels of a block, row by row, of coefficients with their steps multiplied in, row by row.
pub fn inverse_dct(coefficients: &[i16; 64]) -> [[u8; 8]; 8] {
    let (rows, _) = coefficients.as_chunks::<8>();
    let rows: [&[i16; 8]; 8] = std::array::from_fn(|row| &rows[row]);
    let columns = pass::<{ CONSTANT - BETWEEN }>(rows);
    let between = transposed(columns.map(|row| row.map(saturated)));
    let pixels = pass::<{ CONSTANT + BETWEEN + 3 }>(between.each_ref());
    transposed(pixels.map(|column| column.map(|value| (value + 128).clamp(0, 255) as u8)))
}

/// The value of all pixels of a block that has only its first coefficient.
pub fn flat(coefficient: i16) -> u8 {
    let scaled = (i32::from(coefficient) << BETWEEN) + (1 << (BETWEEN + 2));
    ((scaled >> (BETWEEN + 3)) + 128).clamp(0, 255) as u8
}

fn saturated(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

fn transposed<T: Copy>(rows: [[T; 8]; 8]) -> [[T; 8]; 8] {
    std::array::from_fn(|x| std::array::from_fn(|y| rows[y][x]))
}

/// Eight transforms of 8 numbers each, next to each other; the results lose `SHIFT` bits, rounded.
#[inline(always)]
fn pass<const SHIFT: u32>(input: [&[i16; 8]; 8]) -> [[i32; 8]; 8] {
    let mut output = [[0; 8]; 8];
    for lane in 0..8 {
        let [x0, x1, x2, x3, x4, x5, x6, x7] = input.map(|row| i32::from(row[lane]));
        let half = 1 << (SHIFT - 1);
        let (sum, difference) = (((x0 + x4) << CONSTANT) + half, ((x0 - x4) << CONSTANT) + half);
        let (outer, inner) = (x2 * 10703 + x6 * 4433, x2 * 4433 - x6 * 10704);
        let even = [sum + outer, difference + inner, difference - inner, sum - outer];
        let odd = [
            x1 * 11363 + x3 * 9633 + x5 * 6437 + x7 * 2260,
            x1 * 9633 - x3 * 2259 - x5 * 11362 - x7 * 6436,
            x1 * 6437 - x3 * 11362 + x5 * 2261 + x7 * 9633,
            x1 * 2260 - x3 * 6436 + x5 * 9633 - x7 * 11363,
        ];
        for k in 0..4 {
            output[k][lane] = (even[k] + odd[k]) >> SHIFT;
            output[7 - k][lane] = (even[k] - odd[k]) >> SHIFT;
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_those_of_the_definition_within_rounding() {
        let mut seed = 1u32;
        for round in 0..200 {
            let mut coefficients = [0i16; 64];
            for coefficient in coefficients.iter_mut().take(1 + round % 64) {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *coefficient = (seed >> 24) as i16 - 128;
            }
            let pixels = inverse_dct(&coefficients);
            for (y, row) in pixels.iter().enumerate() {
                for (x, pixel) in row.iter().enumerate() {
                    let exact = exact(&coefficients, x, y).clamp(0.0, 255.0);
                    assert!((f64::from(*pixel) - exact).abs() < 0.6, "round {round}: {pixel} {exact}");
                }
            }
        }
    }

    fn exact(coefficients: &[i16; 64], x: usize, y: usize) -> f64 {
        let basis = |frequency: usize, place: usize| {
            let norm = if frequency == 0 { 0.5f64.sqrt() } else { 1.0 };
            norm * ((2 * place + 1) as f64 * frequency as f64 * std::f64::consts::PI / 16.0).cos()
        };
        let sum: f64 = (0..64).map(|k| f64::from(coefficients[k]) * basis(k % 8, x) * basis(k / 8, y)).sum();
        sum / 4.0 + 128.0
    }

    #[test]
    fn a_flat_block_is_what_the_transform_gives_and_extremes_do_not_overflow() {
        for coefficient in [-2000, -77, -1, 0, 1, 5, 1000, i16::MAX, i16::MIN] {
            let mut coefficients = [0; 64];
            coefficients[0] = coefficient;
            assert_eq!(inverse_dct(&coefficients), [[flat(coefficient); 8]; 8]);
        }
        for extreme in [i16::MAX, i16::MIN] {
            inverse_dct(&[extreme; 64]);
            inverse_dct(&std::array::from_fn(|k| if k % 2 == 0 { extreme } else { !extreme }));
        }
    }
}
