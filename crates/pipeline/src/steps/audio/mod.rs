//! Recordings, up to the tensor that the model gets.

pub mod decode_audio;
pub mod frame;
pub mod mono;
pub mod resample;
pub mod samples;
pub mod size;
pub mod wav;
