//! Brings the constants of two neighbouring operators together: `(x + a) + b = x + (a + b)`, likewise with differences, and
//! `(x · a) · b = x · (a · b)`, likewise with quotients of floats. Integers wrap and stay exact.

use lehr_graph::{Graph, NodeId, PatchBuilder, PatchValue, ValueId};
use lehr_ops::{add::Add, div::Div, mul::Mul, neg::Neg, sub::Sub};
use lehr_tensor::{DataType, Tensor};

use crate::constants::{evaluate, finite};
use crate::pass::{Exactness, OptLevel, PassCx, PassInfo};
use crate::pattern::{Match, Pattern, node};
use crate::rewrite::{Reject, Rewrite};

/// The rewrite.
pub struct MergeConstantOperands;

impl Rewrite for MergeConstantOperands {
    fn info(&self) -> PassInfo {
        PassInfo {
            name: "merge_constant_operands",
            doc: "adds or multiplies the constants of two neighbouring operators beforehand",
            level: OptLevel::O2,
            exactness: Exactness::Reassociation,
        }
    }

    fn pattern(&self) -> Pattern {
        node(|op| op.is::<Add>() || op.is::<Sub>() || op.is::<Mul>() || op.is::<Div>())
    }

    fn apply(&self, found: &Match, patch: &mut PatchBuilder<'_>, _cx: &PassCx<'_>) -> Result<(), Reject> {
        let graph = patch.graph();
        let outer = operand(graph, found.root()).ok_or(Reject::NoEffect)?;
        let inner = graph.producer(outer.x).and_then(|id| operand(graph, id)).ok_or(Reject::NoEffect)?;
        if outer.is_product != inner.is_product {
            return Err(Reject::NoEffect);
        }
        let dtype = outer.constant.dtype();
        if dtype != inner.constant.dtype() {
            return Err(Reject::NoEffect);
        }
        if outer.is_product && !dtype.is_float() && (outer.divides() || inner.divides()) {
            return Err(Reject::because("a quotient of integers is cut off"));
        }
        if graph.value(outer.x).uses().len() > 1 {
            return Err(Reject::because("the value between is also read elsewhere"));
        }
        let constant = merged(&outer, &inner, dtype)?;
        if constant.byte_len() > outer.constant.byte_len().max(inner.constant.byte_len()) {
            return Err(Reject::because("the combined constant is larger than either"));
        }
        let new = emit(patch, &outer, &inner, constant)?;
        let &[output] = graph.node(found.root()).outputs() else { return Err(Reject::NoEffect) };
        patch.replace(output, new);
        Ok(())
    }
}

/// `± x ± constant` or `x^±1 · constant^±1`.
struct Operand<'g> {
    x: ValueId,
    constant: &'g Tensor,
    is_product: bool,
    /// Whether `x` is subtracted, or divided by.
    inverts_x: bool,
    /// Whether the constant is subtracted, or divided by.
    inverts_constant: bool,
}

impl Operand<'_> {
    fn divides(&self) -> bool {
        self.is_product && (self.inverts_x || self.inverts_constant)
    }
}

fn operand(graph: &Graph, id: NodeId) -> Option<Operand<'_>> {
    let node = graph.node(id);
    let op = node.op();
    let is_product = op.is::<Mul>() || op.is::<Div>();
    if !is_product && !op.is::<Add>() && !op.is::<Sub>() {
        return None;
    }
    let &[Some(a), Some(b)] = node.inputs() else { return None };
    let inverts = op.is::<Sub>() || op.is::<Div>();
    match (graph.constant(a), graph.constant(b)) {
        (None, Some(constant)) => {
            Some(Operand { x: a, constant, is_product, inverts_x: false, inverts_constant: inverts })
        }
        (Some(constant), None) => {
            Some(Operand { x: b, constant, is_product, inverts_x: inverts, inverts_constant: false })
        }
        _ => None,
    }
}

