//! Cell steps of recurrent networks in `f32`: from the gates' pre-activations to the new state.
//!
//! The matrix products that make the pre-activations are the caller's. Gates follow ONNX: LSTM `i o f c`, GRU `z r h`, each
//! `hidden` values long. Activations are the default ones, sigmoid and tanh.

use crate::isa::{Isa, SimdOp};
use crate::math;
use crate::simd::{F32Simd, LANES};

/// Variants of an LSTM step.
#[derive(Debug, Clone, Copy, Default)]
pub struct LstmOptions<'a> {
    /// Peephole weights of the gates `i o f`, `3 * hidden` values.
    pub peephole: Option<&'a [f32]>,
    /// Bounds every gate's input to `-clip..=clip`.
    pub clip: Option<f32>,
    /// Couples the gates: the forget gate is one minus the input gate.
    pub input_forget: bool,
}

/// One LSTM step of one sequence: `cell` is updated in place, `output` receives the new hidden state.
/// `gates` holds `4 * hidden` pre-activations.
///
/// # Panics
/// If `gates`, `output` or the peepholes do not fit the `hidden = cell.len()` units.
pub fn lstm_step(isa: Isa, options: &LstmOptions<'_>, gates: &[f32], cell: &mut [f32], output: &mut [f32]) {
    let hidden = cell.len();
    assert!(hidden.checked_mul(4) == Some(gates.len()), "{} gate values for {hidden} units", gates.len());
    assert!(output.len() == hidden, "output of {} for {hidden} units", output.len());
    assert!(options.peephole.is_none_or(|p| p.len() == 3 * hidden), "peepholes for {hidden} units");
    isa.dispatch(Lstm { options, gates, cell, output });
}

struct Lstm<'a> {
    options: &'a LstmOptions<'a>,
    gates: &'a [f32],
    cell: &'a mut [f32],
    output: &'a mut [f32],
}

/// The `part`-th stretch of `hidden` values, `n` of them from `i`.
///
/// # Safety
/// `part * hidden + i + n` values exist, `n <= LANES`.
#[inline(always)]
unsafe fn load<S: F32Simd>(s: S, x: &[f32], part: usize, hidden: usize, i: usize, n: usize) -> S::V {
    debug_assert!(part * hidden + i + n <= x.len());
    // SAFETY: granted by the caller.
    unsafe {
        let p = x.as_ptr().add(part * hidden + i);
        if n == LANES { s.load(p) } else { s.load_partial(p, n) }
    }
}

impl SimdOp for Lstm<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let Lstm { options, gates, cell, output } = self;
        let hidden = cell.len();
        let bound = options.clip.unwrap_or(f32::INFINITY);
        let clip = |x| s.min(s.splat(bound), s.max(s.splat(-bound), x));
        let mut i = 0;
        while i < hidden {
            let n = LANES.min(hidden - i);
            // SAFETY: i + n <= hidden, and all lengths were asserted.
            unsafe {
                let gate = |part: usize| load(s, gates, part, hidden, i, n);
                // Adds peephole `part` times the cell.
                let peep = |part: usize, cell: S::V, x: S::V| match options.peephole {
                    Some(p) => s.fma(load(s, p, part, hidden, i, n), cell, x),
                    None => x,
                };
                let old = load(s, cell, 0, hidden, i, n);
                let input = math::sigmoid(s, clip(peep(0, old, gate(0))));
                let forget = if options.input_forget {
                    s.sub(s.splat(1.0), input)
                } else {
                    math::sigmoid(s, clip(peep(2, old, gate(2))))
                };
                let candidate = math::tanh(s, clip(gate(3)));
                let new = s.fma(input, candidate, s.mul(forget, old));
                let out = math::sigmoid(s, clip(peep(1, new, gate(1))));
                s.store_partial(cell.as_mut_ptr().add(i), n, new);
                s.store_partial(output.as_mut_ptr().add(i), n, s.mul(out, math::tanh(s, new)));
            }
            i += LANES;
        }
    }
}

/// One GRU step with `linear_before_reset = 1`: `x_gates` and `h_gates` are the input's and the state's pre-activations
/// (`3 * hidden` each, biases included); `state` is updated in place.
///
/// # Panics
/// If the gates do not fit the `hidden = state.len()` units.
pub fn gru_step(isa: Isa, clip: Option<f32>, x_gates: &[f32], h_gates: &[f32], state: &mut [f32]) {
    let hidden = state.len();
    let fits = |gates: &[f32]| hidden.checked_mul(3) == Some(gates.len());
    assert!(fits(x_gates) && fits(h_gates), "gate values for {hidden} units");
    isa.dispatch(Gru { clip, x_gates, h_gates, state });
}

