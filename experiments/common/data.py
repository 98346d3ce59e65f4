"""Real data sets that come with scikit-learn, and how a replicate draws its rows from them.

| name | rows x columns | what is predicted | licence |
|---|---|---|---|
| breast_cancer | 569 x 30 | malignant or benign, 37 % malignant | BSD-3 package, UCI (Wolberg, Street & Mangasarian) |
| diabetes | 442 x 10 | disease progression after a year | BSD-3 package (Efron, Hastie, Johnstone & Tibshirani 2004) |
| digits | 1797 x 64 | handwritten digit, ten classes of 174 to 183 rows | BSD-3 package, UCI (Alpaydin & Kaynak) |
| iris | 150 x 4 | species, three classes of 50 rows | BSD-3 package, UCI (Fisher 1936) |
| wine | 178 x 13 | cultivar, three classes of 48 to 71 rows | BSD-3 package, UCI (Forina and others) |
"""

from functools import cache

import numpy as np
from sklearn import datasets
from sklearn.preprocessing import scale


@cache
def bundled(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Columns (rows, columns) with mean 0 and variance 1 over all rows, and the target (rows,); both read-only.

    The pixels of digits, already in one unit, are divided by 16 instead and lie in [0, 1]. The scale comes from all
    rows, test rows included: it is a fixed change of units, the same in every replicate and arm.

    Args:
        name: A name in the table above.
    """
    loaders = {
        "breast_cancer": datasets.load_breast_cancer,
        "diabetes": datasets.load_diabetes,
        "digits": datasets.load_digits,
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
    }
    X, y = loaders[name](return_X_y=True)
    X = X / 16 if name == "digits" else scale(X)
    X.flags.writeable = y.flags.writeable = False
    return X, y


def shares(seed: int, rows: int, *sizes: int) -> list[np.ndarray]:
    """Disjoint row numbers: one random draw of each size, then all rows that are left.

    Args:
        seed: Draws the rows.
        rows: Rows of the data set.
        sizes: Rows of each draw; together fewer than `rows`.
    """
    order = np.random.default_rng(seed).permutation(rows)
    return np.split(order, np.cumsum(sizes))
