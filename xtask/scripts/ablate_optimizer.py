#!/usr/bin/env python3
"""What the optimiser is worth: sizes and latency before and after, in Lehr and in ONNX Runtime, interleaved.

usage: ablate_optimizer.py prepare MODELS FILLED OUT      models with feeds at fixed shapes into OUT
       ablate_optimizer.py levels LEHR OUT [NAME...]      level 0 against level 2
       ablate_optimizer.py pass PASS LEHR OUT [NAME...]   level 0 against that pass alone (with folding and clean-up)
       ablate_optimizer.py passes LEHR OUT [NAME...]      what each pass does to nodes, MACs and bytes within level 2;
                                                          timed (level 2 without it against level 2) where it changes
                                                          MACs or bytes by more than 2 %

MODELS is a folder with packaged models, FILLED one with NAME.onnx and NAME.npz of networks whose weights are filled in
(may be empty: ""). The topology models of the installed onnx package are filled with noise here. A row gives the ratio
after / before: the median of the rounds with the interval that holds the middle 80 % of them; below 1 is faster.
needs: onnx, onnxruntime, numpy, pillow. ROUNDS (default 7), THREADS (1) and MIN_TIME (0.2 s) are read from the environment.
"""
import json, os, pathlib, subprocess, sys, tempfile, time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from PIL import Image, ImageDraw, ImageFont

ROUNDS, THREADS = int(os.environ.get("ROUNDS", 7)), int(os.environ.get("THREADS", 1))
MIN_TIME = float(os.environ.get("MIN_TIME", 0.2))
ort.set_default_logger_severity(4)

SHAPES = {  # inputs of packaged models whose sizes are open
    "basic_pitch_nmp": {"serving_default_input_2:0": (1, 43844, 1)},
    "ch_PP-OCRv4_det_infer": {"x": (1, 3, 320, 320)},
    "ch_PP-OCRv4_rec_infer": {"x": (1, 3, 48, 320)},
    "ch_ppocr_mobile_v2.0_cls_infer": {"x": (1, 3, 48, 192)},
    "efficientnet_lite0_fp32": {"input": (1, 3, 224, 224)},
    "embedding_model": {"input_1": (1, 76, 32, 1)},
    "model": {"bytes": (1, 2048)},
    "melspectrogram": {"input": (1, 16000)},
    "silero_vad_16k_op15": {"input": (1, 576), "state": (2, 1, 128)},
    "silero_vad_half": {"input": (1, 576), "state": (2, 1, 128)},
    "silero_vad_op18_ifless": {"input": (1, 576), "state": (2, 1, 128)},
    "silero_vad": {"input": (1, 576), "state": (2, 1, 128)},
}


