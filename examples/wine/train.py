"""Makes the files of this example.

usage: python train.py WINE.csv      (needs scikit-learn 1.9, skl2onnx 1.20, onnx, numpy)

WINE.csv is mlxtend/data/data/wine.csv.gz of the pip package mlxtend 0.25.0, unpacked: 13 numbers and the class in each line.
"""

import csv
import pathlib
import sys

import numpy as np
import onnx
from skl2onnx import to_onnx
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

COLUMNS = [
    "alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "phenols", "flavanoids", "nonflavanoid_phenols",
    "proanthocyanins", "color_intensity", "hue", "od280_od315", "proline",
]
HERE = pathlib.Path(__file__).parent


def write(path, numbers, classes):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, "cultivar"])
        for row, label in zip(numbers, classes):
            writer.writerow(["?" if np.isnan(number) else f"{number:g}" for number in row] + [f"cultivar {label + 1}"])


def prepare(numbers, scaler=None, imputer=None, bounds=None):
    """What the steps of the pipeline do."""
    imputer = imputer or SimpleImputer(strategy="median").fit(numbers)
    numbers = imputer.transform(numbers)
    if bounds is None:
        quarter, three = np.quantile(numbers, [0.25, 0.75], axis=0)
        bounds = quarter - 1.5 * (three - quarter), three + 1.5 * (three - quarter)
    numbers = np.clip(numbers, *bounds)
    scaler = scaler or StandardScaler().fit(numbers)
    return scaler.transform(numbers).astype(np.float32), scaler, imputer, bounds


def main():
    data = np.loadtxt(sys.argv[1], delimiter=",")
    generator = np.random.default_rng(7)
    data = data[generator.permutation(len(data))]
    numbers, classes = data[:, :-1], data[:, -1].astype(int)
    numbers[generator.random(numbers.shape) < 0.03] = np.nan
    train, sample = slice(0, 118), slice(118, None)
    write(HERE / "wine-train.csv", numbers[train], classes[train])
    write(HERE / "wine-sample.csv", numbers[sample], classes[sample])

    ready, *fitted = prepare(numbers[train])
    model = MLPClassifier((16,), random_state=3, max_iter=2000, alpha=0.01).fit(ready, classes[train])
    held_out, *_ = prepare(numbers[sample], *fitted)
    print("right:", (model.predict(held_out) == classes[sample]).sum(), "of", len(held_out))
    onnx_model = to_onnx(model, ready[:1], options={"zipmap": False}, target_opset=18)
    whole = HERE / "whole.onnx"
    onnx.save(onnx_model, whole)
    onnx.utils.extract_model(str(whole), str(HERE / "model.onnx"), ["X"], ["probabilities"])
    whole.unlink()


main()
