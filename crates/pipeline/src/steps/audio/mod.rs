//! Recordings, up to the tensor that the model gets.

pub mod channels;
pub mod cmvn;
pub mod decode_audio;
pub mod dither;
pub mod fbank;
pub mod fourier;
pub mod frame;
pub mod log;
pub mod mel;
pub mod mel_filters;
pub mod mfcc;
pub mod mono;
pub mod pad_or_trim;
pub mod preemphasis;
pub mod resample;
pub mod samples;
pub mod scale_samples;
pub mod spectra;
pub mod spectrogram;
pub mod wav;
pub mod window;
