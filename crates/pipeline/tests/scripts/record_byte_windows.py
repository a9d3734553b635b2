"""Records the numbers that Magika's package makes of files, and what it says of the types.

usage: python record_byte_windows.py CASES.json MODEL_FOLDER [FILE ...]      (needs magika 1.0.3)

Without files, random contents with small windows and the texts below are recorded: tests/golden/bytes/cases.json.
MODEL_FOLDER is magika/models/standard_v3_3 of the package.
"""

import io
import json
import pathlib
import random
import sys

import numpy as np
import onnxruntime
from magika import Magika
from magika.types import Seekable

CONTENTS = [
    b"import sys\n\n\ndef main():\n    for name in sys.argv[1:]:\n        print(name.upper())\n\n\nmain()\n",
    b'{"name": "lehr", "sizes": [1, 2, 3], "nested": {"a": null, "b": true}}\n',
    b"<!DOCTYPE html>\n<html><head><title>x</title></head><body><p>Hello</p></body></html>\n",
    b"#include <stdio.h>\n\nint main(void) {\n    printf(\"%d\\n\", 42);\n    return 0;\n}\n",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xff\xff?\0\x05\xfe\x02\xfe",
    b"a,b,c\n1,2,3\n4,5,6\n7,8,9\n",
    b"  \n\t hello there, this is only a line of words  \n\n",
    b"qwrtz uiopasd fghjkl",
    b"PK\x03\x04\x14\0\0\0\x08\0",
    b"SELECT a, b FROM t WHERE a > 3;\n",
    bytes(range(256)) * 5,
]


def windows(content, beginning, end, block, padding):
    features = Magika._extract_features_from_seekable(
        Seekable(io.BytesIO(content)), beginning, 0, end, padding, block, False)
    return features.beg + features.end


def random_content(random):
    pieces = [b" ", b"\n", b"\t", b"\x0b", b"\x0c", b"\r", b"\0", b"\x1c", b"\xa0", b"a", b"bc", b"def"]
    return b"".join(random.choice(pieces) for _ in range(random.randrange(1, 60)))


def main():
    target, model_folder = map(pathlib.Path, sys.argv[1:3])
    cases = []
    if len(sys.argv) == 3:
        source = random.Random(1)
        for _ in range(60):
            sizes = {"beginning": source.randrange(1, 9), "end": source.randrange(1, 9), "block": source.randrange(9, 24)}
            content = random_content(source)
            cases.append({"content": content.hex(), **sizes, "padding": 256, "values": windows(content, **sizes, padding=256)})
    contents = [pathlib.Path(name).read_bytes() for name in sys.argv[3:]] or CONTENTS
    magika = Magika()
    session = onnxruntime.InferenceSession(model_folder / "model.onnx")
    for content in contents:
        result = magika.identify_bytes(content)
        values = windows(content, 1024, 1024, 4096, 256)
        scores = session.run(None, {"bytes": np.array([values], np.int32)})[0][0]
        best = [[int(index), float(scores[index])] for index in np.argsort(-scores, kind="stable")[:3]]
        kept = {} if len(sys.argv) == 3 else {"values": values}
        cases.append({
            "content": content.hex(), "beginning": 1024, "end": 1024, "block": 4096, "padding": 256, **kept,
            "scores": best, "type": str(result.prediction.output.label) if str(result.prediction.dl.label) != "undefined" else None,
        })
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    target.write_text(f"[\n{lines}\n]\n")
    print(f"{len(cases)} cases", [case.get("type") for case in cases if "scores" in case])


main()
