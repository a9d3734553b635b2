//! Pictures, up to the tensor that the model gets.

pub mod layout;
