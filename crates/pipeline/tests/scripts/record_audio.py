"""Records what torchaudio and librosa make of a short signal, for the steps of recordings.

Needs torch 2.5.1, torchaudio 2.5.1, librosa 0.11.0, numpy. Run at the root of the repository:

    python crates/pipeline/tests/scripts/record_audio.py

Writes `crates/pipeline/tests/golden/audio.npz`: the signal (a rising tone and noise) and, under the name of its test
case, what the other library gives for it.
"""

import numpy as np
import torch
import torchaudio.functional as F

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


resampling()
arrays = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
np.savez_compressed("crates/pipeline/tests/golden/audio.npz", **arrays)
for name, array in arrays.items():
    print(name, array.shape, np.abs(array).max())
