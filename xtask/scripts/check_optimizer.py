#!/usr/bin/env python3
"""Holds optimised models to the models they came from, and their sizes to those of other optimisers.

usage: check_optimizer.py LEHR MODELS [NAME...]

LEHR is the program, MODELS a folder of .onnx files. Each model is written unoptimised (level 0) and optimised (level 2);
the optimised file must load in ONNX Runtime and give what the original gives on the inputs of NAME.npz beside it, or else on
random ones: max|a-b| / max|b| of every output at most 1e-4. Node counts are compared with those of onnxsim 0.8.1,
onnxslim 0.1.98 and of the model that ONNX Runtime saves at its extended level, each of its fused nodes counted as the
standard nodes that it stands for. Prints a table in Markdown; exit code 1 if a model fails. Nothing is timed.
needs: onnx, onnxruntime, numpy; onnxsim and onnxslim where they are installed.
"""
import json, os, pathlib, subprocess, sys, tempfile

import numpy as np
import onnx
import onnxruntime as ort

TOLERANCE = 1e-4
ort.set_default_logger_severity(4)

SHAPES = {  # inputs whose open sizes are not free
    "serving_default_input_2:0": (1, 43844, 1), "x": (1, 3, 48, 320), "input_1": (1, 76, 32, 1), "bytes": (1, 2048),
    "state": (2, 1, 128), "images:0": (1, 224, 224, 3),
}
MODEL_SHAPES = {
    "melspectrogram": {"input": (1, 16000)}, "efficientnet_lite0_fp32": {"input": (1, 3, 224, 224)},
    "ch_PP-OCRv4_det_infer": {"x": (1, 3, 320, 320)}, "ch_ppocr_mobile_v2.0_cls_infer": {"x": (1, 3, 48, 192)},
}


def nodes(graph):
    inner = [a for node in graph.node for a in node.attribute]
    graphs = [a.g for a in inner if a.HasField("g")] + [g for a in inner for g in a.graphs]
    # Constants are nodes in some files and initializers in others.
    return sum(node.op_type != "Constant" for node in graph.node) + sum(map(nodes, graphs))


def feeds_of(session, name):
    rng = np.random.default_rng(0)
    shapes = SHAPES | MODEL_SHAPES.get(name, {})
    types = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
             "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8}
    feeds = {}
    for value in session.get_inputs():
        sizes = [size if isinstance(size, int) else None for size in value.shape]
        shape = [size or 1 for size in sizes]
        if None in sizes and value.name in shapes:
            shape = shapes[value.name]
        elif name.startswith("silero") and value.name == "input":
            shape = (1, 576)
        elif None in sizes and "float" not in value.type and len(sizes) == 2:
            shape = (1, 16)
        dtype = types[value.type]
        if value.name == "sr":
            feeds[value.name] = np.array(16000, dtype).reshape(shape)
        elif value.name == "attention_mask":
            feeds[value.name] = np.ones(shape, dtype)
        elif value.name == "token_type_ids":
            feeds[value.name] = np.zeros(shape, dtype)
        elif np.issubdtype(dtype, np.floating):
            feeds[value.name] = (rng.standard_normal(shape) * 0.5).astype(dtype)
        else:
            feeds[value.name] = rng.integers(0, 100, shape).astype(dtype)
    return feeds


def session(path):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def difference(got, expected):
    if got.shape != expected.shape:
        return float("inf")
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if not expected.size:
        return 0.0
    return float(np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-12))


def optimized(lehr, path, level, out):
    command = [lehr, "optimize", str(path), "-o", str(out), "--level", str(level), "--json"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(run.stderr.strip() or f"exit code {run.returncode}")
    return json.loads(run.stdout)


def standing_for(node):
    """The least number of standard nodes that say what a fused node of ONNX Runtime says."""
    given = lambda index: index < len(node.input) and node.input[index] != ""
    attributes = {attribute.name: attribute for attribute in node.attribute}
    match node.op_type:
        case "FusedConv":  # convolution, activation, and the sum it may hold
            return 2 + given(3)
        case "FusedGemm" | "BiasGelu":
            return 2
        case "FusedMatMul":  # transposed operands and a factor
            transposed = sum(key in attributes and attributes[key].i for key in ("transA", "transB"))
            return 1 + transposed + ("alpha" in attributes and attributes["alpha"].f != 1)
        case "SkipLayerNormalization":  # sum, a second sum for the bias, normalisation
            return 2 + given(4)
        case "QuickGelu" | "FastGelu" | "Gelu":  # Swish and Gelu are standard
            return 1 + (node.op_type == "FastGelu" and given(1))
        case other:
            raise RuntimeError(f"how many standard nodes does {node.domain}.{other} stand for?")


def expanded(graph):
    inner = [a for node in graph.node for a in node.attribute]
    graphs = [a.g for a in inner if a.HasField("g")] + [g for a in inner for g in a.graphs]
    own = (1 if node.domain in ("", "ai.onnx") else standing_for(node) for node in graph.node if node.op_type != "Constant")
    return sum(own) + sum(map(expanded, graphs))


def count(make, nodes=nodes):
    try:
        return str(nodes(make().graph))
    except ImportError:
        return "not installed"
    except Exception as error:  # whatever another program has to say against the model
        return f"fails ({type(error).__name__})"


def by_onnxsim(path):
    import onnxsim
    return onnxsim.simplify(onnx.load(path))[0]


def by_onnxslim(path):
    import onnxslim
    return onnxslim.slim(onnx.load(path))


def by_ort(path, folder):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "ort.onnx")
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return onnx.load(options.optimized_model_filepath)


def row(lehr, path, folder):
    out = folder / "out.onnx"
    plain = optimized(lehr, path, 0, folder / "plain.onnx")
    report = optimized(lehr, path, 2, out)
    before, after = session(path), session(out)
    recorded = path.with_suffix(".npz")
    feeds = dict(np.load(recorded)) if recorded.exists() else feeds_of(before, path.stem)
    pairs = zip(after.run(None, feeds), before.run(None, feeds), strict=True)
    largest = max(difference(got, expected) for got, expected in pairs)
    cells = [path.stem, nodes(onnx.load(path).graph), plain["nodes_after"], report["nodes_after"]]
    for key, unit in [("macs", 1e6), ("parameter_bytes", 1e6)]:
        cells.append(f"{plain[key + '_after'] / unit:.2f} → {report[key + '_after'] / unit:.2f}")
    cells += [count(lambda: by_onnxsim(path)), count(lambda: by_onnxslim(path)), count(lambda: by_ort(path, folder), expanded)]
    return cells + [f"{largest:.1e}"], largest <= TOLERANCE


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    lehr, models, names = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    titles = ["model", "nodes in file", "O0", "O2", "M MACs", "parameters MB", "onnxsim", "onnxslim", "ORT extended",
              "max diff"]
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    failures = []
    for path in sorted(models.rglob("*.onnx")):
        if names and path.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                cells, agrees = row(lehr, path, pathlib.Path(folder))
                if not agrees:
                    failures.append(f"{path.name}: results differ by {cells[-1]}, expected at most {TOLERANCE}")
            except Exception as error:
                cells = [path.stem] + ["–"] * (len(titles) - 1)
                failures.append(f"{path.name}: {error}")
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    sys.exit("\n".join(failures) if failures else 0)


if __name__ == "__main__":
    main()
