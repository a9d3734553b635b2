"""Records tiny models of old opsets, with the answers others give for them, for crates/lehr/tests/fixtures.

usage: python record_old_opsets.py TARGET.zip [-v]      (onnx 1.22.0, onnxruntime 1.32, numpy)

There is a case for each operator form that later versions of the standard changed: attributes that became inputs,
other defaults, another meaning of an axis, attributes and types that are gone. The answer comes from the first that
knows the old form: ONNX Runtime; a newer model or NumPy expression given with the case; ONNX Runtime on what onnx's
version converter makes of the model. The first two must agree where both answer, or nothing is packed; the converter
does not know changed defaults, so that it is only noted where it differs.
`-v` prints each case with those which agree.
"""

import collections
import io
import sys
import warnings
import zipfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper, version_converter
from onnx.helper import make_graph, make_node, make_tensor_value_info

ort.set_default_logger_severity(4)
warnings.simplefilter("ignore")
LATEST = 21
CASES = {}
PROBLEMS = []
RNG = np.random.default_rng(0)


def f32(*shape):
    """Distinct multiples of 1/8 around zero in random order, so that files compress and sums are exact."""
    count = int(np.prod(shape))
    return ((RNG.permutation(count) - count // 2) / 8).astype(np.float32).reshape(shape)


def positive(*shape):
    return np.abs(f32(*shape)) + np.float32(0.125)


def i64(*values):
    return np.array(values, np.int64)


def elem(value):
    return helper.np_dtype_to_tensor_dtype(value.dtype)


def info(name, value):
    return make_tensor_value_info(name, elem(value), value.shape)


def ir_of(opset):
    return helper.find_min_ir_version_for([helper.make_opsetid("", opset)]) if opset > 8 else 3


def model_of(nodes, opset, inputs, outputs, initializers):
    ir = ir_of(opset)
    # Up to IR 3 each initializer is an input too.
    listed = list(inputs.items()) + (list(initializers.items()) if ir < 4 else [])
    values = [numpy_helper.from_array(value, name) for name, value in initializers.items()]
    graph = make_graph(nodes, "g", [info(*item) for item in listed], outputs, values)
    return helper.make_model(graph, ir_version=ir, opset_imports=[helper.make_opsetid("", opset)], producer_name="")


def ort_run(model, feeds):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def node(op, opset, inputs, outs=1, **attributes):
    """The outputs of one node in ONNX Runtime."""
    names = ["" if value is None else f"i{k}" for k, value in enumerate(inputs)]
    feeds = {name: np.asarray(value) for name, value in zip(names, inputs) if name}
    outputs = [onnx.ValueInfoProto(name=f"o{k}") for k in range(outs)]
    made = make_node(op, names, [o.name for o in outputs], **attributes)
    return ort_run(model_of([made], opset, feeds, outputs, {}), feeds)


def agree(a, b):
    def same(x, y):
        if x.dtype != y.dtype or x.shape != y.shape:
            return False
        return np.allclose(x, y, 1e-5, 1e-6, equal_nan=True) if x.dtype.kind == "f" else np.array_equal(x, y)

    return len(a) == len(b) and all(map(same, a, b))


class Unanswered(Exception):
    pass


def answers(name, model, feeds, like):
    found, problems = {}, {}
    for source, ask in (
        ("ort", lambda: ort_run(model, feeds)),
        ("like", like),
        ("converted", lambda: ort_run(version_converter.convert_version(model, LATEST), feeds)),
    ):
        if ask is None:
            continue
        try:
            found[source] = [np.asarray(value) for value in ask()]
        except Exception as problem:  # what is not supported shows as any kind of exception
            if source == "like":
                raise
            problems[source] = (str(problem).splitlines() or [repr(problem)])[0]
    if not found:
        raise Unanswered(f"{name}: nobody answers: {problems}")
    first = next(iter(found.values()))
    agreeing = [source for source, value in found.items() if agree(first, value)]
    if not {"ort", "like"} & set(found) <= set(agreeing):
        raise Unanswered(f"{name}: disagreement: {found}")
    return first, "+".join(agreeing) + "".join(f" (not {source})" for source in found if source not in agreeing)


def model_case(name, opset, nodes, feeds, outs=("o0",), const=None, like=None, skip=()):
    """A case of any nodes. `const` are initializers; `skip` names outputs that are made but not recorded."""
    assert name not in CASES, name
    const = const or {}
    untyped = [onnx.ValueInfoProto(name=out) for out in outs]
    model = model_of(nodes, opset, feeds, untyped, const)
    try:
        expected, source = answers(name, model, feeds, like)
    except Unanswered as problem:
        return PROBLEMS.append(str(problem))
    typed = [info(out, value) for out, value in zip(outs, expected, strict=True)]
    model = model_of(nodes, opset, feeds, typed, const)
    # The checker refuses what was withdrawn at once, though files with it exist.
    if nodes[0].op_type != "GroupNormalization":
        onnx.checker.check_model(model)
    CASES[name] = (model, feeds, dict(zip(outs, expected)), source)


def case(name, op, opset, inputs, outs=1, const=(), like=None, **attributes):
    """A case of one node; `const` are the positions of inputs that are initializers."""
    names = ["" if value is None else f"i{k}" for k, value in enumerate(inputs)]
    outs = [f"o{k}" if isinstance(outs, int) else outs[k] for k in range(outs if isinstance(outs, int) else len(outs))]
    made = make_node(op, names, outs, **attributes)
    given = {n: np.asarray(value) for n, value in zip(names, inputs) if n}
    initial = {n: given.pop(n) for n in [names[k] for k in const]}
    listed = [out for out in outs if out]
    model_case(f"{op.lower()}_{opset}_{name}", opset, [made], given, listed, initial, like)


def elementwise():
    x = f32(2, 3)
    for op in ("Abs", "Ceil", "Exp", "Floor", "Neg", "Reciprocal", "Relu", "Sigmoid", "Tanh"):
        value = positive(2, 3) if op == "Reciprocal" else x
        case("consumed", op, 1, [value], consumed_inputs=[0], like=lambda: node(op, 13, [value]))
    for op in ("Log", "Sqrt"):
        value = positive(2, 3)
        case("consumed", op, 1, [value], consumed_inputs=[0], like=lambda: node(op, 13, [value]))
    for op, attributes in (
        ("Elu", {"alpha": 0.5}),
        ("HardSigmoid", {"alpha": 0.25, "beta": 0.375}),
        ("LeakyRelu", {"alpha": 0.25}),
        ("Selu", {"alpha": 1.5, "gamma": 1.25}),
    ):
        case("consumed", op, 1, [x], consumed_inputs=[0], like=lambda: node(op, 6, [x], **attributes), **attributes)
        case("defaults", op, 1, [x], like=lambda: node(op, 6, [x], **({"alpha": 1.6732, "gamma": 1.0507} if op == "Selu" else {})))
        case("defaults", op, 6, [x])
    for opset in (1, 6):
        for name, attributes in (("both", {"min": -0.25, "max": 0.125}), ("min", {"min": 0.0}), ("max", {"max": 0.25}), ("none", {})):
            bounds = [np.array(attributes[k], np.float32) if k in attributes else None for k in ("min", "max")]
            case(name, "Clip", opset, [x], like=lambda: node("Clip", 13, [x] + bounds), **attributes)
    case("max", "Clip", 11, [x, None, np.array(0.25, np.float32)])
    case("const", "Clip", 11, [x, np.array(-0.25, np.float32), np.array(0.125, np.float32)], const=[1, 2])
    case("int", "Clip", 12, [np.array([-9, 2, 9], np.int8), np.array(-2, np.int8)])


def broadcast():
    """`broadcast` and `axis` of version 1 and 6; NumPy broadcasting from 7 on."""
    a = f32(2, 3, 4, 2)
    operands = [
        ("same", f32(2, 3, 4, 2), {}),
        ("suffix", f32(4, 2), {"broadcast": 1}),
        ("axis1", f32(3, 4), {"broadcast": 1, "axis": 1}),
        ("axis0", f32(2), {"broadcast": 1, "axis": 0}),
        ("scalar", f32(1).reshape(()), {"broadcast": 1}),
        ("one", f32(1), {"broadcast": 1}),
        ("ones", f32(1, 4), {"broadcast": 1, "axis": 1}),
    ]

    def aligned(b, attributes):
        axis = attributes.get("axis", a.ndim - b.ndim)
        return b.reshape(b.shape + (1,) * (a.ndim - axis - b.ndim)) if b.ndim else b

    for op, opsets in (("Add", (1, 6)), ("Sub", (1, 6)), ("Mul", (1, 6)), ("Div", (1, 6)), ("Pow", (1,))):
        for opset in opsets:
            for name, b, attributes in operands if opset == 6 or op == "Pow" else operands[1:3]:
                if op == "Div":
                    b = np.abs(b) + np.float32(0.5)
                base = a
                if op == "Pow":
                    base, b = np.abs(a) + np.float32(0.5), np.round(b)
                extra = {"consumed_inputs": [0, 0]} if opset == 1 and op != "Pow" else {}
                other = aligned(b, attributes)
                case(name, op, opset, [base, b], like=lambda: node(op, 13, [base, other]), **attributes, **extra)
        case("rows", op, 7, [np.abs(a) + np.float32(0.5), np.round(f32(3, 1, 1)) if op == "Pow" else positive(3, 1, 1)])
    ints = RNG.integers(-9, 9, (2, 3)).astype(np.int64)
    case("int", "Div", 6, [ints, i64(2, -3, 4)], broadcast=1, like=lambda: node("Div", 13, [ints, i64(2, -3, 4)]))
    case("mixed", "Pow", 12, [f32(3), i64(2, 3, 0)])
    flags = RNG.integers(0, 2, (2, 3, 2)).astype(bool)
    for op in ("And", "Or", "Xor"):
        for name, b, attributes in (("same", ~flags, {}), ("suffix", flags[0], {"broadcast": 1}), ("axis1", flags[0, :, 0], {"broadcast": 1, "axis": 1})):
            other = b[:, None] if name == "axis1" else b
            case(name, op, 1, [flags, b], like=lambda: node(op, 7, [flags, other]), **attributes)
    small = RNG.integers(0, 3, (2, 3, 2)).astype(np.int32)
    for op in ("Equal", "Less", "Greater"):
        value = small if op == "Equal" else small.astype(np.float32)
        for name, b, attributes in (("same", value[::-1].copy(), {}), ("suffix", value[0], {"broadcast": 1}), ("axis1", value[1, :, 0], {"broadcast": 1, "axis": 1})):
            other = b[:, None] if name == "axis1" else b
            case(name, op, 1, [value, b], like=lambda: node(op, 7, [value, other]), **attributes)
        case("rows", op, 7, [value, value[0]])
    for opset in (1, 6):
        x = f32(2, 3, 2, 2)
        extra = {"consumed_inputs": [0, 0]} if opset == 1 else {}
        for name, slope in (("channel", positive(3)), ("shared", positive(1))):
            other = slope.reshape(-1, 1, 1)
            case(name, "PRelu", opset, [x, slope], like=lambda: node("PRelu", 9, [x, other]), **extra)
    case("row", "PRelu", 7, [f32(2, 3, 2), positive(3, 1)])
    case("last", "PRelu", 9, [f32(2, 3), positive(3)])
    for op in ("Sum", "Mean", "Max", "Min"):
        values = [f32(2, 3) for _ in range(3)]
        for opset in (1, 6):
            extra = {"consumed_inputs": [0, 0, 0]} if opset == 1 else {}
            case("three", op, opset, values, like=lambda: node(op, 8, values), **extra)
        case("single", op, 6, values[:1], like=lambda: values[:1])
        case("broadcast", op, 8, [f32(2, 3), f32(3), f32(2, 1)])
    a, b, c = f32(2, 3), f32(3, 4), f32(2, 4)
    for opset in (1, 6):
        case("full", "Gemm", opset, [a, b, c], alpha=0.5, beta=2.0, like=lambda: node("Gemm", 13, [a, b, c], alpha=0.5, beta=2.0))
        row = f32(4)
        case("row", "Gemm", opset, [a.T.copy(), b.T.copy(), row], broadcast=1, transA=1, transB=1,
             like=lambda: node("Gemm", 13, [a, b, row]))
        column = f32(2, 1)
        case("column", "Gemm", opset, [a, b, column], broadcast=1, like=lambda: node("Gemm", 13, [a, b, column]))
    case("scalar", "Gemm", 7, [a, b, f32(1)])
    case("row", "Gemm", 9, [a, b, f32(4)], transA=0)
    case("without_c", "Gemm", 11, [a, b])


def casts():
    x = np.array([-1.5, 0.0, 2.75], np.float32)
    for text, opset, value in (("INT32", 1, x), ("DOUBLE", 1, x), ("BOOL", 1, x), ("FLOAT16", 1, x), ("FLOAT", 1, i64(1, -2)), ("UINT8", 1, np.abs(x))):
        to = getattr(TensorProto, text)
        case(text.lower(), "Cast", opset, [value], to=text, like=lambda: node("Cast", 13, [value], to=to))
    case("int64", "Cast", 6, [x], to=TensorProto.INT64)
    case("from_string", "Cast", 9, [np.array(["1.5", "-2", "inf"], object)], to=TensorProto.FLOAT)
    case("to_string", "Cast", 9, [i64(12, -3)], to=TensorProto.STRING)


def shapes():
    x = f32(2, 3, 4)
    for name, shape in (("flat", [2, 12]), ("copy", [0, -1]), ("rank4", [1, 2, -1, 2])):
        extra = {"consumed_inputs": [0]} if name == "flat" else {}
        case(name, "Reshape", 1, [x], shape=shape, like=lambda: node("Reshape", 13, [x, i64(*shape)]), **extra)
        case(name, "Reshape", 5, [x, i64(*shape)], const=[1])
    case("run_time", "Reshape", 5, [x, i64(4, 6)])
    case("allowzero", "Reshape", 14, [np.zeros((0, 3), np.float32), i64(3, 0)], const=[1], allowzero=1)
    y = f32(1, 3, 1, 2)
    for opset in (1, 11):
        case("axes", "Squeeze", opset, [y], axes=[0, 2])
        case("all", "Squeeze", opset, [y])
        case("axes", "Unsqueeze", opset, [f32(3, 2)], axes=[0, 3])
    case("negative", "Squeeze", 11, [y], axes=[-2])
    case("negative", "Unsqueeze", 11, [f32(3, 2)], axes=[-1, 0])
    case("unordered", "Unsqueeze", 11, [f32(3, 2)], axes=[3, 0])
    case("input", "Squeeze", 13, [y, i64(0)], const=[1])
    case("input", "Unsqueeze", 13, [y, i64(-1)], const=[1])
    parts = [f32(2, 2), f32(2, 3)]
    case("default", "Concat", 1, parts, like=lambda: node("Concat", 4, parts, axis=1))
    rows = [f32(1, 2), f32(3, 2)]
    case("axis0", "Concat", 1, rows, axis=0, like=lambda: node("Concat", 4, rows, axis=0))
    case("axis1", "Concat", 4, parts, axis=1)
    case("negative", "Concat", 11, parts, axis=-1)
    for name, attributes in (
        ("all", {"starts": [1, 0, 1], "ends": [2, 3, 3]}),
        ("axes", {"starts": [1, 0], "ends": [1000, -1], "axes": [2, 1]}),
        ("negative", {"starts": [-3], "ends": [-1], "axes": [2]}),
        ("empty", {"starts": [3], "ends": [1], "axes": [2]}),
        ("leading", {"starts": [0, 1], "ends": [1, 2]}),
    ):
        case(name, "Slice", 1, [x], **attributes)
        given = [i64(*attributes[k]) for k in ("starts", "ends", "axes") if k in attributes]
        case(name, "Slice", 10, [x] + given, const=range(1, 1 + len(given)))
    case("steps", "Slice", 10, [x, i64(3, 2), i64(-100, 0), i64(2, 1), i64(-2, -1)], const=[1, 2, 3, 4])
    case("run_time", "Slice", 10, [x, i64(1), i64(3), i64(1)])
    case("negative_axes", "Slice", 11, [x, i64(1), i64(3), i64(-2)], const=[1, 2, 3])
    case("int32", "Slice", 10, [x, *(np.array(v, np.int32) for v in ([1], [3], [1], [1]))], const=[1, 2, 3, 4])
    z = f32(2, 6)
    case("attribute", "Split", 1, [z], 3, axis=1, split=[1, 2, 3], like=lambda: node("Split", 2, [z], 3, axis=1, split=[1, 2, 3]))
    case("equal", "Split", 1, [z], 2, axis=1, like=lambda: node("Split", 2, [z], 2, axis=1))
    case("input", "Split", 1, [z, np.array([2, 4], np.float32)], 2, const=[1], axis=1,
         like=lambda: node("Split", 2, [z], 2, axis=1, split=[2, 4]))
    for opset in (2, 11):
        case("default", "Split", opset, [z], 2)
        case("equal", "Split", opset, [z], 3, axis=1)
        case("attribute", "Split", opset, [z], 3, axis=1, split=[3, 1, 2])
    case("negative", "Split", 11, [z], 2, axis=-1)
    case("input", "Split", 13, [z, i64(1, 5)], 2, const=[1], axis=1)
    case("equal", "Split", 13, [z], 3, axis=1)
    case("uneven", "Split", 18, [z], 4, axis=1, num_outputs=4)
    t = f32(2, 3)
    for axis in (0, 1):
        case(f"axis{axis}", "Tile", 1, [t, np.array(2, np.float32), np.array(axis, np.float32)], const=[1, 2],
             like=lambda: [np.repeat(t[None], 2, 0).reshape(4, 3) if axis == 0 else np.concatenate([t, t], 1)])
    case("repeats", "Tile", 6, [t, i64(2, 3)], const=[1])
    case("rank", "Expand", 8, [f32(3, 1), i64(2, 1, 4)], const=[1])
    case("run_time", "Expand", 8, [f32(3, 1), i64(1, 4)])
    case("plain", "Shape", 1, [x])
    case("slice", "Shape", 15, [x], start=-2, end=3)
    case("plain", "Size", 1, [x])
    for axis in (0, 1, 2, 3):
        case(f"axis{axis}", "Flatten", 1, [x], axis=axis)
    case("default", "Flatten", 9, [x])
    case("negative", "Flatten", 11, [x], axis=-1)
    case("plain", "Transpose", 1, [x])
    case("perm", "Transpose", 1, [x], perm=[2, 0, 1])
    case("blocks", "DepthToSpace", 1, [f32(1, 8, 2, 1)], blocksize=2)
    case("crd", "DepthToSpace", 11, [f32(1, 8, 2, 1)], blocksize=2, mode="CRD")
    case("blocks", "SpaceToDepth", 1, [f32(1, 2, 2, 4)], blocksize=2)
    image = f32(1, 2, 2, 3)
    for mode in ("constant", "reflect", "edge"):
        pads = [0, 0, 1, 1, 0, 0, 0, 2]
        extra = {"value": 1.5} if mode == "constant" else {}
        case(mode, "Pad", 1, [image], paddings=pads, mode=mode, like=lambda: node("Pad", 2, [image], pads=pads, mode=mode, **extra), **extra)
        case(mode, "Pad", 2, [image], pads=pads, mode=mode, **extra)
        case(mode, "Pad", 11, [image, i64(*pads)] + ([np.array(1.5, np.float32)] if extra else []), const=[1], mode=mode)
    case("crop", "Pad", 2, [image], pads=[0, 0, 0, -1, 0, 0, 1, 0])
    case("axes", "Pad", 18, [image, i64(1, 2), None, i64(-1)], const=[1, 3])
    case("wrap", "Pad", 19, [image, i64(1, 2), None, i64(3)], const=[1, 3], mode="wrap")


def reductions():
    x = positive(2, 3, 2)
    for op in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"):
        op = f"Reduce{op}"
        case("axes", op, 1, [x], axes=[0, 2], keepdims=0)
        case("all", op, 1, [x])
        case("negative", op, 11, [x], axes=[-2])
        if op != "ReduceSum":
            case("axes", op, 13, [x], axes=[1], keepdims=0)
            case("input", op, 18, [x, i64(1)], const=[1], keepdims=0)
            case("noop", op, 18, [x], noop_with_empty_axes=1)
    case("input", "ReduceSum", 13, [x, i64(0, 2)], const=[1])
    case("run_time", "ReduceSum", 13, [x, i64(1)], keepdims=0)
    case("noop", "ReduceSum", 13, [x], noop_with_empty_axes=1)
    case("all", "ReduceSum", 13, [x], keepdims=0)
    ties = np.array([[3, 1, 3], [2, 2, 0]], np.float32)
    for op in ("ArgMax", "ArgMin"):
        case("default", op, 1, [ties])
        case("axis1", op, 1, [ties], axis=1, keepdims=0)
        case("negative", op, 11, [ties], axis=-1)
        case("last", op, 12, [ties], axis=1, select_last_index=1)
    x = f32(2, 3, 4)
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        case("default", op, 1, [x])
        case("axis0", op, 1, [x], axis=0)
        case("axis2", op, 1, [x], axis=2)
        case("default", op, 11, [x])
        case("negative", op, 11, [x], axis=-2)
        case("default", op, 13, [x])
        case("axis0", op, 13, [x], axis=0)
    case("attribute", "TopK", 1, [x], 2, k=2)
    case("axis1", "TopK", 1, [x], 2, k=3, axis=1)
    case("input", "TopK", 10, [x, i64(2)], 2, const=[1], axis=0)
    case("run_time", "TopK", 10, [x, i64(3)], 2)
    case("smallest", "TopK", 11, [x, i64(2)], 2, const=[1], largest=0, axis=-2)
    case("reverse", "CumSum", 11, [x, np.array(1, np.int32)], const=[1], reverse=1, exclusive=1)
    case("input", "OneHot", 9, [i64(0, 2, -1, 5), i64(3), np.array([-1, 4], np.float32)], const=[1, 2])
    case("axis", "OneHot", 11, [i64(0, -2), np.array(3, np.int64), np.array([0, 1], np.float32)], const=[1, 2], axis=-2)
    case("axis", "Compress", 9, [f32(3, 2), np.array([True, False, True])], axis=0)
    case("flat", "Compress", 9, [f32(3, 2), np.array([False, True, True])])


def pictures():
    x = f32(1, 2, 4, 4)
    plain = {"kernel_shape": [2, 2]}
    strided = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    for op in ("AveragePool", "MaxPool"):
        for opset in (1, 7) if op == "AveragePool" else (1, 8):
            case("plain", op, opset, [x], like=lambda: node(op, 11, [x], **plain), **plain)
            case("strided", op, opset, [x], like=lambda: node(op, 11, [x], **strided), **strided)
            upper = {"kernel_shape": [3, 2], "auto_pad": "SAME_UPPER", "strides": [2, 2]}
            case("same_upper", op, opset, [x], like=lambda: node(op, 11, [x], **upper), **upper)
        case("ceil", op, 10, [x], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    case("include", "AveragePool", 7, [x], count_include_pad=1, **strided)
    case("same_lower", "AveragePool", 11, [x], kernel_shape=[2, 2], auto_pad="SAME_LOWER")
    case("dilated", "AveragePool", 19, [x], kernel_shape=[2, 2], dilations=[2, 2])
    case("indices", "MaxPool", 8, [x], 2, **plain)
    case("columns", "MaxPool", 8, [x], 2, storage_order=1, **plain)
    case("dilated", "MaxPool", 10, [x], kernel_shape=[2, 2], dilations=[2, 2])
    case("global", "GlobalAveragePool", 1, [x])
    case("global", "GlobalMaxPool", 1, [x])
    case("default", "GlobalLpPool", 1, [x], like=lambda: node("GlobalLpPool", 2, [x], p=2))
    case("one", "GlobalLpPool", 1, [x], p=1.0, like=lambda: node("GlobalLpPool", 2, [x], p=1))
    case("three", "GlobalLpPool", 2, [x], p=3)
    case("default", "LpPool", 1, [x], like=lambda: node("LpPool", 2, [x], p=2, **strided), **strided)
    case("one", "LpPool", 1, [x], p=1.0, like=lambda: node("LpPool", 2, [x], p=1, **plain), **plain)
    case("three", "LpPool", 2, [x], p=3, **plain)
    case("default", "LpPool", 11, [x], **strided)
    case("dilated", "LpPool", 18, [x], kernel_shape=[2, 2], dilations=[2, 2])
    case("size3", "LRN", 1, [f32(1, 4, 2, 2)], size=3, alpha=0.5, beta=0.5, bias=2.0)
    case("defaults", "LRN", 1, [f32(1, 6, 2, 2)], size=5)
    scale, bias = positive(2), f32(2)
    case("consumed", "InstanceNormalization", 1, [x, scale, bias], consumed_inputs=[0, 0, 0], epsilon=0.01,
         like=lambda: node("InstanceNormalization", 6, [x, scale, bias], epsilon=0.01))
    case("default", "InstanceNormalization", 6, [x, scale, bias])
    mean, var = f32(2), positive(2)
    parts = [x, scale, bias, mean, var]
    newer = lambda: node("BatchNormalization", 9, parts, epsilon=0.01)
    case("test", "BatchNormalization", 1, parts, is_test=1, epsilon=0.01, consumed_inputs=[0, 0, 0, 1, 1], like=newer)
    case("test", "BatchNormalization", 6, parts, is_test=1, epsilon=0.01, like=newer)
    case("spatial", "BatchNormalization", 7, parts, spatial=1)
    small = f32(2, 2, 3)
    each = [positive(2, 3), f32(2, 3), f32(2, 3), positive(2, 3)]
    flat = lambda: [node("BatchNormalization", 9, [small.reshape(2, 6)] + [v.reshape(6) for v in each])[0].reshape(small.shape)]
    case("each", "BatchNormalization", 7, [small] + each, spatial=0, like=flat)
    case("each", "BatchNormalization", 6, [small] + each, spatial=0, is_test=1, like=flat)
    case("momentum", "BatchNormalization", 9, parts, momentum=0.5)
    case("training", "BatchNormalization", 14, parts, 3, training_mode=1, momentum=0.75)
    w = f32(2, 2, 3, 3)
    case("pads", "Conv", 1, [x, w, f32(2)], pads=[1, 1, 1, 1], strides=[2, 1])
    case("same_lower", "Conv", 1, [x, f32(2, 1, 2, 2)], auto_pad="SAME_LOWER", group=2)
    case("output_padding", "ConvTranspose", 1, [x, f32(2, 1, 3, 3)], strides=[2, 2], output_padding=[1, 1])
    case("output_shape", "ConvTranspose", 1, [x, f32(2, 1, 3, 3)], strides=[2, 2], output_shape=[8, 8])
    # Positive, since rounding decides what is left where positive and negative neighbours cancel out.
    x = x - x.min() + np.float32(0.125)
    case("nearest", "Upsample", 1, [x], width_scale=2.0, height_scale=3.0, like=lambda: node("Upsample", 7, [x], scales=[1.0, 1.0, 3.0, 2.0]))
    case("bilinear", "Upsample", 1, [x], width_scale=2.0, height_scale=1.5, mode="bilinear",
         like=lambda: node("Upsample", 7, [x], scales=[1.0, 1.0, 1.5, 2.0], mode="linear"))
    for mode in ("nearest", "linear"):
        for name, scales in (("two", [1.0, 1.0, 2.0, 2.0]), ("fraction", [1.0, 1.0, 1.5, 1.25])):
            case(f"{mode}_{name}", "Upsample", 7, [x], mode=mode, scales=scales)
            case(f"{mode}_{name}", "Upsample", 9, [x, np.array(scales, np.float32)], const=[1], mode=mode)
            case(f"{mode}_{name}", "Resize", 10, [x, np.array(scales, np.float32)], const=[1], mode=mode)
        case(f"{mode}_half", "Resize", 10, [x, np.array([1, 1, 0.5, 0.5], np.float32)], const=[1], mode=mode)
        case(f"{mode}_smaller", "Resize", 10, [x, np.array([1, 1, 0.75, 0.6], np.float32)], const=[1], mode=mode)
    roi, scales = np.zeros(0, np.float32), np.array([1, 1, 2, 1.5], np.float32)
    for name, attributes in (
        ("defaults", {}),
        ("aligned", {"mode": "linear", "coordinate_transformation_mode": "align_corners"}),
        ("half_pixel", {"mode": "linear"}),
        ("pytorch", {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}),
        ("cubic", {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1}),
        ("asymmetric", {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
    ):
        case(name, "Resize", 11, [x, roi, scales], const=[1, 2], **attributes)
    case("tf_half_pixel", "Resize", 11, [x, roi, scales], const=[1, 2], mode="linear",
         coordinate_transformation_mode="tf_half_pixel_for_nn")
    case("sizes", "Resize", 11, [x, roi, roi, i64(1, 2, 3, 5)], const=[1, 2, 3], mode="linear")
    case("crop", "Resize", 11, [x, np.array([0, 0, 0.25, 0, 1, 1, 0.75, 1.25], np.float32), scales], const=[1, 2], mode="linear",
         coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=2.0)
    case("sizes", "Resize", 13, [x, None, None, i64(1, 2, 3, 5)], const=[3])
    case("not_larger", "Resize", 18, [x, None, None, i64(3, 7)], const=[3], axes=[2, 3], keep_aspect_ratio_policy="not_larger")
    case("antialias", "Resize", 18, [x, None, np.array([0.5, 0.5], np.float32)], const=[2], axes=[2, 3], antialias=1, mode="linear")
    grid = (f32(1, 3, 3, 2) / 2).astype(np.float32)
    for mode in ("bilinear", "nearest", "bicubic"):
        case(mode, "GridSample", 16, [x, grid], mode=mode, align_corners=1)
    case("reflection", "GridSample", 16, [x, grid], padding_mode="reflection")
    rois, batch = np.array([[0, 0, 3, 3], [1, 0.5, 2, 3.5]], np.float32), i64(0, 0)
    sampled = {"output_height": 2, "output_width": 2, "sampling_ratio": 2}
    case("average", "RoiAlign", 10, [x, rois, batch], **sampled)
    case("max", "RoiAlign", 10, [x, rois, batch], mode="max", spatial_scale=0.5, **sampled)
    case("half_pixel", "RoiAlign", 16, [x, rois, batch], **sampled)
    case("output_half_pixel", "RoiAlign", 16, [x, rois, batch], coordinate_transformation_mode="output_half_pixel", **sampled)
    case("max", "MaxRoiPool", 1, [x, np.array([[0, 0, 0, 3, 3], [0, 1, 1, 3, 2]], np.float32)], pooled_shape=[2, 2])
    groups = f32(2, 4, 3)
    two = [positive(2), f32(2)]
    spread = [np.repeat(v, 2) for v in two]
    case("groups", "GroupNormalization", 18, [groups] + two, num_groups=2,
         like=lambda: node("GroupNormalization", 21, [groups] + spread, num_groups=2))
    case("groups", "GroupNormalization", 21, [groups, positive(4), f32(4)], num_groups=2, epsilon=0.01)
    case("axes", "MeanVarianceNormalization", 9, [x], axes=[0, 2, 3])
    case("half", "LayerNormalization", 17, [groups, positive(3), f32(3)], 3, axis=-1)
    boxes = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 2, 1, 3]]], np.float32)
    scores = np.array([[[0.9, 0.75, 0.6]]], np.float32)
    limits = [i64(2), np.array([0.5], np.float32), np.array([0.0], np.float32)]
    case("corners", "NonMaxSuppression", 10, [boxes, scores] + limits, const=[2, 3, 4])
    case("center", "NonMaxSuppression", 10, [boxes, scores] + limits, center_point_box=1)


def dropouts():
    x = f32(2, 3)
    case("test", "Dropout", 1, [x], is_test=1, ratio=0.25, consumed_inputs=[0], like=lambda: [x])
    case("test", "Dropout", 6, [x], is_test=1, like=lambda: [x])
    for opset in (7, 10):
        case("attribute", "Dropout", opset, [x], ratio=0.75)
    case("input", "Dropout", 12, [x, np.array(0.25, np.float32)], 2, const=[1])
    case("inference", "Dropout", 12, [x, np.array(0.25, np.float32), np.array(False)], const=[1, 2])


def quantised():
    x = f32(2, 3)
    scale, zero = np.array(0.25, np.float32), np.array(3, np.uint8)
    case("uint8", "QuantizeLinear", 10, [x, scale, zero])
    case("no_zero", "QuantizeLinear", 10, [x, scale])
    case("axis", "QuantizeLinear", 13, [x, positive(3), np.array([0, -1, 2], np.int8)], const=[1, 2])
    case("axis0", "QuantizeLinear", 13, [x, positive(2), np.array([1, 0], np.uint8)], const=[1, 2], axis=0)
    case("saturate", "QuantizeLinear", 19, [x * 16, scale, np.array(0, np.int8)])
    q = np.array([[0, 3, 255], [7, 128, 2]], np.uint8)
    case("uint8", "DequantizeLinear", 10, [q, scale, zero])
    case("int32", "DequantizeLinear", 10, [q.astype(np.int32), scale])
    case("axis0", "DequantizeLinear", 13, [q, positive(2), np.array([1, 2], np.uint8)], const=[1, 2], axis=0)
    case("axis", "DequantizeLinear", 19, [q, positive(3)], const=[1])
    case("blocks", "DequantizeLinear", 21, [q[:, :2].copy(), positive(1, 2)], const=[1], axis=0, block_size=2)
    case("dynamic", "DynamicQuantizeLinear", 11, [x], 3)
    case("product", "QLinearMatMul", 10, [q, scale, zero, q.T.copy(), scale, zero, np.array(4, np.float32), zero])


def scatters():
    x = f32(3, 3)
    index = np.array([[1, 0, 2], [0, 2, 1]], np.int64)
    case("default", "Scatter", 9, [x, index, f32(2, 3)])
    case("axis1", "Scatter", 9, [x, index[:, :2].copy(), f32(2, 2)], axis=1)
    case("negative", "ScatterElements", 11, [x, -1 - index, f32(2, 3)], axis=-1)
    case("add", "ScatterElements", 16, [x, index * 0, f32(2, 3)], reduction="add")
    case("max", "ScatterElements", 18, [x, index * 0, f32(2, 3)], reduction="max")
    case("rows", "ScatterND", 11, [x, i64([2], [0]), f32(2, 3)])
    case("mul", "ScatterND", 16, [x, i64([2], [2]), f32(2, 3)], reduction="mul")
    case("axis1", "Gather", 1, [x, i64([0, 2])], axis=1)
    case("negative", "Gather", 11, [x, i64(-1, 0)])
    case("points", "GatherND", 11, [x, i64([0, 1], [2, -1])])
    case("batch", "GatherND", 12, [x, i64([1], [0], [2])], batch_dims=1)


def signals():
    x = f32(1, 4, 1)
    case("default", "DFT", 17, [x])
    case("axis2", "DFT", 17, [f32(1, 2, 4, 1)], axis=2)
    case("length", "DFT", 17, [x, np.array(3, np.int64)], const=[1], axis=1)
    case("onesided", "DFT", 17, [x], onesided=1)
    case("inverse", "DFT", 17, [f32(1, 3, 2)], inverse=1, axis=1)
    case("input", "DFT", 20, [f32(1, 2, 4, 1), None, np.array(1, np.int64)], const=[2])
    case("default", "DFT", 20, [x])


def recurrent():
    hidden, size, steps, batch = 2, 3, 3, 2
    x, lens = f32(steps, batch, size), np.array([3, 2], np.int32)
    for op, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
        w, r, b = f32(1, gates * hidden, size) / 2, f32(1, gates * hidden, hidden) / 2, f32(1, 2 * gates * hidden) / 2
        outs = 3 if op == "LSTM" else 2
        sized = {"hidden_size": hidden}
        case("sequence", op, 1, [x, w, r, b], outs, const=[1, 2, 3], output_sequence=1,
             like=lambda: node(op, 7, [x, w, r, b], outs, **sized), **sized)
        case("last", op, 1, [x, w, r, b], ["", "o1"], const=[1, 2, 3], output_sequence=0,
             like=lambda: node(op, 7, [x, w, r, b], outs, **sized)[1:2], **sized)
        case("lengths", op, 7, [x, w, r, b, lens], outs, const=[1, 2, 3], **sized)
        both = [np.concatenate([v, v[:, ::-1]]) for v in (w, r, b)]
        case("both", op, 7, [x] + both, outs, const=[1, 2, 3], direction="bidirectional", **sized)
        case("initial", op, 14, [x, w, r, b, None, f32(1, batch, hidden)], outs, const=[1, 2, 3], clip=0.75, **sized)
        if op == "GRU":
            case("linear", op, 3, [x, w, r, b], outs, const=[1, 2, 3], output_sequence=1, linear_before_reset=1,
                 like=lambda: node(op, 7, [x, w, r, b], outs, linear_before_reset=1, **sized), **sized)
            case("linear", op, 7, [x, w, r, b], outs, const=[1, 2, 3], linear_before_reset=1, **sized)
        if op == "LSTM":
            case("peepholes", op, 7, [x, w, r, b, None, None, None, f32(1, 3 * hidden)], outs, const=[1, 2, 3, 7], **sized)
            case("forget", op, 7, [x, w, r, b], outs, const=[1, 2, 3], activations=["HardSigmoid", "Tanh", "Affine"],
                 activation_alpha=[0.25, 0.5], activation_beta=[0.5, 0.125], **sized)
        if op == "RNN":
            case("relu", op, 7, [x, w, r], outs, const=[1, 2], activations=["LeakyRelu"], activation_alpha=[0.25], **sized)


def constants():
    value = numpy_helper.from_array(f32(2, 2), "value")
    for opset in (1, 9, 11):
        nodes = [make_node("Constant", [], ["c"], value=value), make_node("Identity", ["c"], ["o0"])]
        model_case(f"constant_{opset}_tensor", opset, nodes, {})
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("v", TensorProto.FLOAT, [2], [1.5, 2.5]), helper.make_tensor("i", TensorProto.INT64, [2, 2], [0, 1, 2, 0]), [3, 2])
    nodes = [make_node("Constant", [], ["c"], sparse_value=sparse), make_node("Neg", ["c"], ["o0"])]
    model_case("constant_11_sparse", 11, nodes, {}, like=lambda: [-np.array([[0, 1.5], [0, 0], [2.5, 0]], np.float32)])
    for name, attributes in (("floats", {"value_floats": [0.5, -1.5]}), ("int", {"value_int": 7}), ("strings", {"value_strings": [b"a", b"bc"]})):
        model_case(f"constant_12_{name}", 12, [make_node("Constant", [], ["o0"], **attributes)], {})
    case("default", "ConstantOfShape", 9, [i64(2, 3)])
    case("value", "ConstantOfShape", 9, [i64(2)], const=[0], value=helper.make_tensor("v", TensorProto.INT32, [1], [5]))
    case("shape", "EyeLike", 9, [f32(2, 3)], k=1, dtype=TensorProto.DOUBLE)
    case("int", "Range", 11, [*i64(1, 8, 3)])