/// What stands beside `x` in the end, rounded once.
fn merged(outer: &Operand<'_>, inner: &Operand<'_>, dtype: DataType) -> Result<Tensor, Reject> {
    let is_float = dtype.is_float();
    let wide = |tensor: &Tensor| -> Result<Tensor, Reject> {
        if !is_float {
            return Ok(tensor.clone());
        }
        finite(tensor)?;
        tensor.cast(DataType::F64, Default::default()).map_err(|error| Reject::because(error.to_string()))
    };
    let (own, other) = (wide(outer.constant)?, wide(inner.constant)?);
    // The outer operator inverts the inner constant together with the inner `x`.
    let inverts_other = inner.inverts_constant != outer.inverts_x;
    let combined = match (outer.inverts_constant, inverts_other) {
        (false, false) if outer.is_product => evaluate(&Mul {}, &[&other, &own])?,
        (false, true) if outer.is_product => evaluate(&Div {}, &[&own, &other])?,
        (true, false) if outer.is_product => evaluate(&Div {}, &[&other, &own])?,
        (true, true) if outer.is_product => {
            let product = evaluate(&Mul {}, &[&other, &own])?;
            let one = evaluate(&Div {}, &[&product, &product])?;
            evaluate(&Div {}, &[&one, &product])?
        }
        (false, false) => evaluate(&Add {}, &[&other, &own])?,
        (false, true) => evaluate(&Sub {}, &[&own, &other])?,
        (true, false) => evaluate(&Sub {}, &[&other, &own])?,
        (true, true) => evaluate(&Neg {}, &[&evaluate(&Add {}, &[&other, &own])?])?,
    };
    if !is_float {
        return Ok(combined);
    }
    let rounded =
        combined.cast(dtype, Default::default()).map_err(|error| Reject::because(error.to_string()))?;
    // What overflows, or loses digits below the least normal number, is no constant of this type.
    let (before, after) = (finite(&combined)?, finite(&rounded).unwrap_or_default());
    let is_close = |(before, after): (&f64, &f64)| (after - before).abs() <= before.abs() * 0.01;
    let lost = before.len() != after.len() || !before.iter().zip(&after).all(is_close);
    if lost {
        return Err(Reject::because(format!("the combined constant is beyond the range of {dtype}")));
    }
    Ok(rounded)
}

