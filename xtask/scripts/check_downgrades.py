"""Runs test cases as `lehr convert --opset N` writes them in ONNX Runtime, against their recorded outputs.

usage: python check_downgrades.py LEHR CASES OPSET…      (onnx 1.22.0, onnxruntime 1.32, numpy)

LEHR is the binary, CASES a folder of folders with model.onnx and test_data_set_0. Prints each difference and each model
that does not run, and for each opset how many were written, run and agree. Types and operators that ONNX Runtime
lacks, where the original does not run either, count as foreign.
"""

import collections
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

ort.set_default_logger_severity(4)


def session(model):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def tensors(folder, side, values):
    """The recorded tensors by name; None when a value is no tensor."""
    found = {}
    for index, value in enumerate(values):
        path = folder / f"test_data_set_0/{side}_{index}.pb"
        if path.exists():
            tensor = onnx.TensorProto()
            try:
                tensor.ParseFromString(path.read_bytes())
                found[value.name] = numpy_helper.to_array(tensor)
            except Exception:  # a sequence or an optional value
                return None
    return found


def same(got, want):
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    if want.dtype.kind not in "fc":
        return np.array_equal(got, want)
    return np.allclose(got, want, 1e-3, 1e-5, equal_nan=True)


def run(model, feeds, names):
    """The named outputs, or the problem as text."""
    try:
        runner = session(str(model))
        known = {port.name for port in runner.get_inputs()}
        return runner.run(names, {k: v for k, v in feeds.items() if k in known})
    except Exception as problem:
        return str(problem)


def outcome(source, target, feeds, expected):
    """(how far it came, what went wrong). What ONNX Runtime does with the original too is not the writer's doing."""
    names = list(expected)
    got = run(target, feeds, names)
    if not isinstance(got, str) and all(map(same, got, expected.values())):
        return "agrees", None
    original = run(source, feeds, names)
    if isinstance(got, str):
        return ("foreign", None) if isinstance(original, str) else ("fails", got)
    if not isinstance(original, str) and all(map(same, got, original)):
        return "as the original", None
    return "differs", f"{got} instead of {list(expected.values())}"


def main():
    lehr, cases, opsets = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    for opset in opsets:
        counts = collections.Counter()
        for folder in sorted(path.parent for path in cases.glob("*/model.onnx")):
            graph = onnx.load(folder / "model.onnx").graph
            feeds, expected = tensors(folder, "input", graph.input), tensors(folder, "output", graph.output)
            if feeds is None or not expected:
                continue
            with tempfile.TemporaryDirectory() as scratch:
                target = f"{scratch}/out.onnx"
                command = [lehr, "convert", str(folder / "model.onnx"), "-o", target, "--opset", opset]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    counts["not written"] += 1
                    print(f"opset {opset} {folder.name} not written: {done.stderr.strip()[:300]}")
                    continue
                how, problem = outcome(folder / "model.onnx", target, feeds, expected)
                counts[how] += 1
                if problem:
                    print(f"opset {opset} {folder.name} {how}: {problem[:300]}")
        print(f"opset {opset}: {dict(counts)}", flush=True)


if __name__ == "__main__":
    main()
