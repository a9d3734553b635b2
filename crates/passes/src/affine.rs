//! Steps `y = scale · x + shift` whose constants differ along one axis at most: Mul, Div, Add, Sub and Neg with a constant,
//! and BatchNormalization in inference, where `scale = gamma / √(var + ε)` and `shift = beta - mean · scale`.

use lehr_graph::{Graph, Node, NodeId, Shape, ValueId};
use lehr_ops::{add::Add, batch_normalization::BatchNormalization, div::Div, mul::Mul, neg::Neg, sub::Sub};
use lehr_tensor::Tensor;

use crate::constants::{along_axis, finite};
use crate::rewrite::Reject;

/// A step with one constant operand.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'g> {
    /// What it is applied to.
    pub input: ValueId,
    /// Its result.
    pub output: ValueId,
    kind: Kind<'g>,
}

#[derive(Clone, Copy, Debug)]
enum Kind<'g> {
    Times(&'g Tensor),
    DividedBy(&'g Tensor),
    Plus(&'g Tensor),
    Minus(&'g Tensor),
    From(&'g Tensor),
    Negated,
    BatchNorm { parameters: [&'g Tensor; 4], epsilon: f64 },
}

/// The numbers of a step (or of several), one pair for each index of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleShift {
    /// The factors.
    pub scale: Vec<f64>,
    /// What is added then.
    pub shift: Vec<f64>,
}

impl ScaleShift {
    /// Whether nothing is multiplied.
    pub fn is_shift(&self) -> bool {
        self.scale.iter().all(|&factor| factor == 1.0)
    }

    /// Whether nothing is added.
    pub fn is_scale(&self) -> bool {
        self.shift.iter().all(|&term| term == 0.0)
    }

    /// This one behind `earlier`, as one step.
    pub fn after(&self, earlier: &Self) -> Self {
        let scale = self.scale.iter().zip(&earlier.scale).map(|(own, before)| own * before).collect();
        let terms = self.scale.iter().zip(&self.shift).zip(&earlier.shift);
        let shift = terms.map(|((factor, own), before)| factor * before + own).collect();
        Self { scale, shift }
    }
}

impl<'g> Affine<'g> {
    /// The step of a node, if it is one.
    pub fn of(graph: &'g Graph, id: NodeId) -> Option<Self> {
        let node = graph.node(id);
        let (input, kind) = batch_norm(graph, node).or_else(|| arithmetic(graph, node))?;
        let output = *node.outputs().first()?;
        Some(Self { input, output, kind })
    }

    /// Whether it is a BatchNormalization.
    pub fn is_batch_norm(&self) -> bool {
        matches!(self.kind, Kind::BatchNorm { .. })
    }

    /// Its numbers along `axis` of an input of rank `rank`, which has size `size` there.
    ///
    /// # Errors
    /// [`Reject::Because`] when a constant differs along another axis, makes the result larger than the input, or gives
    /// numbers that are not finite.
    pub fn along(&self, rank: usize, axis: usize, size: usize) -> Result<ScaleShift, Reject> {
        let numbers = |tensor: &Tensor| {
            finite(tensor)?;
            along_axis(tensor, rank, axis, size).ok_or_else(|| {
                Reject::because(format!("its constant does not differ along axis {axis} (size {size}) alone"))
            })
        };
        let (ones, zeros) = (vec![1.0; size], vec![0.0; size]);
        let negative = |numbers: Vec<f64>| numbers.into_iter().map(|x| -x).collect();
        let (scale, shift) = match self.kind {
            Kind::Times(c) => (numbers(c)?, zeros),
            Kind::DividedBy(c) => (numbers(c)?.into_iter().map(f64::recip).collect(), zeros),
            Kind::Plus(c) => (ones, numbers(c)?),
            Kind::Minus(c) => (ones, negative(numbers(c)?)),
            Kind::From(c) => (negative(ones), numbers(c)?),
            Kind::Negated => (negative(ones), zeros),
            Kind::BatchNorm { .. } if axis != 1 => {
                return Err(Reject::because(format!(
                    "BatchNormalization acts on axis 1, not on axis {axis}"
                )));
            }
            Kind::BatchNorm { parameters, epsilon } => normalisation(parameters, epsilon, size)?,
        };
        match scale.iter().chain(&shift).find(|number| !number.is_finite()) {
            Some(number) => Err(Reject::because(format!("it multiplies or adds {number}"))),
            None => Ok(ScaleShift { scale, shift }),
        }
    }
}

fn batch_norm<'g>(graph: &'g Graph, node: &Node) -> Option<(ValueId, Kind<'g>)> {
    let op = node.op().downcast_ref::<BatchNormalization>().filter(|op| !op.training_mode)?;
    let parameter = |index| node.input(index).and_then(|value| graph.constant(value));
    let parameters = [parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?];
    Some((node.input(0)?, Kind::BatchNorm { parameters, epsilon: f64::from(op.epsilon) }))
}

fn normalisation(
    parameters: [&Tensor; 4],
    epsilon: f64,
    size: usize,
) -> Result<(Vec<f64>, Vec<f64>), Reject> {
    let [gamma, beta, mean, variance] = parameters;
    let [gamma, beta, mean, variance] = [finite(gamma)?, finite(beta)?, finite(mean)?, finite(variance)?];
    if [&gamma, &beta, &mean, &variance].iter().any(|list| list.len() != size) {
        return Err(Reject::because(format!("its parameters do not have {size} elements")));
    }
    let scale: Vec<f64> = gamma.iter().zip(&variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
    let shift = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
    Ok((scale, shift))
}

fn arithmetic<'g>(graph: &'g Graph, node: &Node) -> Option<(ValueId, Kind<'g>)> {
    let op = node.op();
    if op.is::<Neg>() {
        return Some((node.input(0)?, Kind::Negated));
    }
    let &[Some(left), Some(right)] = node.inputs() else { return None };
    match (graph.constant(left), graph.constant(right)) {
        (None, Some(c)) if op.is::<Mul>() => Some((left, Kind::Times(c))),
        (None, Some(c)) if op.is::<Div>() => Some((left, Kind::DividedBy(c))),
        (None, Some(c)) if op.is::<Add>() => Some((left, Kind::Plus(c))),
        (None, Some(c)) if op.is::<Sub>() => Some((left, Kind::Minus(c))),
        (Some(c), None) if op.is::<Mul>() => Some((right, Kind::Times(c))),
        (Some(c), None) if op.is::<Add>() => Some((right, Kind::Plus(c))),
        (Some(c), None) if op.is::<Sub>() => Some((right, Kind::From(c))),
        _ => None,
    }
}

/// Rank of a value, as far as known.
pub fn rank_of(graph: &Graph, value: ValueId) -> Result<usize, Reject> {
    let shape = graph.value(value).ty().shape();
    shape.map(Shape::rank).ok_or_else(|| Reject::because("its rank is not known"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::graph;

    fn step(node: &str) -> Result<ScaleShift, Reject> {
        let graph = graph(&format!(
            "graph {{ input %x: f32[N,2,3]
            const %two = f32[] [2] const %c = f32[2,1] [4, 8] const %d = f32[3] [1, 2, 3] const %zero = f32[2,1] [1, 0]
            const %g = f32[2] [3, 4] const %b = f32[2] [1, 1] const %m = f32[2] [2, 0] const %v = f32[2] [9, 4]
            %y = {node} output %y }}"
        ));
        let id = graph.node_ids().next().unwrap();
        Affine::of(&graph, id).ok_or(Reject::NoEffect)?.along(3, 1, 2)
    }

    #[test]
    fn every_operator_gives_its_numbers() {
        let cases = [
            ("Mul(%x, %c)", [4., 8.], [0., 0.]),
            ("Mul(%two, %x)", [2., 2.], [0., 0.]),
            ("Div(%x, %c)", [0.25, 0.125], [0., 0.]),
            ("Add(%c, %x)", [1., 1.], [4., 8.]),
            ("Sub(%x, %c)", [1., 1.], [-4., -8.]),
            ("Sub(%c, %x)", [-1., -1.], [4., 8.]),
            ("Neg(%x)", [-1., -1.], [0., 0.]),
            ("BatchNormalization(%x, %g, %b, %m, %v) {epsilon = 0.0}", [1., 2.], [-1., 1.]),
        ];
        for (node, scale, shift) in cases {
            let expected = ScaleShift { scale: scale.to_vec(), shift: shift.map(|x: f64| x + 0.0).to_vec() };
            assert_eq!(step(node), Ok(expected), "{node}");
        }
    }

    #[test]
    fn others_are_refused() {
        assert_eq!(step("Div(%c, %x)"), Err(Reject::NoEffect));
        for node in ["Mul(%x, %d)", "Div(%x, %zero)"] {
            assert!(matches!(step(node), Err(Reject::Because(_))), "{node}");
        }
    }

    #[test]
    fn steps_compose() {
        let first = ScaleShift { scale: vec![2.0], shift: vec![3.0] };
        let second = ScaleShift { scale: vec![5.0], shift: vec![7.0] };
        assert_eq!(second.after(&first), ScaleShift { scale: vec![10.0], shift: vec![22.0] });
    }
}
