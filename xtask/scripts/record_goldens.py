"""Records outputs of real models from ONNX Runtime for crates/lehr/tests/golden, and the example's inputs.

usage: python record_goldens.py MODELS REPOSITORY      (needs onnxruntime 1.32, numpy, pillow)

MODELS is the folder which holds onnx/ and data/ (see models.tsv for the files). Graph optimisation is off, so that
the recorded numbers are those of the model as it is written. The inputs are real: pictures, rendered text, bytes of
files, word pieces; audio is synthesised (a voiced source through vowel formants, and plucked notes).
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
from PIL import Image

RATE = 16000
HISS = 0.05


class Affine:
    """An f32 array stored as bytes: value = byte * scale + offset, each step rounded to f32."""

    def __init__(self, data, scale, offset):
        self.data = np.ascontiguousarray(data, dtype=np.uint8)
        self.scale, self.offset = np.float32(scale), np.float32(offset)

    def value(self):
        return self.data.astype(np.float32) * self.scale + self.offset


def planes(picture):
    """HWC picture → CHW bytes."""
    return np.asarray(picture.convert("RGB"), dtype=np.uint8).transpose(2, 0, 1)


def centre_crop(path, short, size):
    """The short side resized to `short`, then the middle `size` × `size` square."""
    picture = Image.open(path).convert("RGB")
    factor = short / min(picture.size)
    picture = picture.resize([round(side * factor) for side in picture.size], Image.BICUBIC)
    left, top = ((side - size) // 2 for side in picture.size)
    return planes(picture.crop((left, top, left + size, top + size)))


def text_lines(models, count, seed, flip):
    """Rendered text lines as (picture, text, degrees)."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, models / "data/make_text_lines.py", folder, "--count", str(count), "--seed", str(seed)]
        subprocess.run(command + (["--flip"] if flip else []), check=True)
        rows = (pathlib.Path(folder) / "labels.tsv").read_text().splitlines()[1:]
        rows = [row.split("\t") for row in rows]
        return [(Image.open(f"{folder}/{name}").convert("RGB"), text, int(degrees)) for name, text, degrees in rows]


def text_page(lines, width, height):
    """A page with one line below the other, blue-green-red."""
    page = Image.new("RGB", (width, height), (240, 240, 240))
    for index, (line, _, _) in enumerate(lines):
        page.paste(line.resize((min(line.width, width - 16), 32)), (8, 8 + 40 * index))
    return planes(page)[::-1]


def line_planes(picture, width):
    """A text line of height 48, its colours in blue-green-red order as PP-OCR reads them."""
    return planes(picture.resize((width, 48), Image.BILINEAR))[::-1]


def voice(samples, rate, pitch, formants, seed):
    """A vowel: a pulse train and breath noise through resonators, fading in after a quiet start. f32 in -1..1."""
    noise = np.random.default_rng(seed).standard_normal(samples)
    time = np.arange(samples) / rate
    phase = np.cumsum(pitch * (1 + 0.03 * np.sin(2 * np.pi * 5 * time)) / rate)
    source = np.where(np.diff(np.floor(phase), prepend=0) > 0, 1.0, 0.0) + 0.01 * noise
    signal = source
    for frequency, bandwidth in formants:
        radius = np.exp(-np.pi * bandwidth / rate)
        a1, a2 = -2 * radius * np.cos(2 * np.pi * frequency / rate), radius * radius
        out = np.zeros(samples)
        for index in range(samples):
            out[index] = signal[index] - a1 * out[index - 1] - a2 * out[index - 2]
        signal = out
    signal = signal * np.minimum(1.0, time * rate / (samples / 3))
    return signal / np.abs(signal).max() * 0.8


def plucked(samples, rate, notes):
    """Decaying harmonics, one after the other, above the hiss of a room.

    The model scales by the logarithm of the weakest spectral bin: the seed is one whose weakest bin is not so near
    zero that rounding decides it.
    """
    time = np.arange(samples) / rate
    signal = np.zeros(samples)
    for index, frequency in enumerate(notes):
        since = time - index * samples / rate / len(notes)
        for harmonic in range(1, 6):
            tone = np.sin(2 * np.pi * frequency * harmonic * since) * np.exp(-3 * since * harmonic) / harmonic
            signal += np.where(since >= 0, tone, 0.0)
    hiss = np.random.default_rng(4).normal(0, HISS, samples)
    return signal / np.abs(signal).max() * 0.8 + hiss


def audio(signals, full_scale=1.0):
    """Audio as bytes; silence is byte 128, which reads back as exactly zero."""
    data = np.clip(np.round(np.stack(signals) * 127) + 128, 0, 255)
    return Affine(data, full_scale / 128, -full_scale)


AH = [(730, 90), (1090, 110), (2440, 170)]
EE = [(270, 60), (2290, 100), (3010, 170)]


