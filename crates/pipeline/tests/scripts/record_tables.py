"""Records what scikit-learn fits to tables, and what it makes of them.

usage: python record_tables.py FOLDER IRIS.csv.gz WINE.csv ROWS      (needs scikit-learn 1.9, numpy)

The tables are those of mlxtend 0.25 (iris; wine from the UCI repository, CC BY 4.0). ROWS rows of each are taken at
random; a column of categories, one whose numbers are all the same and missing values are added by a seed. Written are
iris.csv, wine.csv and cases.json. tests/golden/table was made with ROWS = 30. Whole tables
(ROWS = 0) are held against the steps with
`LEHR_TABLE_CASES=FOLDER cargo test -p lehr-pipeline --test tables -- --nocapture`.
"""

import csv
import json
import math
import pathlib
import sys

import numpy as np
from sklearn.feature_extraction import FeatureHasher
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    KBinsDiscretizer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler)

IRIS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
WINE = [
    "alcohol", "malic_acid", "ash", "alcalinity", "magnesium", "phenols", "flavanoids", "nonflavanoids",
    "proanthocyanins", "intensity", "hue", "od280", "proline",
]
SITES = ["Åland", "north", "south, east", 'the "west"', "Zürich"]
COLORS = ["red", "white", "rosé"]


def table(source, names, path, rows, seed):
    """Numbers and texts by column, missing ones as NaN and None; the table is written to `path`."""
    generator = np.random.default_rng(seed)
    data = np.loadtxt(source, delimiter=",")
    data = data[generator.permutation(len(data))[: rows or len(data)]]
    numbers = {name: data[:, index].copy() for index, name in enumerate(names)}
    numbers["same"] = np.full(len(data), 3.3)
    for name in names:
        numbers[name][generator.random(len(data)) < 0.1] = np.nan
    texts = {
        "site": generator.choice(SITES, len(data)).astype(object),
        "color": generator.choice(COLORS, len(data), p=[0.5, 0.3, 0.2]).astype(object),
    }
    for column in texts.values():
        column[generator.random(len(data)) < 0.1] = None
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*numbers, *texts])
        for row in range(len(data)):
            cells = ["?" if math.isnan(column[row]) else repr(float(column[row])) for column in numbers.values()]
            writer.writerow(cells + ["NA" if column[row] is None else column[row] for column in texts.values()])
    return numbers, texts


def number(value):
    return None if isinstance(value, float) and math.isnan(value) else value


def case(file, steps, names, values, fitted=None):
    values = np.asarray(values, dtype=float)
    return {
        "file": file, "steps": steps, "columns": names, "fitted": fitted or {},
        # Nine digits are enough for a comparison to 1e-6.
        "rows": [[number(float(f"{value:.9g}")) for value in row] for row in values],
    }


def listed(values):
    return [float(value) for value in values]


