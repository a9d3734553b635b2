//! Text, up to the tensors that the model gets.
