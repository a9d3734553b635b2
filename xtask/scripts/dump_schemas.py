"""Writes crates/ops/src/schema/onnx_schemas.txt from the operator schemas of the pip package onnx 1.23.2.

usage: python dump_schemas.py OUTPUT   (run it from a folder without a subfolder called onnx)
"""

import json
import struct
import sys

import onnx
import onnx.defs

PINNED = "1.23.2"
UNBOUNDED = 2**31 - 1
F32_MAX = (2 - 2**-23) * 2.0**127

HEADER = """\
# Operator schemas of ONNX {version} (opset {opset}), every version of every operator.
# SPDX-License-Identifier: Apache-2.0 (derived from the definitions, copyright ONNX Project Contributors).
# Written by xtask/scripts/dump_schemas.py; do not edit.
#
# types N TYPE...                         a set of types, named by its number
# op DOMAIN NAME SINCE IN OUT [deprecated]
#                                         DOMAIN is - for the default one; IN and OUT are MIN..MAX counts, * is no limit
#   < NAME[?|*|**] TYPE                   input: optional ?, variadic of one type *, variadic of any types **
#   > NAME[?|*|**] TYPE                   output
#   : PARAM N                             type parameter and its set
#   @ NAME KIND[!] [= JSON]               attribute: required !, else its default if there is one
"""


def type_name(text):
    return text.replace(" ", "")


def bounds(low, high):
    return f"{low}..{'*' if high >= UNBOUNDED else high}"


def formal(parameter):
    option = onnx.defs.OpSchema.FormalParameterOption
    if parameter.option == option.Optional:
        suffix = "?"
    elif parameter.option == option.Variadic:
        suffix = "*" if parameter.is_homogeneous else "**"
    else:
        suffix = ""
    return f"{parameter.name}{suffix} {type_name(parameter.type_str)}"


def shortest(value):
    """The shortest decimal which reads back as the same f32."""
    bits = struct.pack("<f", value)
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if abs(float(text)) <= F32_MAX and struct.pack("<f", float(text)) == bits:
            return float(text)
    return value


def default(attribute):
    value = attribute.default_value
    if value.type == onnx.AttributeProto.UNDEFINED:
        return ""
    value = onnx.helper.get_attribute_value(value)
    if isinstance(value, bytes):
        value = value.decode()
    elif isinstance(value, float):
        value = shortest(value)
    elif not isinstance(value, int):
        value = [item.decode() if isinstance(item, bytes) else item for item in value]
    return " = " + json.dumps(value)


def main(path):
    if onnx.__version__ != PINNED:
        sys.exit(f"onnx {onnx.__version__} found, {PINNED} expected")
    schemas = sorted(
        onnx.defs.get_all_schemas_with_history(), key=lambda s: (s.domain, s.name, s.since_version)
    )
    sets = {}
    lines = []
    for schema in schemas:
        head = f"op {schema.domain or '-'} {schema.name} {schema.since_version}"
        head += f" {bounds(schema.min_input, schema.max_input)} {bounds(schema.min_output, schema.max_output)}"
        lines.append(head + (" deprecated" if schema.deprecated else ""))
        lines += [f"  < {formal(parameter)}" for parameter in schema.inputs]
        lines += [f"  > {formal(parameter)}" for parameter in schema.outputs]
        for constraint in schema.type_constraints:
            allowed = tuple(sorted(type_name(text) for text in constraint.allowed_type_strs))
            number = sets.setdefault(allowed, len(sets))
            lines.append(f"  : {constraint.type_param_str} {number}")
        for name, attribute in sorted(schema.attributes.items()):
            required = "!" if attribute.required else ""
            lines.append(f"  @ {name} {attribute.type.name}{required}{default(attribute)}")
    with open(path, "w", encoding="utf-8") as out:
        out.write(HEADER.format(version=PINNED, opset=onnx.defs.onnx_opset_version()))
        for allowed, number in sets.items():
            out.write(f"types {number} {' '.join(allowed)}\n")
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