fn emit(
    patch: &mut PatchBuilder<'_>,
    outer: &Operand<'_>,
    inner: &Operand<'_>,
    constant: Tensor,
) -> Result<PatchValue, Reject> {
    let (x, constant) = (PatchValue::from(inner.x), patch.constant(constant));
    Ok(match (outer.is_product, outer.inverts_x != inner.inverts_x) {
        (false, false) => patch.call(Add {}, &[x, constant])?,
        (false, true) => patch.call(Sub {}, &[constant, x])?,
        (true, false) => patch.call(Mul {}, &[x, constant])?,
        (true, true) => patch.call(Div {}, &[constant, x])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;
    use crate::testing::{assert_rewrites, assert_rewrites_within, assert_unchanged};

    #[test]
    fn constants_of_sums_and_differences_meet() {
        for (chain, after) in [
            ("%a = Add(%x, %k) %y = Add(%l, %a)", "const %0 = f32[] [7] %y = Add(%x, %0)"),
            ("%a = Sub(%x, %k) %y = Add(%a, %l)", "const %0 = f32[] [3] %y = Add(%x, %0)"),
            ("%a = Sub(%k, %x) %y = Add(%a, %l)", "const %0 = f32[] [7] %y = Sub(%0, %x)"),
            ("%a = Sub(%k, %x) %y = Sub(%l, %a)", "const %0 = f32[] [3] %y = Add(%x, %0)"),
            ("%a = Sub(%x, %k) %y = Sub(%a, %l)", "const %0 = f32[] [-7] %y = Add(%x, %0)"),
            ("%a = Sub(%x, %k) %y = Sub(%l, %a)", "const %0 = f32[] [7] %y = Sub(%0, %x)"),
            (
                "%a = Add(%x, %k) %b = Add(%a, %v) %y = Sub(%b, %l)",
                "const %0 = f32[3] [-2, -1, 0] %y = Add(%x, %0)",
            ),
        ] {
            assert_meet(chain, after);
        }
    }

    #[test]
    fn constants_of_products_and_quotients_meet() {
        for (chain, after) in [
            ("%a = Mul(%x, %k) %y = Mul(%l, %a)", "const %0 = f32[] [10] %y = Mul(%x, %0)"),
            ("%a = Div(%x, %k) %y = Mul(%a, %l)", "const %0 = f32[] [2.5] %y = Mul(%x, %0)"),
            ("%a = Div(%k, %x) %y = Mul(%a, %l)", "const %0 = f32[] [10] %y = Div(%0, %x)"),
            ("%a = Div(%k, %x) %y = Div(%l, %a)", "const %0 = f32[] [2.5] %y = Mul(%x, %0)"),
            ("%a = Div(%x, %k) %y = Div(%a, %l)", "const %0 = f32[] [0.1] %y = Mul(%x, %0)"),
            ("%a = Mul(%x, %l) %y = Div(%k, %a)", "const %0 = f32[] [0.4] %y = Div(%0, %x)"),
        ] {
            assert_meet(chain, after);
        }
    }

    fn assert_meet(chain: &str, after: &str) {
        let before = format!(
            "graph {{ input %x: f32[N,3] const %k = f32[] [2] const %l = f32[] [5] const %v = f32[3] [1, 2, 3]
            {chain} output %y }}"
        );
        let after = format!("graph {{ input %x: f32[N,3] {after} output %y }}");
        assert_rewrites_within(|| Rewriter(MergeConstantOperands), &before, &after);
    }

    #[test]
    fn integers_stay_exact() {
        assert_rewrites(
            || Rewriter(MergeConstantOperands),
            "graph { input %x: i32[N] const %k = i32[] [2147483647] const %l = i32[] [2]
                %a = Add(%x, %k) %b = Add(%a, %l) %c = Mul(%b, %k) %y = Mul(%c, %l) output %y }",
            "graph { input %x: i32[N] const %0 = i32[] [-2147483647] %b = Add(%x, %0)
                const %1 = i32[] [-2] %y = Mul(%b, %1) output %y }",
        );
    }

    #[test]
    fn what_would_lose_or_grow_stays() {
        let text = |body: &str| {
            format!(
                "graph {{ input %x: f32[N,3] input %i: i64[N] const %k = f32[] [2] const %two = i64[] [2]
                const %big = f32[] [1e30]
                const %inf = f32[] [inf] {body} output %y }}"
            )
        };
        for (body, reason) in [
            ("%a = Mul(%x, %big) %y = Mul(%a, %big)", Some("beyond")),
            ("%a = Div(%x, %big) %y = Div(%a, %big)", Some("beyond")),
            ("%a = Add(%x, %inf) %y = Sub(%a, %inf)", Some("finite")),
            ("%a = Add(%x, %k) %y = Mul(%a, %k)", None),
            ("%a = Div(%i, %two) %y = Mul(%a, %two)", Some("cut off")),
            ("%a = Add(%x, %k) %b = Abs(%a) %y = Add(%a, %k) output %b", Some("elsewhere")),
        ] {
            assert_unchanged(|| Rewriter(MergeConstantOperands), &text(body), reason);
        }
        let grows = "graph { input %x: f32[2,3] const %row = f32[3] [1, 2, 3] const %column = f32[2,1] [1, 2]
            %a = Add(%x, %row) %y = Add(%a, %column) output %y }";
        assert_unchanged(|| Rewriter(MergeConstantOperands), grows, Some("larger"));
    }
}
