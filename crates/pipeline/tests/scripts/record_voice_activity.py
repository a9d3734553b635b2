"""Makes the recording of examples/voice-activity and records what silero-vad says about it.

Needs espeak-ng and the packages silero-vad 6.2.3 (with its models), onnxruntime, torch, torchaudio, numpy, soundfile.
Run at the root of the repository:

    python crates/pipeline/tests/scripts/record_voice_activity.py

- `examples/voice-activity/speech.wav`: three spoken sentences with pauses between them, quiet noise over all, 16 kHz.
- `crates/pipeline/tests/golden/voice_activity.npz`: the frames that the model gets and the probabilities that it gives
  for the recording; and the segments that `get_speech_timestamps_from_probs` makes, under many settings, of these
  probabilities (`case_N`) and of random ones (`random_N`). Settings are rows of `settings`: threshold, negative
  threshold, least speech, least silence, padding (all three in ms), most speech (in s), length of the recording.
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import silero_vad
import soundfile
import torch
import torchaudio
from silero_vad.utils_vad import get_speech_timestamps, get_speech_timestamps_from_probs

RATE, SIZE, CONTEXT = 16000, 512, 64
SENTENCES = [("en-us", "Please open the window."), ("en-gb", "It is warm."), ("en-us+f3", "Thank you.")]
MODEL = Path(silero_vad.__file__).parent / "data" / "silero_vad.onnx"


def spoken(voice, sentence):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", "190", "-w", str(path), sentence], check=True)
        samples, rate = soundfile.read(path, dtype="float32")
    samples = torchaudio.functional.resample(torch.from_numpy(samples), rate, RATE).numpy()
    loud = np.flatnonzero(np.abs(samples) > 0.005)
    return samples[loud[0] : loud[-1]] * 0.5 / np.abs(samples).max()


def recording():
    random = np.random.default_rng(7)
    pause = lambda seconds: np.zeros(int(seconds * RATE), np.float32)
    parts = [pause(0.4)]
    for (voice, sentence), behind in zip(SENTENCES, [0.45, 0.3, 0.3]):
        parts += [spoken(voice, sentence), pause(behind)]
    samples = np.concatenate(parts)
    samples = samples + random.normal(0, 0.002, len(samples)).astype(np.float32)
    return np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)


def frames(samples):
    padded = np.concatenate([samples, np.zeros(-len(samples) % SIZE, np.float32)])
    before = np.concatenate([np.zeros(CONTEXT, np.float32), padded])
    return np.stack([before[at : at + CONTEXT + SIZE] for at in range(0, len(padded), SIZE)])


def probabilities(rows):
    session = onnxruntime.InferenceSession(MODEL)
    state, given = np.zeros((2, 1, 128), np.float32), []
    for row in rows:
        feeds = {"input": row[None], "state": state, "sr": np.array(RATE, np.int64)}
        output, state = session.run(["output", "stateN"], feeds)
        given.append(output[0, 0])
    return np.array(given, np.float32)


def segments(values, setting):
    threshold, negative, speech, silence, pad, most, length = setting
    found = get_speech_timestamps_from_probs(
        [float(value) for value in values],
        sampling_rate=RATE,
        threshold=threshold,
        neg_threshold=negative,
        min_speech_duration_ms=speech,
        min_silence_duration_ms=silence,
        speech_pad_ms=pad,
        max_speech_duration_s=most,
        audio_length_samples=int(length),
    )
    return np.array([[one["start"], one["end"]] for one in found], np.int32).reshape(-1, 2)


def main():
    samples = recording()
    folder = Path("examples/voice-activity")
    soundfile.write(folder / "speech.wav", samples, RATE, subtype="PCM_16")
    samples = samples.astype(np.float32) / 32768
    rows = frames(samples)
    given = probabilities(rows)
    model = silero_vad.utils_vad.OnnxWrapper(str(MODEL), force_onnx_cpu=True)
    whole = get_speech_timestamps(torch.from_numpy(samples), model, sampling_rate=RATE)

    cases = [
        (0.5, 0.35, 250, 100, 30, np.inf),
        (0.5, 0.35, 250, 100, 30, 0.8),
        (0.5, 0.35, 250, 600, 30, np.inf),
        (0.5, 0.35, 250, 600, 30, 1.2),
        (0.5, 0.35, 800, 100, 200, np.inf),
        (0.9, 0.5, 0, 0, 0, np.inf),
        (0.1, 0.01, 100, 30, 500, 0.7),
    ]
    random = np.random.default_rng(11)
    arrays, settings = {}, []
    for index, case in enumerate(cases):
        settings.append((*case, len(samples)))
        arrays[f"case_{index}"] = segments(given, settings[-1])
    assert [[one["start"], one["end"]] for one in whole] == arrays["case_0"].tolist()

    steps = random.normal(0, 0.22, (40, 160))
    walks = np.zeros((40, 160), np.uint8)
    for row, walk in zip(steps, walks):
        value = random.uniform()
        for at, step in enumerate(row):
            value = abs(value + step) if value + step < 1 else 2 - (value + step)
            walk[at] = np.clip(round(value * 255), 0, 255)
    for index, walk in enumerate(walks):
        threshold = random.uniform(0.2, 0.9)
        setting = (
            threshold,
            threshold * random.uniform(0.3, 1.0),
            float(random.integers(0, 400)),
            float(random.integers(0, 400)),
            float(random.integers(0, 300)),
            np.inf if index % 4 == 0 else random.uniform(0.5, 3.0),
            SIZE * 160 - int(random.integers(0, SIZE)),
        )
        settings.append(setting)
        arrays[f"random_{index}"] = segments(walk / np.float32(255), setting)
    arrays |= {"frame_12": rows[12], "probabilities": given, "walks": walks, "settings": np.array(settings)}
    np.savez_compressed("crates/pipeline/tests/golden/voice_activity.npz", **arrays)
    print(f"{len(samples) / RATE:.2f} s, {len(rows)} frames, {arrays['case_0'] / RATE}")
    print([len(arrays[f"random_{index}"]) for index in range(40)])


main()
