"""Compares whole pipelines with the libraries that the models were made for.

usage: python check_pipelines.py LEHR MODELS      (needs onnxruntime 1.32, numpy, pillow, opencv-python-headless)

LEHR is the binary, MODELS the folder which holds onnx/ and data/. Prints a line for each comparison and fails when one
does not hold:

- EfficientNet-Lite0 on the photographs: the five best classes of Pillow + ONNX Runtime;
- PP-OCR's recogniser on 400 rendered lines: the strings of OpenCV + ONNX Runtime, equal for at least 99.5 %;
- its orientation classifier on 400 rendered lines, every second one turned: the same answers;
- its detector on a page of 30 lines: 30 lines are found.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np
import onnxruntime
from PIL import Image

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def session(models, name):
    return onnxruntime.InferenceSession(str(models / "onnx" / name), providers=["CPUExecutionProvider"])


def answers(lehr, model, pipeline, inputs, folder):
    """What the binary says, by file name."""
    out = folder / "out.jsonl"
    command = [lehr, "run", model, "--pipeline", EXAMPLES / pipeline, "--save", out, *inputs]
    subprocess.run([str(part) for part in command], check=True)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    return {pathlib.Path(row["input"]).name: row["answers"] for row in rows}


def efficientnet(lehr, models, folder):
    model = models / "onnx/efficientnet_lite0_fp32.onnx"
    pictures = sorted((models / "data").glob("*.jpg"))
    found = answers(lehr, model, "image-classification/pipeline.toml", pictures, folder)
    run, equal, worst = session(models, model.name), 0, 0.0
    for path in pictures:
        picture = Image.open(path).convert("RGB")
        short = min(picture.size)
        size = tuple(int(256 * side / short) for side in picture.size)
        picture = picture.resize(size, Image.BICUBIC)
        left, top = (round((side - 224) / 2.0) for side in picture.size)
        crop = np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32)
        x = ((crop - 127) / 128).transpose(2, 0, 1)[None]
        logits = run.run(None, {"input": x})[0][0]
        scores = np.exp(logits - logits.max())
        scores /= scores.sum()
        expected = np.argsort(-scores, kind="stable")[:5]
        got = found[path.name]["class"]
        equal += [row["index"] for row in got] == expected.tolist()
        worst = max(worst, *(abs(row["score"] - scores[row["index"]]) for row in got))
    print(f"EfficientNet-Lite0: {equal} of {len(pictures)} pictures have the same five best classes, scores within {worst:.1e}")
    return equal == len(pictures)


def make_lines(models, folder, count, seed, flip):
    command = [sys.executable, models / "data/make_text_lines.py", folder, "--count", str(count), "--seed", str(seed)]
    subprocess.run([str(part) for part in command] + (["--flip"] if flip else []), check=True)
    rows = [row.split("\t") for row in (folder / "labels.tsv").read_text().splitlines()[1:]]
    return {name: (text, int(degrees)) for name, text, degrees in rows}


def line_tensor(path, most, least):
    """Height 48, blue-green-red, (value / 255 - 0.5) / 0.5, padded with zeros on the right."""
    picture = cv2.imread(str(path))
    width = int(np.ceil(48 * (picture.shape[1] / picture.shape[0])))
    width = min(width, most) if most else width
    plane = (cv2.resize(picture, (width, 48)).astype(np.float32) - 127.5) / 127.5
    x = np.zeros((1, 3, 48, max(width, least)), np.float32)
    x[0, :, :, :width] = plane.transpose(2, 0, 1)
    return x


def recognize(run, symbols, x):
    best = run.run(None, {"x": x})[0][0].argmax(-1)
    kept = [int(c) for i, c in enumerate(best) if c != 0 and (i == 0 or c != best[i - 1])]
    return "".join(symbols[c - 1] for c in kept)


def ocr_lines(lehr, models, folder):
    name = "ch_PP-OCRv4_rec_infer.onnx"
    run = session(models, name)
    symbols = run.get_modelmeta().custom_metadata_map["character"].splitlines() + [" "]
    holds = True
    for flip in (False, True):
        lines = folder / f"lines-{flip}"
        truth = make_lines(models, lines, 400, 11 + flip, flip)
        pictures = [lines / file for file in sorted(truth)]
        found = answers(lehr, models / "onnx" / name, "ocr/recognize.toml", pictures, folder)
        expected = {file: recognize(run, symbols, line_tensor(lines / file, None, 320)) for file in truth}
        equal = sum(found[file]["text"]["text"] == expected[file] for file in truth)
        upright = [file for file, (_, degrees) in truth.items() if degrees == 0]
        right = sum(found[file]["text"]["text"] == truth[file][0] for file in upright)
        print(f"recogniser: {equal} of {len(truth)} strings equal{' (every second line turned)' if flip else ''};"
              f" {right} of {len(upright)} upright lines read right")
        holds &= equal >= 0.995 * len(truth)
        if flip:
            holds &= orientation(lehr, models, folder, lines, truth)
    return holds


def orientation(lehr, models, folder, lines, truth):
    name = "ch_ppocr_mobile_v2.0_cls_infer.onnx"
    run = session(models, name)
    pictures = [lines / file for file in sorted(truth)]
    found = answers(lehr, models / "onnx" / name, "text-orientation/pipeline.toml", pictures, folder)
    equal = right = 0
    for file, (_, degrees) in truth.items():
        got = found[file]["direction"][0]["index"]
        equal += got == int(run.run(None, {"x": line_tensor(lines / file, 192, 192)})[0][0].argmax())
        right += got == degrees // 180
    print(f"orientation: {equal} of {len(truth)} answers equal, {right} right")
    return equal == len(truth)


def detector(lehr, models, folder):
    lines = folder / "page-lines"
    truth = make_lines(models, lines, 30, 21, False)
    page = Image.new("RGB", (1100, 1300), (245, 245, 240))
    for index, file in enumerate(sorted(truth)):
        with Image.open(lines / file) as line:
            page.paste(line, (30 + 540 * (index % 2), 20 + 84 * (index // 2)))
    path = folder / "page.png"
    page.save(path)
    model = models / "onnx/ch_PP-OCRv4_det_infer.onnx"
    found = answers(lehr, model, "ocr/detect.toml", [path], folder)[path.name]["lines"]
    covered = 0
    for index, file in enumerate(sorted(truth)):
        with Image.open(lines / file) as line:
            middle = (30 + 540 * (index % 2) + line.width / 2, 20 + 84 * (index // 2) + line.height / 2)
        covered += sum(cv2.pointPolygonTest(np.float32(row["polygon"]), middle, False) >= 0 for row in found) == 1
    print(f"detector: {len(found)} regions, {covered} of 30 lines in one each")
    return covered == 30


def main(lehr, models):
    lehr, models = pathlib.Path(lehr).resolve(), pathlib.Path(models)
    with tempfile.TemporaryDirectory() as folder:
        parts = [efficientnet, ocr_lines, detector]
        holds = [part(lehr, models, pathlib.Path(folder)) for part in parts]
    sys.exit(0 if all(holds) else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
