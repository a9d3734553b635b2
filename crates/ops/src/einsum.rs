//! `Einsum`: <https://onnx.ai/onnx/operators/onnx__Einsum.html>

use lehr_graph::{AxisMap, AxisRole, Cost, Dim, EvalCx, InferCx, Op, OpError, Shape, Signature, declare_op};
use lehr_tensor::{DataType, Tensor, Wide, row_major_strides};

use crate::einsum_equation::{Equation, Label};
use crate::elementwise::common_dtype;
use crate::operand::bounded_len;

declare_op! {
    /// Sums of products over named axes.
    pub struct Einsum("", "Einsum", 28) inputs(1, usize::MAX) outputs(1, 1) flags() {
        /// A term of letters for each operand, then, behind an arrow, one for the result.
        equation: String,
    }
}

impl Op for Einsum {
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError> {
        let dtype = common_dtype(cx)?;
        let shapes: Option<Vec<&Shape>> = (0..cx.n_inputs()).map(|i| cx.shape(i)).collect();
        let Some(shapes) = shapes else {
            cx.set_tensor(0, dtype, None);
            return Ok(());
        };
        let (equation, sizes) = self.fit_shapes(&shapes)?;
        let dims = equation.output.iter().map(|l| sizes.get(l).cloned().unwrap_or(Dim::Unknown));
        cx.set_tensor(0, dtype, Some(dims.collect::<Shape>()));
        Ok(())
    }

    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        let operands: Vec<&Tensor> = (0..cx.n_inputs()).map(|i| cx.tensor(i)).collect::<Result<_, _>>()?;
        let shapes: Vec<&[usize]> = operands.iter().map(|t| t.shape()).collect();
        let ranks: Vec<usize> = shapes.iter().map(|s| s.len()).collect();
        let equation = Equation::fit(&self.equation, &ranks)?;
        let sizes = equation.sizes(&shapes, |&a, &b| match (a, b) {
            (a, b) if a == b || b == 1 => Some(a),
            (1, b) => Some(b),
            _ => None,
        })?;
        let size =
            |labels: &[Label]| labels.iter().map(|l| sizes.get(l).copied().unwrap_or(1)).collect::<Vec<_>>();
        let (output, summed) = (size(&equation.output), size(&equation.summed()));
        bounded_len(cx, DataType::U64, &output)?;
        let plan = Plan {
            outer: Walk::new(&equation, &shapes, &equation.output, output.clone()),
            inner: Walk::new(&equation, &shapes, &equation.summed(), summed),
        };
        let y = multiply(&plan, &operands)?;
        let dtype = operands.first().map_or(DataType::F32, |t| t.dtype());
        cx.set(0, Tensor::narrow(dtype, &output, y)?);
        Ok(())
    }

    fn cost(&self, io: &Signature<'_>) -> Cost {
        let shapes: Option<Vec<&Shape>> = (0..io.inputs.len()).map(|i| io.input_shape(i)).collect();
        let Some(Ok((_, sizes))) = shapes.map(|s| self.fit_shapes(&s)) else {
            return Cost::of_macs(io, Dim::Unknown);
        };
        Cost::of_macs(io, sizes.values().fold(Dim::Fixed(1), |a, b| a.mul(b)))
    }

    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        let mut map = AxisMap::opaque(io);
        let ranks: Option<Vec<usize>> =
            (0..io.inputs.len()).map(|i| io.input_shape(i).map(Shape::rank)).collect();
        let Some(Ok(equation)) = ranks.map(|r| Equation::fit(&self.equation, &r)) else { return map };
        let places = |label: &Label| {
            let of = |(input, labels): (usize, &Vec<Label>)| {
                let axes =
                    labels.iter().enumerate().filter(|(_, l)| *l == label).map(|(axis, _)| (input, axis));
                axes.collect::<Vec<_>>()
            };
            equation.operands.iter().enumerate().flat_map(of).collect::<Vec<_>>()
        };
        let role = |label: &Label| {
            let places = places(label);
            // A size of 1 broadcasts: such an axis is no source of the others' indices.
            let varies = |&(input, axis): &(usize, usize)| {
                io.input_shape(input).and_then(|s| s.get(axis)).is_some_and(|d| *d != Dim::Fixed(1))
            };
            AxisRole::Independent(places.into_iter().filter(varies).collect())
        };
        map.outputs = vec![equation.output.iter().map(role).collect()];
        map.reduced = equation.summed().iter().flat_map(places).collect();
        map
    }
}

impl Einsum {
    fn fit_shapes(
        &self,
        shapes: &[&Shape],
    ) -> Result<(Equation, std::collections::BTreeMap<Label, Dim>), OpError> {
        let ranks: Vec<usize> = shapes.iter().map(|s| s.rank()).collect();
        let dims: Vec<&[Dim]> = shapes.iter().map(|s| s.dims()).collect();
        let equation = Equation::fit(&self.equation, &ranks)?;
        let sizes = equation.sizes(&dims, Dim::broadcast)?;
        Ok((equation, sizes))
    }
}

/// Loops over the result and, inside, over what is summed.
struct Plan {
    outer: Walk,
    inner: Walk,
}