def feeds_of(model, shapes):
    """Random inputs; integers are small, so that they are valid indices."""
    rng = np.random.default_rng(0)
    constants = {tensor.name for tensor in model.graph.initializer}
    feeds = {}
    for value in model.graph.input:
        if value.name in constants:
            continue
        ty = value.type.tensor_type
        shape = shapes.get(value.name) or [dim.dim_value or 1 for dim in ty.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(ty.elem_type)
        if value.name == "sr":
            feeds[value.name] = np.array(16000, dtype)
        elif np.issubdtype(dtype, np.integer):
            # Masks and types of tokens are 0 or 1.
            most = 2 if "mask" in value.name or "type" in value.name else 200
            feeds[value.name] = rng.integers(0, most, shape).astype(dtype)
        else:
            feeds[value.name] = (rng.standard_normal(shape) * 0.5).astype(dtype)
    return feeds


def page():
    """A picture with text: a detector answers noise with probabilities that are all rounding."""
    picture = Image.new("RGB", (320, 320), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=20)
    for line in range(8):
        draw.text((10, 10 + 38 * line), f"{line}: sphinx of black quartz", fill=(20, 20, 30), font=font)
    pixels = (np.asarray(picture, np.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return pixels.astype(np.float32).transpose(2, 0, 1)[None]


def filled(path):
    """A topology model with noise in the place of its ConstantOfShape weights, scaled so that activations stay finite."""
    model = onnx.load(path)
    rng = np.random.default_rng(0)
    shapes = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            shapes[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    variances = {n.input[4] for n in model.graph.node if n.op_type == "BatchNormalization" and len(n.input) > 4}
    keep = []
    for node in model.graph.node:
        shape = shapes.get(node.input[0]) if node.op_type == "ConstantOfShape" else None
        if shape is None:
            keep.append(node)
            continue
        fan_in = max(1, int(np.prod(shape[1:]))) if len(shape) > 1 else 1
        noise = rng.standard_normal([int(s) for s in shape], dtype=np.float32)
        noise = 0.5 + np.abs(noise) if node.output[0] in variances else noise * np.float32(np.sqrt(2 / fan_in) if len(shape) > 1 else 0.1)
        model.graph.initializer.append(numpy_helper.from_array(noise.astype(np.float32), node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(keep)
    return model


def prepare(models, others, out):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(pathlib.Path(models).rglob("*.onnx")):
        name = path.parent.name if path.stem == "model" else path.stem
        model = onnx.load(path)
        onnx.save(model, out / f"{name}.onnx")
        shapes = SHAPES.get(path.stem, {})
        if path.stem.startswith("minilm"):
            shapes = {value.name: (1, 128) for value in model.graph.input}
        feeds = {"x": page()} if path.stem == "ch_PP-OCRv4_det_infer" else feeds_of(model, shapes)
        np.savez(out / f"{name}.npz", **feeds)
    for path in sorted(pathlib.Path(others).glob("*.onnx")) if others else []:
        if path.with_suffix(".npz").exists() and not (out / path.name).exists():
            (out / path.name).write_bytes(path.read_bytes())
            (out / path.with_suffix(".npz").name).write_bytes(path.with_suffix(".npz").read_bytes())
    light = pathlib.Path(onnx.__file__).parent / "backend/test/data/light"
    for path in sorted(light.glob("light_*.onnx")):
        model = filled(path)
        onnx.save(model, out / path.name)
        np.savez(out / f"{path.stem}.npz", **feeds_of(model, {}))


def session(path, optimise):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def median_ms(run):
    times, end = [], time.perf_counter() + MIN_TIME
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times))


def lehr_ms(lehr, model, npz, options):
    command = [lehr, "bench", model, "--feed", npz, "--threads", THREADS, "--min-time", MIN_TIME, "--min-runs", 5, "--json", *options]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    return json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])["median_ms"]


def optimise(lehr, model, out, options):
    done = subprocess.run([lehr, "optimize", str(model), "-o", str(out), "--json", *options], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)


def relative(a, b):
    worst = 0.0
    for x, y in zip(a, b):
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        if x.shape != y.shape:
            return float("inf")
        worst = max(worst, float(np.max(np.abs(x - y), initial=0)) / max(float(np.max(np.abs(y), initial=0)), 1e-30))
    return worst


def ratio(before, after):
    ratios = sorted(b / a for a, b in zip(before, after))
    trim = len(ratios) // 10
    inner = ratios[trim : len(ratios) - trim]
    return float(np.median(ratios)), inner[0], inner[-1]


def row(lehr, path, before, after):
    npz = path.with_suffix(".npz")
    feeds = dict(np.load(npz))
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder) / "before.onnx", pathlib.Path(folder) / "after.onnx"]
        reports = [optimise(lehr, path, out, options) for out, options in zip(files, (before, after))]
        sessions = {(i, on): session(out, on) for i, out in enumerate(files) for on in (False, True)}
        answers = [sessions[i, False].run(None, feeds) for i in (0, 1)]
        times = {}
        for turn in range(ROUNDS):
            order = [("lehr", 0), ("lehr", 1), (False, 0), (False, 1), (True, 0), (True, 1)]
            for key in order if turn % 2 == 0 else order[::-1]:
                engine, which = key
                if engine == "lehr":
                    ms = lehr_ms(lehr, files[which], npz, ["--optimize", "0"])
                else:
                    ms = median_ms(lambda: sessions[which, engine].run(None, feeds))
                times.setdefault(key, []).append(ms)
    result = {"model": path.stem, "difference": relative(answers[1], answers[0])}
    for engine, label in (("lehr", "lehr"), (False, "ort_off"), (True, "ort_on")):
        result[label] = ratio(times[engine, 0], times[engine, 1])
        result[label + "_ms"] = [float(np.median(times[engine, which])) for which in (0, 1)]
    for report, label in zip(reports, ("before", "after")):
        result[label] = {key: report[f"{key}_after"] for key in ("nodes", "macs", "parameter_bytes")}
    return result


