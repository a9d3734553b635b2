//! From the tensors that a model gives to an answer.

pub mod labels;
pub mod rows;
pub mod softmax;
pub mod top_k;