/// A loop over some labels: the offsets that it adds in each operand.
struct Walk {
    sizes: Vec<usize>,
    /// For each label, the stride in each operand: of all axes with that label together, 0 for those of size 1.
    strides: Vec<Vec<usize>>,
    n_operands: usize,
}

impl Walk {
    fn new(equation: &Equation, shapes: &[&[usize]], labels: &[Label], sizes: Vec<usize>) -> Self {
        let of = |label: &Label, labels: &[Label], shape: &[usize]| {
            let strides = row_major_strides(shape);
            let own = labels.iter().zip(shape).zip(strides);
            own.filter(|((l, size), _)| *l == label && **size != 1).map(|(_, stride)| stride).sum()
        };
        let operands = || equation.operands.iter().zip(shapes);
        let strides =
            labels.iter().map(|l| operands().map(|(own, shape)| of(l, own, shape)).collect()).collect();
        Self { sizes, strides, n_operands: shapes.len() }
    }

    /// Calls `body` with the offsets at each place, in row-major order.
    fn each(&self, start: &[usize], mut body: impl FnMut(&[usize])) {
        if self.sizes.contains(&0) {
            return;
        }
        let mut offsets = start.to_vec();
        let mut index = vec![0; self.sizes.len()];
        loop {
            body(&offsets);
            let mut axis = self.sizes.len();
            loop {
                let Some(next) = axis.checked_sub(1) else { return };
                axis = next;
                index[axis] += 1;
                (0..self.n_operands).for_each(|o| offsets[o] += self.strides[axis][o]);
                if index[axis] < self.sizes[axis] {
                    break;
                }
                (0..self.n_operands).for_each(|o| offsets[o] -= self.strides[axis][o] * self.sizes[axis]);
                index[axis] = 0;
            }
        }
    }
}

fn multiply(plan: &Plan, operands: &[&Tensor]) -> Result<Wide, OpError> {
    let first = operands.first().map_or(DataType::F32, |t| t.dtype());
    if let Some(index) = operands.iter().position(|t| t.dtype() != first) {
        return Err(OpError::input_type(
            index,
            format!("{}, as input 0", first.name()),
            operands[index].dtype(),
        ));
    }
    let wide: Vec<Wide> = operands.iter().map(|t| t.widen()).collect();
    macro_rules! kind {
        ($kind:ident, $one:expr, $times:expr, $plus:expr) => {{
            let values: Option<Vec<&[_]>> =
                wide.iter().map(|w| if let Wide::$kind(v) = w { Some(v.as_slice()) } else { None }).collect();
            values.map(|values| Wide::$kind(sum_products(plan, &values, $one, $times, $plus)))
        }};
    }
    let y = match wide.first() {
        Some(Wide::F(_)) => kind!(F, 1.0, |a: f64, b| a * b, |a: f64, b| a + b),
        Some(Wide::I(_)) => kind!(I, 1, i64::wrapping_mul, i64::wrapping_add),
        Some(Wide::U(_)) => kind!(U, 1, u64::wrapping_mul, u64::wrapping_add),
        _ => None,
    };
    y.ok_or_else(|| OpError::input_type(0, "a numeric type", first))
}

fn sum_products<T: Copy + Default>(
    plan: &Plan,
    values: &[&[T]],
    one: T,
    times: impl Fn(T, T) -> T,
    plus: impl Fn(T, T) -> T,
) -> Vec<T> {
    let mut out = Vec::new();
    plan.outer.each(&vec![0; values.len()], |start| {
        let mut sum = T::default();
        plan.inner.each(start, |offsets| {
            let product = values.iter().zip(offsets).fold(one, |p, (v, &at)| times(p, v[at]));
            sum = plus(sum, product);
        });
        out.push(sum);
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, f32s, i64s};

    fn case(equation: &str) -> Case {
        Case::new(Einsum { equation: equation.to_owned() })
    }

    #[test]
    fn products_sums_and_diagonals() {
        let a = f32s(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let b = f32s(&[3, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        case("ij, jk -> ik").input(a.clone()).input(b.clone()).expect(f32s(&[2, 2], &[4.0, 5.0, 10.0, 11.0]));
        case("ij,jk").input(a.clone()).input(b.clone()).expect(f32s(&[2, 2], &[4.0, 5.0, 10.0, 11.0]));
        case("ij->j").input(a.clone()).expect(f32s(&[3], &[5.0, 7.0, 9.0]));
        case("...j->...").input(a.clone()).expect(f32s(&[2], &[6.0, 15.0]));
        case("ji").input(a.clone()).expect(f32s(&[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
        case("ii->i").input(i64s(&[2, 2], &[1, 2, 3, 4])).expect(i64s(&[2], &[1, 4]));
        case("ii").input(i64s(&[2, 2], &[1, 2, 3, 4])).expect(i64s(&[], &[5]));
        case("i,i,i")
            .input(i64s(&[2], &[1, 2]))
            .input(i64s(&[2], &[3, 4]))
            .input(i64s(&[1], &[5]))
            .expect(i64s(&[], &[55]));
        case("ij->i").input(f32s(&[2, 0], &[])).expect(f32s(&[2], &[0.0, 0.0]));
        case("ij,ik->i").input(a).input(b).expect_error("differs");
    }
}