def cases(file, numbers, texts):
    names = list(numbers)
    data = np.stack([numbers[name] for name in names], axis=1)
    words = np.stack(list(texts.values()), axis=1)
    dense = SimpleImputer(strategy="median").fit_transform(data)
    filled = SimpleImputer(strategy="most_frequent", missing_values=None).fit_transform(words)
    only_numbers = {"op": "select", "columns": names}
    only_texts = {"op": "select", "columns": list(texts)}
    fill_texts = {"op": "impute", "method": "most_frequent", "columns": list(texts)}

    for method in ("mean", "median", "most_frequent"):
        imputer = SimpleImputer(strategy=method).fit(data)
        yield case(file, [only_numbers, {"op": "impute", "method": method}], names, imputer.transform(data),
                   {"fill": listed(imputer.statistics_)})
    yield case(file, [only_numbers, {"op": "impute", "method": "constant", "value": -1.5}], names,
               np.where(np.isnan(data), -1.5, data))

    for low, high in ((0.0, 1.0), (-2.0, 5.0)):
        scaler = MinMaxScaler((low, high)).fit(data)
        yield case(file, [only_numbers, {"op": "min_max", "range": [low, high]}], names, scaler.transform(data),
                   {"min": listed(scaler.data_min_), "max": listed(scaler.data_max_)})
    scaler = StandardScaler().fit(data)
    yield case(file, [only_numbers, {"op": "z_score"}], names, scaler.transform(data),
               {"mean": listed(scaler.mean_), "std": listed(scaler.scale_)})
    scaler = RobustScaler().fit(data)
    yield case(file, [only_numbers, {"op": "robust"}], names, scaler.transform(data),
               {"center": listed(scaler.center_), "width": listed(scaler.scale_)})
    yield case(file, [only_numbers, {"op": "log1p"}], names, np.log1p(data))

    quarter, three = np.nanquantile(data, [0.25, 0.75], axis=0)
    bounds = {
        "clip_iqr": (quarter - 1.5 * (three - quarter), three + 1.5 * (three - quarter)),
        "clip_z": (np.nanmean(data, axis=0) - 1.2 * np.nanstd(data, axis=0),
                   np.nanmean(data, axis=0) + 1.2 * np.nanstd(data, axis=0)),
        "winsor": tuple(np.nanquantile(data, [0.1, 0.9], axis=0)),
    }
    parameters = {"clip_iqr": {}, "clip_z": {"k": 1.2}, "winsor": {"p": 0.1}}
    for method, (lower, upper) in bounds.items():
        yield case(file, [only_numbers, {"op": "outlier", "method": method, **parameters[method]}], names,
                   np.clip(data, lower, upper), {"lower": listed(lower), "upper": listed(upper)})
    lower, upper = quarter - 0.3 * (three - quarter), three + 0.3 * (three - quarter)
    marks = ((data < lower) | (data > upper)).any(axis=1)
    yield case(file, [only_numbers, {"op": "outlier", "method": "mark", "k": 0.3}], [*names, "outlier"],
               np.column_stack([data, marks]))

    encoder = OneHotEncoder(sparse_output=False).fit(filled)
    yield case(file, [only_texts, fill_texts, {"op": "one_hot"}], list(encoder.get_feature_names_out(list(texts))),
               encoder.transform(filled), {"categories": [list(categories) for categories in encoder.categories_]})
    encoder = OrdinalEncoder().fit(filled)
    ordinals = encoder.transform(filled)
    yield case(file, [only_texts, fill_texts, {"op": "ordinal"}], list(texts), ordinals,
               {"categories": [list(categories) for categories in encoder.categories_]})
    digits, digit_names = [], []
    for index, name in enumerate(texts):
        width = int(len(encoder.categories_[index])).bit_length()
        for digit in range(width):
            digits.append(ordinals[:, index].astype(int) + 1 >> width - 1 - digit & 1)
            digit_names.append(f"{name}_{digit}")
    yield case(file, [only_texts, fill_texts, {"op": "binary"}], digit_names, np.stack(digits, axis=1))
    pairs = [[f"{name}={value}" for name, value in zip(texts, row) if value is not None] for row in words]
    for signs in (True, False):
        hasher = FeatureHasher(n_features=7, input_type="string", alternate_sign=signs)
        yield case(file, [only_texts, {"op": "hash", "n": 7, "alternate_sign": signs}], [f"hash_{i}" for i in range(7)],
                   hasher.transform(pairs).toarray())

    yield case(file, [only_numbers, {"op": "bucketize", "edges": [1.0, 2.5, 5.1, 100.0]}], names,
               np.where(np.isnan(data), np.nan, np.digitize(data, [1.0, 2.5, 5.1, 100.0])))
    for bins in (3, 7):
        discretizer = KBinsDiscretizer(bins, encode="ordinal", strategy="quantile", quantile_method="linear")
        discretizer.fit(dense)
        yield case(file, [only_numbers, {"op": "impute", "method": "median"}, {"op": "quantile", "bins": bins}], names,
                   discretizer.transform(dense), {"edges": [listed(edges[1:-1]) for edges in discretizer.bin_edges_]})

    quarter, three = np.quantile(dense, [0.25, 0.75], axis=0)
    clipped = np.clip(dense, quarter - 1.5 * (three - quarter), three + 1.5 * (three - quarter))
    encoder = OneHotEncoder(sparse_output=False).fit(filled)
    steps = [
        {"op": "impute", "method": "median"}, {"op": "outlier", "method": "clip_iqr"}, {"op": "z_score"}, fill_texts,
        {"op": "one_hot"},
    ]
    yield case(file, steps, names + list(encoder.get_feature_names_out(list(texts))),
               np.column_stack([StandardScaler().fit_transform(clipped), encoder.transform(filled)]))


def main():
    folder, rows = pathlib.Path(sys.argv[1]), int(sys.argv[4])
    recorded = []
    for name, source, columns, seed in (("iris.csv", sys.argv[2], IRIS, 1), ("wine.csv", sys.argv[3], WINE, 2)):
        recorded += cases(name, *table(source, columns, folder / name, rows, seed))
    lines = ",\n".join(json.dumps(case, separators=(",", ":"), ensure_ascii=False) for case in recorded)
    (folder / "cases.json").write_text(f"[\n{lines}\n]\n")
    print(f"{len(recorded)} cases")


main()
