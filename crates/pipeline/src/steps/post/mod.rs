//! From the tensors that a model gives to an answer.

pub mod alphabet;
pub mod argmax;
pub mod ctc_greedy;
pub mod first_token;
pub mod frames;
pub mod l2_normalize;
pub mod labels;
pub mod lanes;
pub mod mean_pool;
pub mod planes;
pub mod projection;
pub mod rows;
pub mod segments;
pub mod sequence;
pub mod sigmoid;
pub mod softmax;
pub mod text_regions;
pub mod threshold;
pub mod top_k;
