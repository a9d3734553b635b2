"""Records what torchaudio and librosa make of a short signal, for the steps of recordings.

Needs torch 2.5.1, torchaudio 2.5.1, librosa 0.11.0, numpy. Run at the root of the repository:

    python crates/pipeline/tests/scripts/record_audio.py

Writes `crates/pipeline/tests/golden/audio.npz`: the signal (a rising tone and noise) and, under the name of its test
case, what the other library gives for it.
"""

import librosa
import numpy as np
import torch
import torchaudio.compliance.kaldi as kaldi
import torchaudio.functional as F
import torchaudio.transforms as T

random = np.random.default_rng(5)
time = np.arange(2500) / 16000
signal = 0.6 * np.sin(2 * np.pi * (200 * time + 18000 * time**2)) + random.normal(0, 0.05, len(time))
signal = signal.astype(np.float32)
# In double precision torchaudio computes its filters in double precision as well.
waveform = torch.from_numpy(signal).double()
arrays = {"signal": signal}


def resampling():
    arrays["resample_44100_16000"] = F.resample(waveform, 44100, 16000)
    arrays["resample_8000_16000"] = F.resample(waveform[:1000], 8000, 16000)
    arrays["resample_48000_44100"] = F.resample(waveform, 48000, 44100)
    arrays["resample_kaiser"] = F.resample(
        waveform,
        16000,
        11025,
        lowpass_filter_width=16,
        rolloff=0.85,
        resampling_method="sinc_interp_kaiser",
        beta=8.5,
    )


def spectrograms():
    arrays["spectrogram"] = T.Spectrogram(n_fft=256, hop_length=128).double()(waveform)
    hamming = T.Spectrogram(
        n_fft=256,
        win_length=201,
        hop_length=100,
        window_fn=torch.hamming_window,
        power=1,
        normalized="window",
        pad_mode="replicate",
    )
    arrays["spectrogram_hamming"] = hamming.double()(waveform)
    blackman = T.Spectrogram(
        n_fft=300,
        hop_length=300,
        window_fn=torch.blackman_window,
        wkwargs={"periodic": False},
        normalized="frame_length",
        center=False,
    )
    arrays["spectrogram_blackman"] = blackman.double()(waveform)
    stft = librosa.stft(signal.astype(np.float64), n_fft=256, hop_length=128, pad_mode="constant")
    arrays["spectrogram_librosa"] = np.abs(stft)


def logarithms():
    mel = T.MelSpectrogram(16000, n_fft=400, hop_length=160, n_mels=40, f_min=20, f_max=7600).double()(waveform)
    arrays["mel_htk"] = mel
    arrays["mel_htk_db"] = T.AmplitudeToDB("magnitude", top_db=25)(mel)
    settings = {"sr": 16000, "n_fft": 400, "hop_length": 160, "pad_mode": "reflect"}
    mel = librosa.feature.melspectrogram(y=signal.astype(np.float64), n_mels=64, **settings)
    arrays["mel_slaney"] = mel
    arrays["mel_slaney_db"] = librosa.power_to_db(mel, ref=np.max, top_db=30)
    # As Whisper's log_mel_spectrogram: the last frame is left out.
    log = np.log10(np.maximum(mel[:, :-1], 1e-10))
    arrays["mel_whisper"] = (np.maximum(log, log.max() - 8) + 4) / 4


def cepstra():
    melkwargs = {"n_fft": 400, "hop_length": 160, "n_mels": 40}
    arrays["mfcc_torchaudio"] = T.MFCC(16000, n_mfcc=13, melkwargs=melkwargs).double()(waveform)
    arrays["mfcc_torchaudio_log"] = T.MFCC(16000, n_mfcc=13, log_mels=True, melkwargs=melkwargs).double()(waveform)
    arrays["mfcc_librosa"] = librosa.feature.mfcc(
        y=signal.astype(np.float64), sr=16000, n_mfcc=20, lifter=22, n_fft=512, hop_length=200, n_mels=40
    )
    mfcc = arrays["mfcc_librosa"]
    arrays["mfcc_cmvn"] = (mfcc - mfcc.mean(axis=1, keepdims=True)) / mfcc.std(axis=1, keepdims=True)


def kaldis():
    samples = (waveform * 32768)[None]
    arrays["fbank"] = kaldi.fbank(samples, num_mel_bins=40)
    arrays["fbank_mirrored"] = kaldi.fbank(
        samples,
        num_mel_bins=23,
        snip_edges=False,
        window_type="hamming",
        frame_length=20.0,
        frame_shift=8.0,
        low_freq=60.0,
        high_freq=7000.0,
        preemphasis_coefficient=0.9,
        remove_dc_offset=False,
        subtract_mean=True,
    )
    arrays["preemphasis"] = F.preemphasis(waveform, 0.97)


resampling()
spectrograms()
logarithms()
cepstra()
kaldis()
arrays = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
np.savez_compressed("crates/pipeline/tests/golden/audio.npz", **arrays)
for name, array in arrays.items():
    print(name, array.shape, np.abs(array).max())
