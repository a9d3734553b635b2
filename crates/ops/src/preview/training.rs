//! What the training optimisers share: inputs are a learning rate, an update count, and then groups of tensors, one
//! group after the other, each with one tensor per optimised variable.

use lehr_graph::{EvalCx, InferCx, OpError};
use lehr_tensor::{Tensor, Wide};

/// Number of variables when the inputs hold `groups` tensors for each.
fn variables(n_inputs: usize, groups: usize) -> Result<usize, OpError> {
    match n_inputs.checked_sub(2) {
        Some(rest) if rest > 0 && rest.is_multiple_of(groups) => Ok(rest / groups),
        _ => Err(OpError::shape(format!(
            "expected 2 inputs and a multiple of {groups} more, got {n_inputs} inputs"
        ))),
    }
}

/// Outputs: the new variables, then their new states. The gradient (group 1) has no output.
pub(crate) fn infer_optimizer(cx: &mut InferCx<'_>, groups: usize) -> Result<(), OpError> {
    let n = variables(cx.n_inputs(), groups)?;
    for group in (0..groups).filter(|&g| g != 1) {
        let to = if group == 0 { 0 } else { group - 1 };
        for i in 0..n {
            let index = 2 + group * n + i;
            let dtype = cx.dtype(index)?;
            cx.set_tensor(to * n + i, dtype, cx.shape(index).cloned());
        }
    }
    Ok(())
}

/// Updates every element of every variable: `update` takes variable, gradient and states, and gives the new variable and
/// states. `STATES` is the number of states.
pub(crate) fn eval_optimizer<const STATES: usize>(
    cx: &mut EvalCx<'_>,
    update: impl Fn(f64, f64, [f64; STATES]) -> (f64, [f64; STATES]),
) -> Result<(), OpError> {
    let n = variables(cx.n_inputs(), STATES + 2)?;
    for i in 0..n {
        let x = cx.tensor(2 + i)?;
        let values = same_shape(cx, 2 + i, x)?;
        let gradient = same_shape(cx, 2 + n + i, x)?;
        let mut states = Vec::with_capacity(STATES);
        for s in 0..STATES {
            states.push(same_shape(cx, 2 + (2 + s) * n + i, x)?);
        }
        let mut new_values = Vec::with_capacity(values.len());
        for at in 0..values.len() {
            let (value, new) = update(values[at], gradient[at], std::array::from_fn(|s| states[s][at]));
            new_values.push(value);
            states.iter_mut().zip(new).for_each(|(state, new)| state[at] = new);
        }
        cx.set(i, Tensor::narrow(x.dtype(), x.shape(), Wide::F(new_values))?);
        for (s, state) in states.into_iter().enumerate() {
            let dtype = cx.tensor(2 + (2 + s) * n + i)?.dtype();
            cx.set((1 + s) * n + i, Tensor::narrow(dtype, x.shape(), Wide::F(state))?);
        }
    }
    Ok(())
}

fn same_shape(cx: &EvalCx<'_>, index: usize, x: &Tensor) -> Result<Vec<f64>, OpError> {
    let t = cx.tensor(index)?;
    if t.shape() != x.shape() {
        return Err(OpError::shape(format!(
            "input {index}: expected shape {:?}, got {:?}",
            x.shape(),
            t.shape()
        )));
    }
    crate::heads::floats(t, index)
}

/// Learning rate and update count.
pub(crate) fn rate_and_count(cx: &EvalCx<'_>) -> Result<(f64, i64), OpError> {
    let one =
        |len: usize, index: usize| OpError::shape(format!("input {index}: expected one number, got {len}"));
    let rates = cx.tensor(0)?.to_f64s()?;
    let counts = cx.ints(1)?;
    let [rate] = rates[..] else { return Err(one(rates.len(), 0)) };
    let [count] = counts[..] else { return Err(one(counts.len(), 1)) };
    Ok((rate, count))
}
