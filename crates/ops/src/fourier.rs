//! Fourier sums, term by term.

/// `(cos, sin)` of `2πj/n` for every j below n, so that no angle grows with the length.
fn circle(n: usize) -> Vec<(f64, f64)> {
    let step = std::f64::consts::TAU / n as f64;
    (0..n).map(|j| ((step * j as f64).cos(), (step * j as f64).sin())).collect()
}

/// The first `keep` values of the transform of length `n` of a signal padded with zeros; the inverse is divided by `n`.
pub(crate) fn transform(signal: &[[f64; 2]], n: usize, inverse: bool, keep: usize) -> Vec<[f64; 2]> {
    let circle = circle(n);
    let (sign, factor) = if inverse { (1.0, 1.0 / n as f64) } else { (-1.0, 1.0) };
    let value = |k: usize| {
        let (mut re, mut im) = (0.0, 0.0);
        let mut at = 0;
        for [a, b] in signal.iter().take(n) {
            let (c, s) = (circle[at].0, sign * circle[at].1);
            re += a * c - b * s;
            im += a * s + b * c;
            at = (at + k) % n;
        }
        [factor * re, factor * im]
    };
    (0..keep.min(n)).map(value).collect()
}

/// The real signal of length `n` whose spectrum starts with `half`; the rest of it is the mirrored conjugate.
pub(crate) fn inverse_onesided(half: &[[f64; 2]], n: usize) -> Vec<f64> {
    let circle = circle(n);
    let value = |t: usize| {
        let mut sum = 0.0;
        for (k, [re, im]) in half.iter().enumerate().take(n / 2 + 1) {
            let (c, s) = circle[(k as u128 * t as u128 % n as u128) as usize];
            let mirrored = k != 0 && 2 * k != n;
            sum += if mirrored { 2.0 * (re * c - im * s) } else { re * c };
        }
        sum / n as f64
    };
    (0..n).map(value).collect()
}