struct Gru<'a> {
    clip: Option<f32>,
    x_gates: &'a [f32],
    h_gates: &'a [f32],
    state: &'a mut [f32],
}

impl SimdOp for Gru<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let Gru { clip, x_gates, h_gates, state } = self;
        let hidden = state.len();
        let bound = clip.unwrap_or(f32::INFINITY);
        let clip = |x| s.min(s.splat(bound), s.max(s.splat(-bound), x));
        let mut i = 0;
        while i < hidden {
            let n = LANES.min(hidden - i);
            // SAFETY: i + n <= hidden, and all lengths were asserted.
            unsafe {
                let x = |part: usize| load(s, x_gates, part, hidden, i, n);
                let h = |part: usize| load(s, h_gates, part, hidden, i, n);
                let update = math::sigmoid(s, clip(s.add(x(0), h(0))));
                let reset = math::sigmoid(s, clip(s.add(x(1), h(1))));
                let candidate = math::tanh(s, clip(s.fma(reset, h(2), x(2))));
                let new = blend(s, update, candidate, load(s, state, 0, hidden, i, n));
                s.store_partial(state.as_mut_ptr().add(i), n, new);
            }
            i += LANES;
        }
    }
}

/// `(1 - update) * candidate + update * old`.
#[inline(always)]
fn blend<S: F32Simd>(s: S, update: S::V, candidate: S::V, old: S::V) -> S::V {
    s.fma(s.sub(s.splat(1.0), update), candidate, s.mul(update, old))
}

/// First half of a GRU step with `linear_before_reset = 0`: `reset_state = sigmoid(r) * state`, to be multiplied by the
/// recurrence weights of the candidate. `gates` holds the complete pre-activations `z r` in its first `2 * hidden` values.
///
/// # Panics
/// If a slice does not fit the `hidden = state.len()` units.
pub fn gru_reset(isa: Isa, clip: Option<f32>, gates: &[f32], state: &[f32], reset_state: &mut [f32]) {
    let hidden = state.len();
    let fits = hidden.checked_mul(2).is_some_and(|need| gates.len() >= need) && reset_state.len() == hidden;
    assert!(fits, "{} gate values, {} results for {hidden} units", gates.len(), reset_state.len());
    isa.dispatch(GruReset { clip, gates, state, reset_state });
}

struct GruReset<'a> {
    clip: Option<f32>,
    gates: &'a [f32],
    state: &'a [f32],
    reset_state: &'a mut [f32],
}

impl SimdOp for GruReset<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let hidden = self.state.len();
        let bound = self.clip.unwrap_or(f32::INFINITY);
        let mut i = 0;
        while i < hidden {
            let n = LANES.min(hidden - i);
            // SAFETY: i + n <= hidden, and all lengths were asserted.
            unsafe {
                let x = load(s, self.gates, 1, hidden, i, n);
                let reset = math::sigmoid(s, s.min(s.splat(bound), s.max(s.splat(-bound), x)));
                let new = s.mul(reset, load(s, self.state, 0, hidden, i, n));
                s.store_partial(self.reset_state.as_mut_ptr().add(i), n, new);
            }
            i += LANES;
        }
    }
}

/// Second half of a GRU step with `linear_before_reset = 0`: `gates` holds the complete pre-activations `z _ h`
/// (`3 * hidden`), `state` is updated in place.
///
/// # Panics
/// If `gates` does not fit the `hidden = state.len()` units.
pub fn gru_finish(isa: Isa, clip: Option<f32>, gates: &[f32], state: &mut [f32]) {
    let hidden = state.len();
    assert!(hidden.checked_mul(3) == Some(gates.len()), "{} gate values for {hidden} units", gates.len());
    isa.dispatch(GruFinish { clip, gates, state });
}

struct GruFinish<'a> {
    clip: Option<f32>,
    gates: &'a [f32],
    state: &'a mut [f32],
}

