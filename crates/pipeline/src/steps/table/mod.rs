//! Tables, up to the tensor that the model gets.