def latency(result, label):
    ratios, times = result[label], result[label + "_ms"]
    return "{:.3f} ({:.3f}–{:.3f})".format(*ratios) + " {:.2f} → {:.2f} ms".format(*times)


def table(lehr, out, names, before, after):
    print("| model | nodes | MACs | parameter bytes | Lehr | ONNX Runtime, off | ONNX Runtime, on | difference |")
    print("|---|---|---|---|---|---|---|---|")
    for path in sorted(pathlib.Path(out).glob("*.onnx")):
        if names and path.stem not in names:
            continue
        try:
            result = row(lehr, path, before, after)
        except Exception as error:
            print(f"| {path.stem} | failed: {str(error)[:300]} |", flush=True)
            continue
        arrow = lambda key: " → ".join(f"{result[side].get(key, 0):,}" for side in ("before", "after"))
        cells = [arrow("nodes"), arrow("macs"), arrow("parameter_bytes"), *(latency(result, label) for label in ("lehr", "ort_off", "ort_on"))]
        print(f"| {path.stem} | {' | '.join(cells)} | {result['difference']:.1e} |", flush=True)
        with open(pathlib.Path(out) / "ablation.jsonl", "a") as log:
            log.write(json.dumps(result) + "\n")


def passes(lehr, out, names):
    """Effects as the optimiser itself reports them, relative to the model at level 0."""
    print("| model | pass | edits | nodes | MACs | bytes moved | Lehr | ONNX Runtime, off | ONNX Runtime, on | difference |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for path in sorted(pathlib.Path(out).glob("*.onnx")):
        if names and path.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            written = pathlib.Path(folder) / "out.onnx"
            plain, best = (optimise(lehr, path, written, ["--optimize", level]) for level in "02")
        whole = {key: max(1, plain[f"{key}_after"]) for key in ("macs", "bytes_moved")}
        for effect in best["passes"]:
            if effect["edits"] == 0:
                continue
            shares = [effect[key] / whole[key] for key in whole]
            cells = [path.stem, effect["pass"], effect["edits"], f"{effect['nodes']:+}", *(f"{100 * share:+.2f} %" for share in shares)]
            if any(abs(share) > 0.02 for share in shares):
                result = row(lehr, path, ["--optimize", "2", "--disable", effect["pass"]], ["--optimize", "2"])
                cells += [latency(result, label) for label in ("lehr", "ort_off", "ort_on")] + [f"{result['difference']:.1e}"]
            else:
                cells += [""] * 4
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


CLEAN = ["eliminate_dead_code", "materialise_shapes", "remove_identities", "fold_constants", "eliminate_duplicates"]

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare", models, others, out]:
            prepare(models, others, out)
        case ["levels", lehr, out, *names]:
            table(lehr, out, names, ["--optimize", "0"], ["--optimize", "2"])
        case ["pass", name, lehr, out, *names]:
            only = lambda passes: [part for one in passes for part in ("--only", one)]
            table(lehr, out, names, only(CLEAN), only([*CLEAN, name]))
        case ["passes", lehr, out, *names]:
            passes(lehr, out, names)
        case _:
            sys.exit(__doc__)
