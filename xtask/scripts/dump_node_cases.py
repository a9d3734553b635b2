"""Writes the node test cases of the pip package onnx 1.23.2, which keeps them in memory, as case folders.

usage: python dump_node_cases.py OUTPUT              every case into the folder OUTPUT
       python dump_node_cases.py OUTPUT.zip KNOWN    packed (the same bytes every time): the cases of the newest
                                                     opset, and those which the folder KNOWN of an older suite lacks

Run it from a folder without a subfolder called onnx. A case folder holds model.onnx and
test_data_set_N/{input,output}_K.pb; cases with tolerances of their own also data.json {"rtol": …, "atol": …}.
"""

import json
import pathlib
import sys
import zipfile

import onnx
import onnx.defs
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

PINNED = "1.23.2"
DEFAULT_TOLERANCES = (1e-3, 1e-7)
EPOCH = (1980, 1, 1, 0, 0, 0)


def message(value, info):
    """The protobuf bytes of one input or output."""
    if isinstance(value, onnx.TensorProto):
        return value.SerializeToString(deterministic=True)
    kind = info.type.WhichOneof("value")
    if kind == "map_type":
        proto = numpy_helper.from_dict(value, info.name)
    elif kind == "sequence_type":
        proto = numpy_helper.from_list(value, info.name)
    elif kind == "optional_type":
        proto = numpy_helper.from_optional(value, info.name)
    else:
        proto = numpy_helper.from_array(value, info.name)
    return proto.SerializeToString(deterministic=True)


def files(case):
    """Every file of a case folder: path and bytes."""
    yield "model.onnx", case.model.SerializeToString(deterministic=True)
    if (case.rtol, case.atol) != DEFAULT_TOLERANCES:
        yield "data.json", json.dumps({"rtol": case.rtol, "atol": case.atol}).encode()
    graph = case.model.graph
    for number, (inputs, outputs) in enumerate(case.data_sets):
        for kind, values, infos in (("input", inputs, graph.input), ("output", outputs, graph.output)):
            for index, value in enumerate(values):
                yield f"test_data_set_{number}/{kind}_{index}.pb", message(value, infos[index])


def opset(case):
    imports = case.model.opset_import
    return next((entry.version for entry in imports if entry.domain in ("", "ai.onnx")), 0)


def write_folders(cases, output):
    for case in cases:
        for name, data in files(case):
            path = output / case.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def write_archive(cases, output):
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for case in cases:
            for name, data in files(case):
                info = zipfile.ZipInfo(f"{case.name}/{name}", EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, data)


def main(target, known=None):
    if onnx.__version__ != PINNED:
        sys.exit(f"onnx {onnx.__version__} found, {PINNED} expected")
    output = pathlib.Path(target)
    cases = sorted(collect_testcases(None), key=lambda case: case.name)
    if output.suffix != ".zip":
        write_folders(cases, output)
        print(f"{len(cases)} cases")
        return
    newest = onnx.defs.onnx_opset_version()
    chosen = [case for case in cases if opset(case) == newest or not (pathlib.Path(known) / case.name).is_dir()]
    write_archive(chosen, output)
    print(f"{len(chosen)} of {len(cases)} cases, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
