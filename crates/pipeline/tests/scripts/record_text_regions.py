#!/usr/bin/env python3
"""Record what PP-OCR's own post-processing makes of text maps, for `text_regions.rs`.

usage: record_text_regions.py MODEL LINES_DIR OUT.npz
MODEL is ch_PP-OCRv4_det_infer.onnx of the package rapidocr-onnxruntime 1.4.4, which must be importable; LINES_DIR holds
pictures of single lines of text (0000.png …). Needs opencv-python-headless, pyclipper, shapely, onnxruntime, pillow.

For each page, OUT holds `map_I` (u8, the model's output times 255), `size_I` (width, height of the picture) and
`boxes_I` (i32 [boxes, 4, 2], sorted as PP-OCR reads them).
"""
import pathlib
import random
import sys

import cv2
import numpy as np
import onnxruntime
from PIL import Image
from rapidocr_onnxruntime.ch_ppocr_det.text_detect import TextDetector
from rapidocr_onnxruntime.ch_ppocr_det.utils import DBPostProcess, DetPreProcess
from rapidocr_onnxruntime.main import RapidOCR


def page(folder, width, height, count, tilt, seed):
    """A picture with `count` lines of text, each turned by up to `tilt` degrees."""
    rng = random.Random(seed)
    paper = Image.new("RGB", (width, height), (240, 240, 235))
    lines = sorted(pathlib.Path(folder).glob("*.png"))
    x, y, tallest = 20, 20, 0
    for path in lines[seed * 40 : seed * 40 + count]:
        line = Image.open(path).convert("RGBA")
        line = line.rotate(rng.uniform(-tilt, tilt), expand=True, resample=Image.BICUBIC)
        if x + line.width > width:
            x, y, tallest = 20, y + tallest + 14, 0
        if y + line.height > height:
            break
        paper.paste(line, (x, y), line)
        x, tallest = x + line.width + 24, max(tallest, line.height)
    return cv2.cvtColor(np.array(paper), cv2.COLOR_RGB2BGR)


def main(model, folder, out):
    session = onnxruntime.InferenceSession(model)
    arrays = {}
    for index, (width, height, count, tilt) in enumerate([(900, 700, 30, 0), (800, 1000, 30, 9)]):
        picture = page(folder, width, height, count, tilt, index)
        fed = DetPreProcess(limit_side_len=480)(picture)
        given = session.run(None, {session.get_inputs()[0].name: fed})[0]
        coarse = np.round(given * 255).astype(np.uint8)
        post = DBPostProcess(0.3, 0.5, 1000, 1.6, "fast", True)
        boxes, _ = post(coarse.astype(np.float32) / np.float32(255), (height, width))
        boxes = TextDetector.filter_tag_det_res(_Order(), boxes, (height, width))
        arrays[f"map_{index}"] = coarse[0, 0]
        arrays[f"size_{index}"] = np.array([width, height], np.int32)
        arrays[f"boxes_{index}"] = np.array(RapidOCR.sorted_boxes(boxes)).astype(np.int32)
        print(coarse.shape, len(boxes), "boxes")
    np.savez_compressed(out, **arrays)


class _Order:
    """The methods of a detector that need no model."""

    order_points_clockwise = TextDetector.order_points_clockwise
    clip_det_res = TextDetector.clip_det_res


if __name__ == "__main__":
    main(*sys.argv[1:])
