//! The text form of graphs: what tests, dumps, documentation and reports about errors use.
//!
//! ```text
//! graph "main" {
//!   meta "producer" = "someone"
//!   input %x: f32[N,3]
//!   const %w = f32[3,2] [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
//!   %h: f32[N,2] = MatMul(%x, %w) name "fc1" from [0 "MatMul" "fc1"]
//!   %0: f32[N,2] = Clip(%h, _, %h) by "some_pass"
//!   output %0 as "y"
//! }
//! ```
//! - `%name` is a value with that name, `%7` one without; `%7 as "n"` has a name that is taken already or empty.
//! - A type that is left out is inferred; `none = Op(…)` is a node without outputs; `_` is an absent input.
//! - Attributes follow in braces: `{axis = 1, alpha = 0.5, mode = "x", pads = [0, 1], empty = ints[], t = tensor f32[] [1.0],
//!   to = type seq<f32[..]>, body = graph "b" { capture %x: f32[2] output %x }}`.
//! - Constants: elements, `fill 0.0`, `base64 "…"`, or `#hash` in dumps, which leave large contents out.
//! - Symbolic contents follow a type: `i64[2]{N,3}`.
//! - `opaque domain::Name(…)` is an operator that the writing build did not know.

mod base64;
mod lexer;
mod parse;
mod print;
mod tensor;
#[cfg(test)]
mod tests;

pub use lexer::ParseError;
pub use parse::{parse, parse_type};
pub use print::{Constants, PrintOptions, print, print_full, print_type, print_with};
