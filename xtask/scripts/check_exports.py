"""Runs what `lehr convert` writes in ONNX Runtime, against the recorded outputs of the original models.

usage: python check_exports.py LEHR MODELS [OPSET…]    (pip install onnxruntime numpy)

LEHR is the binary, MODELS the folder that `crates/lehr/tests/golden/models.tsv` is relative to. Without opsets, the one
that `convert` chooses. Prints a line for each model, case and opset, and exits with 1 when one differs by more than 1e-4.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime as ort

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "crates/lehr/tests/golden"
TOLERANCE = 1e-4


def feeds_and_outputs(path):
    entries = dict(np.load(path))
    outputs = {k.removeprefix("output:"): v for k, v in entries.items() if k.startswith("output:")}
    feeds = {}
    for name, value in entries.items():
        if name.split(":")[0] in ("output", "scale", "offset"):
            continue
        if f"scale:{name}" in entries:
            value = value.astype(np.float32) * entries[f"scale:{name}"] + entries[f"offset:{name}"]
        feeds[name] = value
    return feeds, outputs


def difference(got, want):
    if got.shape != want.shape or got.dtype != want.dtype:
        return float("inf")
    if want.dtype.kind != "f":
        return 0.0 if np.array_equal(got, want) else float("inf")
    largest = float(np.abs(want).max(initial=0.0)) or 1.0
    return float(np.abs(got.astype(np.float64) - want).max(initial=0.0)) / largest


def main():
    lehr, models, opsets = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:] or [None]
    failed = False
    rows = [line.split("\t") for line in (GOLDEN / "models.tsv").read_text().splitlines()[1:]]
    for name, path, _ in rows:
        for opset in opsets:
            with tempfile.TemporaryDirectory() as folder:
                out = f"{folder}/out.onnx"
                command = [lehr, "convert", str(models / path), "-o", out] + (["--opset", opset] if opset else [])
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    print(f"{name} opset {opset}: not written: {done.stderr.strip()}")
                    failed |= opset is None
                    continue
                session = ort.InferenceSession(out, providers=["CPUExecutionProvider"])
                for case in sorted(GOLDEN.glob(f"{name}.[0-9]*.npz")):
                    feeds, outputs = feeds_and_outputs(case)
                    got = dict(zip(outputs, session.run(list(outputs), feeds)))
                    worst = max(difference(got[k], v) for k, v in outputs.items())
                    failed |= worst > TOLERANCE
                    print(f"{case.stem} opset {opset or 'chosen'}: {worst:.1e}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
