//! Pictures, up to the tensor that the model gets.

pub mod center_crop;
pub mod clip;
pub mod color;
pub mod crop;
pub mod decode_image;
pub mod flip;
mod jpeg;
pub mod layout;
pub mod letterbox;
pub mod normalize;
pub mod pad;
pub mod quadrilateral;
pub mod resize;
pub mod rotate;
pub mod scale;
mod size;
mod window;
