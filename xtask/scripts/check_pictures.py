"""Compares pictures that are resized or decoded with the libraries whose arithmetic the steps follow.

usage: python check_pictures.py LEHR [SEED]   (needs onnx, onnxruntime 1.32, numpy, pillow 13, opencv-python-headless 5.0)

LEHR is the binary. Prints the largest difference for each filter, in steps of a byte, and fails when one is too large:

- 24 resizes for each convention and filter (Pillow, OpenCV, ONNX Runtime; TensorFlow's formula for its nearest pixel), up and down and with sides of one pixel, of bytes and of numbers from 0 to
  1: within 1;
- 200 JPEG files of qualities 30 to 95, all usual subsamplings, gray ones, progressive ones, odd sizes: within 2.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from PIL import Image

CASES = 24
PILLOW = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS,
          "box": Image.BOX}
OPENCV = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC,
          "lanczos": cv2.INTER_LANCZOS4, "area": cv2.INTER_AREA}
MODES = {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}
# What the other conventions are in terms of ONNX's Resize: where pixels lie, which is nearest, and what else is set.
ONNX = {
    "tf_half_pixel": ("half_pixel", "round_prefer_ceil", {"cubic_coeff_a": -0.5, "exclude_outside": 1}),
    "half_pixel": ("half_pixel", "round_prefer_floor", {}),
    "tf_legacy": ("asymmetric", "floor", {}),
    "align_corners": ("align_corners", "round_prefer_ceil", {}),
}
# Which pixel TensorFlow takes, in its single precision: where a new pixel lies between two, ONNX Runtime may take another.
ONE, HALF = np.float32(1), np.float32(0.5)
TENSORFLOW_NEAREST = {
    "tf_half_pixel": lambda index, size, to: np.floor((index + HALF) * (np.float32(size) / np.float32(to))),
    "tf_legacy": lambda index, size, to: np.floor(index * (np.float32(size) / np.float32(to))),
    "align_corners": lambda index, size, to: np.floor(
        index * (np.float32(size - 1) / max(np.float32(to - 1), ONE)) + HALF),
}


def write_identities(folder):
    for name, dtype in (("bytes", TensorProto.UINT8), ("numbers", TensorProto.FLOAT)):
        ports = [helper.make_tensor_value_info(port, dtype, ["h", "w", "c"]) for port in "xy"]
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], name, ports[:1], ports[1:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, folder / f"{name}.onnx")


def prepared(lehr, folder, steps, pictures, kind="bytes"):
    """What a model gets for the pictures, [height, width, channels] each."""
    manifest, out = folder / "pipeline.toml", folder / "out.jsonl"
    out.unlink(missing_ok=True)
    inline = ", ".join("{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in step.items()) + " }"
                       for step in [*steps, {"op": "layout", "order": "HWC"}])
    manifest.write_text(f'schema = 1\n[[input]]\nname = "x"\nkind = "image"\nsteps = [{inline}]\n'
                        '[[output]]\nname = "y"\nas = "y"\n')
    command = [lehr, "run", folder / f"{kind}.onnx", "--pipeline", manifest, "--save", out, "--threads", 1, *pictures]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{steps} on {pictures}: {done.stderr}")
    found = {row["input"]: row["answers"]["y"] for row in map(json.loads, out.read_text().splitlines())}
    tensors = [found[str(picture)] for picture in pictures]
    return [np.array(tensor["values"], np.float64).reshape(tensor["shape"]) for tensor in tensors]


def random_picture(source, width, height, channels):
    """Noise, or waves with an edge."""
    if source.random() < 0.5:
        noise = np.frombuffer(source.randbytes(width * height * channels), np.uint8)
        return noise.reshape(height, width, channels)
    y, x, c = np.mgrid[:height, :width, :channels]
    waves = 127 + 90 * np.sin(x / source.uniform(1, 20) + c) * np.cos(y / source.uniform(1, 20) - c)
    waves[x + source.uniform(0, 2) * y > source.uniform(0, width + height)] += 60
    return np.clip(waves, 0, 255).astype(np.uint8)


def saved(picture, path, **options):
    Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).save(path, **options)
    return path


def by_planes(resize, picture):
    return np.stack([resize(picture[:, :, channel]) for channel in range(picture.shape[2])], axis=2)


def by_onnx(convention, filter, picture, width, height):
    position, nearest, more = ONNX[convention]
    more = more if filter == "bicubic" else {}
    node = helper.make_node("Resize", ["x", "", "", "size"], ["y"], mode=MODES[filter], nearest_mode=nearest,
                            coordinate_transformation_mode=position, **more)
    graph = helper.make_graph(
        [node], "resize", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "c", "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "c", "p", "q"])],
        [helper.make_tensor("size", TensorProto.INT64, [4], [1, picture.shape[2], height, width])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    run = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    planes = np.ascontiguousarray(picture.astype(np.float32).transpose(2, 0, 1))[None]
    return run.run(None, {"x": planes})[0][0].transpose(1, 2, 0)


def by_tensorflow_nearest(convention, picture, width, height):
    rows, columns = (
        np.minimum(TENSORFLOW_NEAREST[convention](np.arange(to, dtype=np.float32), size, to).astype(int), size - 1)
        for size, to in zip(picture.shape, (height, width)))
    return picture[rows][:, columns]


def expected(convention, filter, picture, width, height):
    if convention == "pil":
        return by_planes(lambda plane: np.asarray(Image.fromarray(plane).resize((width, height), PILLOW[filter])), picture)
    if convention == "opencv":
        resized = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=OPENCV[filter])
        return resized.reshape(height, width, -1)
    if filter == "nearest" and convention in TENSORFLOW_NEAREST:
        return by_tensorflow_nearest(convention, picture, width, height)
    return by_onnx(convention, filter, picture, width, height)


def side(source):
    return source.choice([1, 2, source.randint(1, 12), source.randint(1, 220), source.randint(1, 220)])


def resizes(lehr, folder, source):
    filters = [("pil", filter) for filter in PILLOW] + [("opencv", filter) for filter in OPENCV]
    filters += [(convention, filter) for convention in ONNX for filter in MODES]
    count, holds = 0, True
    for convention, filter in filters:
        worst, where = {"bytes": 0.0, "numbers": 0.0}, {}
        for index in range(CASES):
            width, height, channels = side(source), side(source), source.choice([1, 3])
            to_width, to_height = side(source), side(source)
            if index % 6 == 0:
                to_width, to_height = 2 * width, 2 * height
            if index % 6 == 1:
                width, height = 2 * to_width, 2 * to_height
            picture = random_picture(source, width, height, channels)
            path = saved(picture, folder / f"{index}.png")
            steps = [{"op": "decode_image", "color": "gray" if channels == 1 else "rgb"}]
            resize = {"op": "resize", "size": [to_height, to_width], "convention": convention, "filter": filter}
            kind = "numbers" if index % 3 == 2 else "bytes"
            if kind == "numbers":
                picture = picture.astype(np.float32) * np.float32(1 / 255)
                steps.append({"op": "scale", "by": 1 / 255})
            numbers = kind == "numbers" or (convention in ONNX and filter != "nearest")
            got = prepared(lehr, folder, [*steps, resize], [path], "numbers" if numbers else "bytes")[0]
            right = expected(convention, filter, picture, to_width, to_height)
            difference = float(np.abs(got - right).max()) * (255 if kind == "numbers" else 1)
            if difference >= worst[kind]:
                worst[kind], where[kind] = difference, f"{width}×{height}×{channels} to {to_width}×{to_height}"
            count += 1
        for kind, difference in worst.items():
            if difference > 1:
                print(f"    {difference:.3f} for {kind}, {where[kind]}")
        holds &= max(worst.values()) <= 1
        print(f"{convention} {filter}: bytes within {worst['bytes']:.2g}, numbers within {worst['numbers']:.2g}")
    print(f"{count} resizes")
    return holds


def jpegs(lehr, folder, source):
    holds = True
    for color in ("rgb", "gray"):
        paths = []
        for index in range(150 if color == "rgb" else 50):
            width, height = source.randint(1, 150), source.randint(1, 150)
            picture = random_picture(source, width, height, 3 if color == "rgb" else 1)
            options = {"subsampling": source.choice([0, 1, 2])} if color == "rgb" else {}
            if source.random() < 0.3:
                options["restart_marker_blocks"] = source.randint(1, 5)
            paths.append(saved(picture, folder / f"{color}-{index}.jpg", quality=source.randint(30, 95),
                               progressive=source.random() < 0.4, optimize=source.random() < 0.5, **options))
        decoded = prepared(lehr, folder, [{"op": "decode_image", "color": color}], paths)
        worst = 0
        for path, got in zip(paths, decoded):
            right = np.asarray(Image.open(path)).reshape(got.shape)
            worst = max(worst, int(np.abs(got - right).max()))
        print(f"JPEG: {len(paths)} {color} files within {worst}")
        holds &= worst <= 2
    return holds


def main(lehr, seed="1"):
    source = random.Random(int(seed))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_identities(folder)
        holds = [part(pathlib.Path(lehr).resolve(), folder, source) for part in (resizes, jpegs)]
    sys.exit(0 if all(holds) else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