def file_bytes(content, size=1024):
    """The first and last `size` bytes without surrounding white space; 256 fills what is missing."""
    head, tail = content.lstrip()[:size], content.rstrip()[-size:]
    return np.array(list(head) + [256] * (size - len(head)) + [256] * (size - len(tail)) + list(tail), np.int32)


# Word pieces of the uncased BERT vocabulary: [CLS] … [SEP].
CAT_ON_MAT = [101, 1996, 4937, 2938, 2006, 1996, 13523, 1012, 102]
HELLO_WORLD = [101, 7592, 2088, 102]


def sentences(rows):
    width = max(map(len, rows))
    ids = np.array([row + [0] * (width - len(row)) for row in rows], np.int64)
    return {"input_ids": ids, "attention_mask": (ids != 0).astype(np.int64), "token_type_ids": np.zeros_like(ids)}


def mnist(models):
    table = np.loadtxt(models / "data/mnist_5k.csv.gz", delimiter=",", dtype=np.int64)
    for index in (0, 2500):
        digit = table[index, :-1].reshape(1, 1, 28, 28)
        yield {"input.1": Affine(digit, 1 / (255 * 0.3081), -0.1307 / 0.3081)}


def vad(model, rates=((16000, 576),), names=("input", "state", "sr")):
    """One quiet and one voiced step, the second on a batch of two with the state of a step before."""
    for rate, window in rates:
        ah = voice(4 * window, rate, 120, AH, 1)
        ee = voice(4 * window, rate, 210, EE, 2)
        fixed = {"sr": np.array(rate, np.int64)} if "sr" in names else {}
        yield {"input": audio([ah[:window]]), "state": np.zeros((2, 1, 128), np.float32), **fixed}
        before = audio([ah[window : 2 * window], ee[window : 2 * window]])
        feed = {"input": before, "state": np.zeros((2, 2, 128), np.float32), **fixed}
        state = run(model, feed)["stateN"]
        yield {"input": audio([ah[2 * window : 3 * window], ee[2 * window : 3 * window]]), "state": state, **fixed}


def wake_words(onnx, words):
    """The models behind the mel spectrogram: windows of 76 frames → one embedding each; 16 embeddings → a word."""
    sound = audio([np.concatenate(words + words[:1])], 32768.0)
    spectrogram = run(onnx / "melspectrogram.onnx", {"input": sound})["output"].reshape(-1, 32) / 10 + 2
    coarse = np.clip(np.round((spectrogram + 8) * 16), 0, 255)
    windows = [coarse[start : start + 76, :, None] for start in range(0, 128, 8)]
    yield "embedding_model", {"input_1": Affine(windows[:1], 1 / 16, -8)}
    yield "embedding_model", {"input_1": Affine(windows[5:7], 1 / 16, -8)}
    features = run(onnx / "embedding_model.onnx", {"input_1": Affine(windows, 1 / 16, -8)})["conv2d_19"]
    for name, graph_input in (("hey_jarvis_v0.1", "x.1"), ("alexa_v0.1", "onnx::Flatten_0")):
        yield name, {graph_input: features.reshape(1, 16, 96)}
        noise = np.random.default_rng(4).normal(0, 10, (1, 16, 96))
        yield name, {graph_input: Affine(np.clip(np.round(noise * 2 + 128), 0, 255), 0.5, -64)}