impl SimdOp for GruFinish<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: F32Simd>(self, s: S) {
        let hidden = self.state.len();
        let bound = self.clip.unwrap_or(f32::INFINITY);
        let clip = |x| s.min(s.splat(bound), s.max(s.splat(-bound), x));
        let mut i = 0;
        while i < hidden {
            let n = LANES.min(hidden - i);
            // SAFETY: i + n <= hidden, and all lengths were asserted.
            unsafe {
                let update = math::sigmoid(s, clip(load(s, self.gates, 0, hidden, i, n)));
                let candidate = math::tanh(s, clip(load(s, self.gates, 2, hidden, i, n)));
                let new = blend(s, update, candidate, load(s, self.state, 0, hidden, i, n));
                s.store_partial(self.state.as_mut_ptr().add(i), n, new);
            }
            i += LANES;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Guarded, Rng, close};

    fn sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    #[test]
    fn lstm_equals_the_definition() {
        for seed in 0..100 {
            let mut rng = Rng::new(seed);
            let hidden = rng.below(40);
            let mut gates = Guarded::random(&mut rng, 4 * hidden);
            gates.get_mut().iter_mut().for_each(|x| *x *= 5.0);
            let (cell, peephole) = (Guarded::random(&mut rng, hidden), Guarded::random(&mut rng, 3 * hidden));
            let options = LstmOptions {
                peephole: (rng.below(2) == 0).then_some(peephole.get()),
                clip: (rng.below(2) == 0).then_some(1.5),
                input_forget: rng.below(2) == 0,
            };
            for isa in Isa::supported() {
                let (mut new_cell, mut output) = (cell.clone(), Guarded::zeros(hidden));
                lstm_step(isa, &options, gates.get(), new_cell.get_mut(), output.get_mut());
                new_cell.assert_guards();
                output.assert_guards();
                for j in 0..hidden {
                    let bound = f64::from(options.clip.unwrap_or(f32::INFINITY));
                    let old = f64::from(cell.get()[j]);
                    let x = |part: usize, cell: f64| {
                        let peep = options
                            .peephole
                            .filter(|_| part < 3)
                            .map_or(0.0, |p| f64::from(p[part * hidden + j]));
                        (f64::from(gates.get()[part * hidden + j]) + peep * cell).clamp(-bound, bound)
                    };
                    let input = sigmoid(x(0, old));
                    let forget = if options.input_forget { 1.0 - input } else { sigmoid(x(2, old)) };
                    let new = forget * old + input * x(3, 0.0).tanh();
                    let out = sigmoid(x(1, new)) * new.tanh();
                    assert!(close(new_cell.get()[j], new as f32, 1e-6), "seed {seed} at {j}");
                    assert!(close(output.get()[j], out as f32, 1e-6), "seed {seed} at {j}");
                }
            }
        }
    }

    #[test]
    fn gru_equals_the_definition() {
        for seed in 0..100 {
            let mut rng = Rng::new(seed);
            let hidden = rng.below(40);
            let (x, h) = (Guarded::random(&mut rng, 3 * hidden), Guarded::random(&mut rng, 3 * hidden));
            let state = Guarded::random(&mut rng, hidden);
            let clip = (rng.below(2) == 0).then_some(0.5);
            let bound = f64::from(clip.unwrap_or(f32::INFINITY));
            for isa in Isa::supported() {
                let mut linear = state.clone();
                gru_step(isa, clip, x.get(), h.get(), linear.get_mut());
                let (mut reset, mut finished) = (Guarded::zeros(hidden), state.clone());
                gru_reset(isa, clip, x.get(), state.get(), reset.get_mut());
                gru_finish(isa, clip, x.get(), finished.get_mut());
                [&linear, &reset, &finished].into_iter().for_each(Guarded::assert_guards);
                for j in 0..hidden {
                    let at = |gates: &Guarded, part: usize| f64::from(gates.get()[part * hidden + j]);
                    let squash = |x: f64| sigmoid(x.clamp(-bound, bound));
                    let old = f64::from(state.get()[j]);
                    let mix = |z: f64, x: f64| ((1.0 - z) * x.clamp(-bound, bound).tanh() + z * old) as f32;
                    let r = squash(at(&x, 1) + at(&h, 1));
                    let want = mix(squash(at(&x, 0) + at(&h, 0)), at(&x, 2) + r * at(&h, 2));
                    assert!(close(linear.get()[j], want, 1e-6), "seed {seed} at {j}");
                    assert!(
                        close(reset.get()[j], (squash(at(&x, 1)) * old) as f32, 1e-6),
                        "seed {seed} at {j}"
                    );
                    assert!(
                        close(finished.get()[j], mix(squash(at(&x, 0)), at(&x, 2)), 1e-6),
                        "seed {seed} at {j}"
                    );
                }
            }
        }
    }
}
