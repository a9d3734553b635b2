#!/usr/bin/env python3
"""Record which of overlapping boxes others keep, for `nms.rs`.

usage: record_nms.py OUT.npz          (needs: onnx, onnxruntime, opencv-python-headless)

OUT holds `boxes` f32 [n, 4] (left, upper, right, lower edge, whole numbers), `classes` i32 [n], `scores` f32 [n];
`kept` i32 [k, 2], class and box as ONNX Runtime's NonMaxSuppression keeps them (iou 0.4, score 0.2); and for the boxes
without their classes `linear` and `gaussian` i32 with `linear_scores` and `gaussian_scores` f32, as OpenCV's
softNMSBoxes keeps them (iou 0.3, score 0.2, sigma 0.5).
"""
import sys

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper


def hard(boxes, classes, scores):
    inputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, None, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, None, None]),
        helper.make_tensor_value_info("most", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("iou", TensorProto.FLOAT, [1]),
        helper.make_tensor_value_info("score", TensorProto.FLOAT, [1]),
    ]
    node = helper.make_node("NonMaxSuppression", [i.name for i in inputs], ["kept"])
    output = helper.make_tensor_value_info("kept", TensorProto.INT64, [None, 3])
    graph = helper.make_graph([node], "nms", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    spread = np.where(np.arange(classes.max() + 1)[:, None] == classes[None], scores[None], 0)
    feeds = {
        "boxes": boxes[None],
        "scores": spread[None].astype(np.float32),
        "most": np.array([1000], np.int64),
        "iou": np.array([0.4], np.float32),
        "score": np.array([0.2], np.float32),
    }
    return session.run(None, feeds)[0][:, 1:].astype(np.int32)


def main(out):
    rng = np.random.default_rng(5)
    count = 160
    corner = rng.integers(0, 120, (count, 2))
    size = rng.integers(10, 60, (count, 2))
    boxes = np.concatenate([corner, corner + size], 1).astype(np.float32)
    classes = rng.integers(0, 3, count).astype(np.int32)
    scores = rng.random(count).astype(np.float32)
    arrays = {"boxes": boxes, "classes": classes, "scores": scores, "kept": hard(boxes, classes, scores)}
    rectangles = np.concatenate([corner, size], 1).tolist()
    methods = {
        "linear": cv2.dnn.SOFT_NMSMETHOD_SOFTNMS_LINEAR,
        "gaussian": cv2.dnn.SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN,
    }
    for name, method in methods.items():
        new, kept = cv2.dnn.softNMSBoxes(rectangles, scores.tolist(), 0.2, 0.3, sigma=0.5, method=method)
        arrays[name] = np.array(kept, np.int32).ravel()
        arrays[name + "_scores"] = np.array(new, np.float32).ravel()
        print(name, len(arrays[name]), len(new))
    print("hard", len(arrays["kept"]))
    np.savez_compressed(out, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