def cases(models):
    """Every recorded case: (name of the model, inputs)."""
    data, onnx = models / "data", models / "onnx"
    half = (2 / 255, -1)

    yield "efficientnet_lite0_fp32", {"input": Affine([centre_crop(data / "cat_720p.jpg", 256, 224)], 1 / 128, -127 / 128)}
    birds = [centre_crop(data / name, 256, 224) for name in ("owl.jpg", "parrot.jpg")]
    yield "efficientnet_lite0_fp32", {"input": Affine(birds, 1 / 128, -127 / 128)}

    lines = text_lines(models, 8, 3, False)
    pages = [text_page(lines[:3], 256, 128), text_page(lines[3:5], 160, 96), text_page(lines[5:7], 160, 96)]
    yield "ch_PP-OCRv4_det_infer", {"x": Affine(pages[:1], *half)}
    yield "ch_PP-OCRv4_det_infer", {"x": Affine(pages[1:], *half)}
    yield "ch_PP-OCRv4_rec_infer", {"x": Affine([line_planes(lines[0][0], 96)], *half)}
    yield "ch_PP-OCRv4_rec_infer", {"x": Affine([line_planes(lines[1][0], 48), line_planes(lines[2][0], 48)], *half)}
    flipped = text_lines(models, 4, 5, True)
    yield "ch_ppocr_mobile_v2.0_cls_infer", {"x": Affine([line_planes(line, 192) for line, _, _ in flipped[:3]], *half)}
    yield "ch_ppocr_mobile_v2.0_cls_infer", {"x": Affine([line_planes(flipped[3][0], 100)], *half)}

    both = ((16000, 576), (8000, 288))
    for name, rates in (
        ("silero_vad", both),
        ("silero_vad_16k_op15", both[:1]),
        ("silero_vad_half", both[:1]),
        ("silero_vad_op18_ifless", both),
    ):
        names = ("input", "state") if name == "silero_vad_half" else ("input", "state", "sr")
        for feed in vad(onnx / f"{name}.onnx", rates, names):
            yield name, feed

    sources = [
        file_bytes((data / "make_text_lines.py").read_bytes()),
        file_bytes((data / "cat_720p.jpg").read_bytes()),
        file_bytes((data / "wine.csv").read_bytes()),
    ]
    yield "magika", {"bytes": np.stack(sources[:1])}
    yield "magika", {"bytes": np.stack(sources)}

    notes = [plucked(43844, 22050, chord)[:, None] for chord in ([220, 277.18, 329.63], [440, 392, 523.25, 261.63])]
    yield "basic_pitch_nmp", {"serving_default_input_2:0": audio(notes[:1])}
    yield "basic_pitch_nmp", {"serving_default_input_2:0": audio(notes)}

    yield "minilm_l6_int8_weights", sentences([CAT_ON_MAT])
    yield "minilm_l6_int8_weights", sentences([HELLO_WORLD + [0] * 7, CAT_ON_MAT])

    spoken = voice(RATE, RATE, 130, AH, 3)
    melodies = [audio([spoken[:7680]], 32768.0), audio([spoken[:12400], spoken[3600:16000]], 32768.0)]
    for melody in melodies:
        yield "melspectrogram", {"input": melody}
    yield from wake_words(onnx, [spoken, voice(RATE, RATE, 190, EE, 4)])

    for feed in mnist(models):
        yield "mnist_cnn", feed


SESSIONS = {}


def run(model, feed):
    """Every output by name."""
    if model not in SESSIONS:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        SESSIONS[model] = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    session = SESSIONS[model]
    values = {name: value.value() if isinstance(value, Affine) else value for name, value in feed.items()}
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, values), strict=True))


def record(models, target):
    paths = dict(row.split("\t")[:2] for row in (target / "models.tsv").read_text().splitlines()[1:])
    for old in target.glob("*.npz"):
        old.unlink()
    counts = {}
    for name, feed in cases(models):
        counts[name] = counts.get(name, 0) + 1
        arrays = {}
        for key, value in feed.items():
            if isinstance(value, Affine):
                arrays |= {key: value.data, f"scale:{key}": value.scale, f"offset:{key}": value.offset}
            else:
                arrays[key] = value
        outputs = run(models / paths[name], feed)
        arrays |= {f"output:{key}": value for key, value in outputs.items()}
        path = target / f"{name}.{counts[name]}.npz"
        np.savez_compressed(path, **arrays)
        shapes = {key: value.shape for key, value in outputs.items()}
        tops = {key: float(np.abs(value).max()) for key, value in outputs.items()}
        print(f"{path.name} {path.stat().st_size} bytes {shapes} {tops}")


def text_orientation(models, target):
    """Text lines as PP-OCR prepares them for its orientation model: height 48, at most 192 wide, padded with zero."""
    model = models / "onnx/ch_ppocr_mobile_v2.0_cls_infer.onnx"
    shutil.copyfile(model, target / "model.onnx")
    lines = text_lines(models, 8, 7, True)
    batch = np.zeros((len(lines), 3, 48, 192), np.float32)
    for slot, (line, _, _) in zip(batch, lines):
        width = min(192, -(-48 * line.width // line.height))
        slot[:, :, :width] = (line_planes(line, width).astype(np.float32) / 255 - 0.5) / 0.5
    np.savez_compressed(target / "inputs.npz", x=batch)
    (target / "pictures").mkdir(exist_ok=True)
    labels = ["file\ttext direction\ttext"]
    for index, (line, text, degrees) in enumerate(lines):
        line.save(target / f"pictures/line-{index}.png", optimize=True)
        labels.append(f"line-{index}.png\t{'upright' if degrees == 0 else 'upside down'}\t{text}")
    (target / "labels.tsv").write_text("\n".join(labels) + "\n")
    found = run(model, {"x": batch})["save_infer_model/scale_0.tmp_1"]
    for row, (_, text, degrees) in zip(found, lines, strict=True):
        print(f"| {text} | {degrees}° | {180 * int(row.argmax())}° | {row.max():.4f} |")


def main(models, repository):
    models, repository = pathlib.Path(models), pathlib.Path(repository)
    record(models, repository / "crates/lehr/tests/golden")
    text_orientation(models, repository / "examples/text-orientation")


if __name__ == "__main__":
    main(*sys.argv[1:])
