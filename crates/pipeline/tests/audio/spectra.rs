//! From spectrograms to cepstra, against torchaudio and librosa.

use crate::golden::Golden;
use crate::steps;

/// Runs steps on the recorded signal at 16 kHz.
fn check(cases: &[(&str, &str)]) {
    let golden = Golden::open("audio.npz");
    for (name, text) in cases {
        let got =
            steps(text, 16000, golden.floats("signal")).unwrap_or_else(|error| panic!("{name}: {error}"));
        golden.compare(name, &got, 1e-5);
    }
}

#[test]
fn spectrograms_are_those_of_torchaudio_and_librosa() {
    check(&[
        ("spectrogram", r#"{ op = "spectrogram", n_fft = 256, hop = 128 }"#),
        (
            "spectrogram_hamming",
            r#"{ op = "spectrogram", n_fft = 256, win_length = 201, hop = 100, window = "hamming", power = 1,
                 normalized = "window", pad_mode = "replicate" }"#,
        ),
        (
            "spectrogram_blackman",
            r#"{ op = "spectrogram", n_fft = 300, hop = 300, window = "blackman", periodic = false,
                 normalized = "frame_length", center = false }"#,
        ),
        (
            "spectrogram_librosa",
            r#"{ op = "spectrogram", n_fft = 256, hop = 128, power = 1, pad_mode = "constant" }"#,
        ),
    ]);
}

#[test]
fn mel_bands_and_their_logarithms_are_those_of_torchaudio_librosa_and_whisper() {
    let htk = r#"{ op = "spectrogram", n_fft = 400, hop = 160 },
                 { op = "mel", n_mels = 40, scale = "htk", norm = "none", f_min = 20, f_max = 7600 }"#;
    let slaney = r#"{ op = "spectrogram", n_fft = 400, hop = 160 },
                    { op = "mel", n_mels = 64, scale = "slaney", norm = "slaney" }"#;
    check(&[
        ("mel_htk", htk),
        (
            "mel_htk_db",
            &format!(r#"{htk}, {{ op = "log", kind = "db", of = "amplitude", amin = 1e-10, top_db = 25 }}"#),
        ),
        ("mel_slaney", slaney),
        ("mel_slaney_db", &format!(r#"{slaney}, {{ op = "log", kind = "db", ref = "max", top_db = 30 }}"#)),
        (
            "mel_whisper",
            &format!(
                r#"{slaney}, {{ op = "slice", axis = -1, end = -1 }}, {{ op = "log", kind = "whisper" }}"#
            ),
        ),
    ]);
}

#[test]
fn cepstra_are_those_of_torchaudio_and_librosa() {
    let htk = r#"{ op = "spectrogram", n_fft = 400, hop = 160 },
                 { op = "mel", n_mels = 40, scale = "htk", norm = "none" }"#;
    let librosa = r#"{ op = "spectrogram", n_fft = 512, hop = 200, pad_mode = "constant" },
                     { op = "mel", n_mels = 40, scale = "slaney", norm = "slaney" },
                     { op = "log", kind = "db", top_db = 80 },
                     { op = "mfcc", n_mfcc = 20, lifter = 22 }"#;
    check(&[
        (
            "mfcc_torchaudio",
            &format!(r#"{htk}, {{ op = "log", kind = "db", top_db = 80 }}, {{ op = "mfcc", n_mfcc = 13 }}"#),
        ),
        (
            "mfcc_torchaudio_log",
            &format!(
                r#"{htk}, {{ op = "log", kind = "ln", offset = 1e-6 }}, {{ op = "mfcc", n_mfcc = 13 }}"#
            ),
        ),
        ("mfcc_librosa", librosa),
        ("mfcc_cmvn", &format!(r#"{librosa}, {{ op = "cmvn" }}"#)),
    ]);
}

#[test]
fn filter_banks_are_those_of_kaldi() {
    check(&[
        ("fbank", r#"{ op = "scale_samples", by = 32768 }, { op = "fbank", n_mels = 40 }"#),
        (
            "fbank_mirrored",
            r#"{ op = "scale_samples", by = 32768 },
               { op = "fbank", n_mels = 23, snip_edges = false, window = "hamming", frame_ms = 20, hop_ms = 8,
                 f_min = 60, f_max = 7000, preemphasis = 0.9, remove_dc_offset = false },
               { op = "cmvn", time_axis = -2, variance = false }"#,
        ),
        ("preemphasis", r#"{ op = "preemphasis", coefficient = 0.97 }, { op = "samples" }"#),
    ]);
}
