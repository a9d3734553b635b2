//! Operators of the domain `lehr`: what a graph is lowered to before it runs. They are in no file of another format.
//!
//! Blocked maps are tensors `[N, ceil(C / 8), H, W, 8]`: element `(n, c / 8, y, x, c % 8)` is channel `c`. Lanes behind the last
//! channel hold whatever falls out; whoever reads channels reads them with weights of zero or leaves them out. Weights of
//! zero make nothing of finite values only: an infinity in a spare lane becomes NaN in every sum over its pixel.
//! Elementwise operators, Concat along whole blocks, and reductions over H and W mean on blocked maps what they mean on
//! plain ones, so they need no other form.

mod activation;
mod blocks;
mod geometry;
mod last_plan;
mod without_terms;

pub use activation::Activation;

crate::registry::operators! {
    blocked_conv::BlockedConv cpu;
    blocked_conv_transpose::BlockedConvTranspose cpu;
    first_conv::FirstConv cpu;
    from_blocked::FromBlocked cpu;
    interleave::Interleave cpu;
    linear::Linear cpu;
    to_blocked::ToBlocked cpu;
}
