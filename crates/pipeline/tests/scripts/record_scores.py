"""Records what scikit-learn makes of scores and scaled numbers: tests/golden/scores.json.

usage: python record_scores.py SCORES.json      (needs scikit-learn 1.9, numpy)
"""

import json
import pathlib
import sys

import numpy as np
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression
from sklearn.preprocessing import MinMaxScaler, StandardScaler

generator = np.random.default_rng(3)
scores = generator.normal(size=80)
happened = (scores + generator.normal(size=80) > 0).astype(int)
asked = np.linspace(-4, 4, 15)
features = generator.normal(5, 3, (40, 2))
scaled = generator.normal(size=(6, 2))
listed = lambda values: [float(value) for value in values]
cases = []


def case(step, given, expected):
    given, expected = np.asarray(given, dtype=float), np.asarray(expected, dtype=float)
    shape = list(given.shape) if given.ndim == 2 else [len(given), 1]
    cases.append({"step": step, "shape": shape, "given": listed(given.ravel()), "expected": listed(expected.ravel())})


platt = _SigmoidCalibration().fit(scores, happened)
case({"op": "calibrate", "method": "platt", "a": [float(platt.a_)], "b": [float(platt.b_)]}, asked, platt.predict(asked))
isotonic = IsotonicRegression(out_of_bounds="clip").fit(scores, happened)
x, y = isotonic.X_thresholds_, isotonic.y_thresholds_
case({"op": "calibrate", "method": "isotonic", "x": listed(x), "y": listed(y)}, asked, isotonic.predict(asked))
standard = StandardScaler().fit(features)
case({"op": "inverse_scale", "mean": listed(standard.mean_), "std": listed(standard.scale_)}, scaled,
     standard.inverse_transform(scaled))
for low, high in ((0.0, 1.0), (-1.0, 3.0)):
    scaler = MinMaxScaler((low, high)).fit(features)
    step = {"op": "inverse_scale", "min": listed(scaler.data_min_), "max": listed(scaler.data_max_), "range": [low, high]}
    case(step, scaled, scaler.inverse_transform(scaled))
for clip in (False, True):
    expected = np.interp(asked, [-1, 2], [10, -20]) if clip else 10 - 10 * (asked + 1)
    case({"op": "stretch", "from": [-1.0, 2.0], "to": [10.0, -20.0], "clip": clip}, asked, expected)
pathlib.Path(sys.argv[1]).write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")
print(f"{len(cases)} cases")
