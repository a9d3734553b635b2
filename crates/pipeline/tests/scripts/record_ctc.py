#!/usr/bin/env python3
"""Record the text that PP-OCR itself reads from its recogniser's output, for `ctc.rs`.

usage: record_ctc.py MODEL LINES_DIR OUT.npz OUT.tsv
MODEL is ch_PP-OCRv4_rec_infer.onnx of the package rapidocr-onnxruntime 1.4.4, which must be importable; LINES_DIR holds
pictures of single lines of text (0000.png …). Needs opencv-python-headless and onnxruntime.

OUT.npz holds `probabilities` u8 [lines, frames, classes] (times 255), of the blank, the printable characters of ASCII
but the space, and the space; OUT.tsv has the text of each line and its score.
"""
import pathlib
import sys

import cv2
import numpy as np
import onnxruntime
from rapidocr_onnxruntime.ch_ppocr_rec.utils import CTCLabelDecode

ASCII = [chr(code) for code in range(33, 127)]


def main(model, folder, out, texts):
    session = onnxruntime.InferenceSession(model)
    symbols = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    columns = [0] + [symbols.index(c) + 1 for c in ASCII] + [len(symbols) + 1]
    lines = []
    for path in sorted(pathlib.Path(folder).glob("*.png"))[:16]:
        picture = cv2.resize(cv2.imread(str(path)), (320, 48)).astype(np.float32)
        fed = (picture.transpose(2, 0, 1)[None] / 255 - 0.5) / 0.5
        lines.append(session.run(None, {session.get_inputs()[0].name: fed.astype(np.float32)})[0][0][:, columns])
    coarse = np.round(np.array(lines) * 255).astype(np.uint8)
    decoded = CTCLabelDecode(character=list(ASCII))(coarse.astype(np.float32) / np.float32(255))
    np.savez_compressed(out, probabilities=coarse)
    pathlib.Path(texts).write_text("".join(f"{text}\t{score:.6f}\n" for text, score in decoded))
    print(coarse.shape)


if __name__ == "__main__":
    main(*sys.argv[1:])
