//! `resample` against torchaudio.

use crate::golden::Golden;
use crate::steps;

#[test]
fn resampling_is_that_of_torchaudio() {
    let golden = Golden::open("audio.npz");
    let signal = golden.floats("signal");
    let kaiser = r#"{ op = "resample", rate = 11025, lowpass_filter_width = 16, rolloff = 0.85, window = "kaiser", beta = 8.5 }"#;
    let cases = [
        ("resample_44100_16000", 44100, 2500, r#"{ op = "resample", rate = 16000 }"#),
        ("resample_8000_16000", 8000, 1000, r#"{ op = "resample", rate = 16000 }"#),
        ("resample_48000_44100", 48000, 2500, r#"{ op = "resample", rate = 44100 }"#),
        ("resample_kaiser", 16000, 2500, kaiser),
    ];
    for (name, rate, samples, step) in cases {
        let steps_text = format!(r#"{step}, {{ op = "samples" }}"#);
        golden.compare(name, &steps(&steps_text, rate, signal[..samples].to_vec()).unwrap(), 1e-6);
    }
}
