"""Records what numpy, ml_dtypes and onnx do, for tests/golden.rs. Run in this folder; needs onnx >= 1.23 and numpy >= 2.4."""

import struct
import warnings

import ml_dtypes
import numpy as np
from onnx import numpy_helper

warnings.simplefilter("ignore")
FORMATS = {
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "f8e4m3fn": ml_dtypes.float8_e4m3fn,
    "f8e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "f8e5m2": ml_dtypes.float8_e5m2,
    "f8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "f6e2m3": ml_dtypes.float6_e2m3fn,
    "f6e3m2": ml_dtypes.float6_e3m2fn,
    "f4e2m1": ml_dtypes.float4_e2m1fn,
}
BITS = {"f6e2m3": 6, "f6e3m2": 6, "f4e2m1": 4, "f8e8m0": 8}


def codes(array):
    return array.view(np.uint8 if array.itemsize == 1 else np.uint16)


def decode_lines():
    for name, dtype in {**FORMATS, "f8e8m0": ml_dtypes.float8_e8m0fnu}.items():
        if np.dtype(dtype).itemsize > 1:
            continue
        every = np.arange(1 << BITS.get(name, 8), dtype=np.uint8).view(dtype).astype(np.float32)
        yield "decode " + name + " " + " ".join("nan" if np.isnan(x) else f"{x.view(np.uint32):x}" for x in every)


def inputs():
    rng = np.random.default_rng(28)
    values = [0.0, -0.0, np.inf, -np.inf, 1e-45, -1e-40, 3.4e38, 1.0, -1.0]
    values += list(rng.standard_normal(120) * np.exp2(rng.integers(-20, 18, 120)))
    for name, dtype in FORMATS.items():
        width = 16 if np.dtype(dtype).itemsize == 2 else BITS.get(name, 8)
        unit = np.uint16 if width == 16 else np.uint8
        picks = rng.integers(0, (1 << (width - 1)) - 1, 12)
        low, high = (np.array(picks + up, unit).view(dtype).astype(np.float64) for up in (0, 1))
        values += list((low + high) / 2)
        top = float(ml_dtypes.finfo(dtype).max)
        # The last value that still rounds down to the largest, and where overflow begins.
        second = float(np.nextafter(np.array(top, dtype), np.array(0, dtype)))
        half = (top - second) / 2
        values += [top, -top, top + half, top + half * 0.99, -(top + half * 1.01), top * 2]
    # NaN payloads are nobody's promise: only the plain one stays.
    usual = [v for v in values if np.isinf(v) or abs(v) < 3.4e38]
    return np.array([np.nan, *usual], np.float32)


def encode_lines():
    x = inputs()
    columns = []
    for name, dtype in FORMATS.items():
        columns.append(codes(x.astype(dtype)))
        saturating = name.startswith("f8")
        columns.append(codes(numpy_helper.saturate_cast(x, dtype)) if saturating else columns[-1])
    yield "columns " + " ".join(FORMATS)
    for index, value in enumerate(x):
        yield f"encode {value.view(np.uint32):x} " + " ".join(f"{c[index]:x}" for c in columns)


def e8m0_lines():
    rng = np.random.default_rng(29)
    # Normal numbers only: for the others the reference departs from the operator's table.
    x = np.array([0.124, 0.25, 1.0, 1.5, 1.1, 3.0, 2.0**-126, *np.exp2(rng.uniform(-120, 120, 40))], np.float32)
    for mode in ("up", "down", "nearest"):
        out = codes(numpy_helper.to_float8e8m0(x, True, mode))
        yield f"e8m0 {mode} " + " ".join(f"{v.view(np.uint32):x}:{c:x}" for v, c in zip(x, out))


def print_lines():
    rng = np.random.default_rng(30)
    values = rng.standard_normal(60) * 10.0 ** rng.integers(-9, 19, 60)
    for name, dtype, unit in (("f64", np.float64, "<Q"), ("f32", np.float32, "<I"), ("f16", np.float16, "<H")):
        for value in values.astype(dtype):
            bits = struct.unpack(unit, value.tobytes())[0]
            yield f"print {name} {bits:x} {value.reshape(1).astype(np.str_)[0]}"


def arrays():
    return {
        "f2": np.array([[1.5, -2], [0, 65504]], "<f2"),
        "f4_be": np.array([1.5, -2.25], ">f4"),
        "f8_fortran": np.asfortranarray(np.arange(6, dtype="<f8").reshape(2, 3)),
        "i8": np.array(-(2**62), "<i8"),
        "u2_be": np.array([1, 256, 65535], ">u2"),
        "b1": np.array([True, False, True]),
        "c8": np.array([1 + 2j], "<c8"),
        "c16_be": np.array([1 - 2j], ">c16"),
        "text": np.array([["a", "é😀"], ["", "long"]]),
        "bytes": np.array([b"ab", b"c"]),
        "bf16": np.array([1.5, -2], ml_dtypes.bfloat16),
        "int4": np.array([-8, 7, -1], ml_dtypes.int4),
        "empty": np.zeros((0, 3), np.float32),
    }


with open("casts.txt", "w") as out:
    for lines in (decode_lines(), encode_lines(), e8m0_lines(), print_lines()):
        out.writelines(line + "\n" for line in lines)
np.savez("stored.npz", **arrays())
np.savez_compressed("deflated.npz", **arrays())
with open("version2.npy", "wb") as out:
    np.lib.format.write_array(out, np.arange(3, dtype=np.int32), version=(2, 0))
with open("version3.npy", "wb") as out:
    np.lib.format.write_array(out, np.arange(3, dtype=np.int32), version=(3, 0))