def scalar_info(name, kind):
    return make_tensor_value_info(name, kind, [])


def control():
    x = f32(2)
    branches = [
        make_graph([make_node(op, ["x", "x"], ["y"], **extra)], op, [], [make_tensor_value_info("y", TensorProto.FLOAT, [2])])
        for op, extra in (("Add", {}), ("Mul", {}))
    ]
    for opset in (7, 11):
        for flag in (True, False):
            made = make_node("If", ["c"], ["o0"], then_branch=branches[0], else_branch=branches[1])
            model_case(f"if_{opset}_{str(flag).lower()}", opset, [made], {"c": np.array(flag), "x": x})
    old = [
        make_graph([make_node(op, ["x", "x"], ["y"])], op, [], [make_tensor_value_info("y", TensorProto.FLOAT, [2])])
        for op in ("Add", "Mul")
    ]
    made = make_node("If", ["c"], ["o0"], then_branch=old[0], else_branch=old[1])
    model_case("if_1_plain", 1, [made], {"c": np.array(True), "x": x}, like=lambda: [x + x])

    def body(op, opset):
        extra = {"broadcast": 1} if opset < 7 else {}
        nodes = [
            make_node("Add", ["s", "k"], ["s2"], **extra),
            make_node("Less", ["s2", "limit"], ["again"], **extra),
            make_node("Identity", ["s2"], ["scan"]),
        ]
        return make_graph(
            nodes,
            "body",
            [scalar_info("i", TensorProto.INT64), scalar_info("c", TensorProto.BOOL), make_tensor_value_info("s", TensorProto.FLOAT, [1])],
            [scalar_info("again", TensorProto.BOOL), make_tensor_value_info("s2", TensorProto.FLOAT, [1]), make_tensor_value_info("scan", TensorProto.FLOAT, [1])],
        )

    def loop(name, opset, trips, limit, like=None, trip=True, cond=True):
        made = make_node("Loop", ["n" if trip else "", "t" if cond else "", "s0"], ["o0", "o1"], body=body("Loop", opset))
        feeds = {"k": np.array([1.5], np.float32), "limit": np.array([limit], np.float32), "s0": np.array([0.25], np.float32)}
        if trip:
            feeds["n"] = np.array(trips, np.int64)
        if cond:
            feeds["t"] = np.array(True)
        # The condition is a scalar: the comparison is of one element, reshaped.
        made.attribute[0].g.node[1].output[0] = "again1"
        if opset < 5:
            reshaped = make_node("Squeeze", ["again1"], ["again"], axes=[0])
        elif opset < 13:
            reshaped = make_node("Squeeze", ["again1"], ["again"], axes=[0])
        else:
            reshaped = make_node("Squeeze", ["again1"], ["again"])
        made.attribute[0].g.node.append(reshaped)
        model_case(name, opset, [made], feeds, ("o0", "o1"), like=like)

    steps = lambda count: [np.array([0.25 + 1.5 * count], np.float32), np.array([[0.25 + 1.5 * (k + 1)] for k in range(count)], np.float32)]
    loop("loop_1_trips", 1, 3, 100, like=lambda: steps(3), cond=False)
    loop("loop_7_condition", 7, 10, 4)
    loop("loop_11_trips", 11, 3, 100)
    loop("loop_13_while", 13, 0, 4, trip=False)

    def scan_body(opset):
        return make_graph(
            [make_node("Add", ["s", "x"], ["s2"]), make_node("Mul", ["s2", "s2"], ["y"])],
            "body",
            [make_tensor_value_info("s", TensorProto.FLOAT, [2]), make_tensor_value_info("x", TensorProto.FLOAT, [2])],
            [make_tensor_value_info("s2", TensorProto.FLOAT, [2]), make_tensor_value_info("y", TensorProto.FLOAT, [2])],
        )

    s8, x8 = f32(2, 2), f32(2, 3, 2)
    for name, lens, extra in (("batch", False, {}), ("reverse", False, {"directions": [1]}), ("lengths", True, {})):
        made = make_node("Scan", ["n" if lens else "", "s0", "x0"], ["o0", "o1"], body=scan_body(8), num_scan_inputs=1, **extra)
        model_case(f"scan_8_{name}", 8, [made], ({"n": i64(3, 2)} if lens else {}) | {"s0": s8, "x0": x8}, ("o0", "o1"))
    for name, extra in (
        ("plain", {}),
        ("axes", {"scan_input_axes": [1], "scan_output_axes": [1]}),
        ("reverse", {"scan_input_directions": [1], "scan_output_directions": [1]}),
    ):
        made = make_node("Scan", ["s0", "x0"], ["o0", "o1"], body=scan_body(9), num_scan_inputs=1, **extra)
        feeds = {"s0": f32(2), "x0": f32(2, 3) if name == "axes" else f32(3, 2)}
        model_case(f"scan_9_{name}", 9, [made], feeds, ("o0", "o1"))


def add(archive, path, content, method):
    """Same bytes for same content: the time is fixed."""
    entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = method
    archive.writestr(entry, content)


def pack(target):
    """The files lie uncompressed in an archive inside the archive: thousands of tiny files shrink only together."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for name, (model, feeds, expected, _) in sorted(CASES.items()):
            add(archive, f"{name}/model.onnx", model.SerializeToString(deterministic=True), zipfile.ZIP_STORED)
            for side, values in (("input", feeds), ("output", expected)):
                for index, (port, value) in enumerate(values.items()):
                    tensor = numpy_helper.from_array(value, port).SerializeToString(deterministic=True)
                    add(archive, f"{name}/test_data_set_0/{side}_{index}.pb", tensor, zipfile.ZIP_STORED)
    with zipfile.ZipFile(target, "w", compresslevel=9) as archive:
        add(archive, "cases.zip", inner.getvalue(), zipfile.ZIP_DEFLATED)


def main():
    for family in (elementwise, broadcast, casts, shapes, reductions, pictures, dropouts, quantised, scatters, signals, recurrent, constants, control):
        family()
    if "-v" in sys.argv:
        for name, (*_, source) in sorted(CASES.items()):
            print(name, source)
    if PROBLEMS:
        sys.exit("\n".join(PROBLEMS))
    counts = collections.Counter(source for *_, source in CASES.values())
    pack(sys.argv[1])
    print(f"{len(CASES)} cases; answered by {dict(counts)}")


if __name__ == "__main__":
    main()
