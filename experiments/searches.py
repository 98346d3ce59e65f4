"""Trials on searches for settings and architectures that look at what was measured before they choose what to try."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import optuna
from lightgbm import Booster, Dataset
from numpy.typing import NDArray
from optuna.samplers import RandomSampler, TPESampler
from scipy.stats import loguniform, randint
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - the import registers the search below
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import HalvingRandomSearchCV, RandomizedSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from experiments.common import streams
from experiments.common.data import bundled, shares

optuna.logging.set_verbosity(optuna.logging.ERROR)

Point = NDArray[np.float64]  # a setting, each coordinate in [0, 1]
Loss = Callable[[Point], float]

FLOOR = 0.1  # loss of the best setting of a generated surface, whose whole height is about 1


def _bowl(away: Point) -> float:
    return float(4 * np.mean(away**2))


def _valley(away: Point) -> float:
    """A bowl five times flatter along the diagonal: the best value of a coordinate depends on the others."""
    along = away.sum() ** 2 / len(away)
    return float(4 / len(away) * (np.sum(away**2) - 0.8 * along))


def _waves(away: Point) -> float:
    """A bowl with about three dents along each coordinate."""
    return _bowl(away) + float(np.mean(1 - np.cos(6 * np.pi * away))) / 8


SURFACES: dict[str, Callable[[Point], float]] = {"bowl": _bowl, "valley": _valley, "waves": _waves}
"""Height above the lowest point by distance from it."""

# Per model its data, the ranges searched (all on a log scale) and the library's default. Wide enough to reach both ends
# of what tutorials search; ranges of whole numbers are rounded. Coordinates stand in the order of importance that
# tutorials give them.
SPACES: dict[str, tuple[str, dict[str, tuple[float, float, float]]]] = {
    "kernel-diabetes": ("diabetes", {"gamma": (1e-4, 1e0, 0.1), "alpha": (1e-3, 1e2, 1.0)}),
    "tree-digits": (
        "digits",
        {"max_depth": (1, 32, 32), "min_samples_leaf": (1, 32, 1), "min_samples_split": (2, 64, 2)},
    ),
    "sgd-breast-cancer": ("breast_cancer", {"eta0": (1e-4, 1e0, 1e-2), "alpha": (1e-6, 1e-1, 1e-4)}),
    "boosting-diabetes": (
        "diabetes",
        {"learning_rate": (1e-3, 1e0, 0.1), "max_depth": (1, 8, 6), "n_estimators": (10, 100, 100)},
    ),
}


def bayesian_against_random(
    seed: int, *, problem: str, evaluations: int, axes: int = 2, noise: float = 0.0
) -> dict[str, float]:
    """Loss of the setting that each search ends with, both after as many evaluations, by Optuna's samplers.

    Each takes the setting that measured best. `bayesian_loss` and `random_loss` are its true height on a surface, FLOOR
    included, or the test loss of the model refitted with it.

    Args:
        seed: Draws the problem and both searches.
        problem: A key of SURFACES or SPACES.
        evaluations: Settings measured by each search; the first ten of Bayesian optimisation are drawn at random.
        axes: Coordinates of a surface.
        noise: Of a surface: standard deviation of what is measured.
    """
    problem_seed, bayesian_seed, random_seed = streams(seed, 3)
    measured, true, start = _problem(problem_seed, problem, axes, noise)
    samplers = {"bayesian": TPESampler(seed=bayesian_seed), "random": RandomSampler(seed=random_seed)}
    losses = {}
    for name, sampler in samplers.items():
        study = optuna.create_study(sampler=sampler)
        with config_context(assume_finite=True, skip_parameter_validation=True):  # checks took a third of the time
            study.optimize(lambda told: measured(_suggested(told, len(start))), evaluations)
        losses[f"{name}_loss"] = true(np.array([study.best_params[str(axis)] for axis in range(len(start))]))
    return losses


def _suggested(told: optuna.Trial, axes: int) -> Point:
    return np.array([told.suggest_float(str(axis), 0.0, 1.0) for axis in range(axes)])


def one_at_a_time(
    seed: int, *, problem: str, values: int = 5, rounds: int = 1, axes: int = 2, noise: float = 0.0
) -> dict[str, float]:
    """Loss of the setting found coordinate by coordinate from the default, and by as many joint draws at random.

    One at a time: equally spaced values of the first coordinate are measured with the others at their defaults, the
    best stays, then the next coordinate. Both searches take the setting that measured best. `single_loss` and
    `joint_loss` are as for `bayesian_against_random`.

    Args:
        seed: Draws the problem and the joint settings.
        problem: A key of SURFACES, where the default is the middle, or of SPACES.
        values: Values of each coordinate.
        rounds: Times that all coordinates are gone through.
        axes: Coordinates of a surface.
        noise: Of a surface: standard deviation of what is measured.
    """
    problem_seed, drawing = streams(seed, 2)
    measured, true, point = _problem(problem_seed, problem, axes, noise)
    with config_context(assume_finite=True, skip_parameter_validation=True):  # as above
        for axis in list(range(len(point))) * rounds:
            tried = np.tile(point, (values, 1))
            tried[:, axis] = np.linspace(0, 1, values)
            point = min(tried, key=measured)
        joint = np.random.default_rng(drawing).random((values * rounds * len(point), len(point)))
        return {"single_loss": true(point), "joint_loss": true(min(joint, key=measured))}


def _problem(seed: int, problem: str, axes: int, noise: float) -> tuple[Loss, Loss, Point]:
    """What a search measures, what is true, and the default setting.

    For a model two folds of a fresh third of the rows (150 at most) measure, and the other rows test. Losses are
    squared errors, of class shares or probabilities where there are classes.
    """
    if problem in SURFACES:
        rng = np.random.default_rng(seed)
        lowest = rng.random(axes)

        def height(point: Point) -> float:
            return FLOOR + SURFACES[problem](point - lowest)

        return lambda point: height(point) + noise * rng.standard_normal(), height, np.full(axes, 0.5)
    data, space = SPACES[problem]
    drawing, fitting = streams(seed, 2)
    X, y = _target(data)
    drawn, test = shares(drawing, len(X), min(len(X) // 3, 150))

    def loss(point: Point, fitted: NDArray[Any], judged: NDArray[Any]) -> float:
        model = _model(problem, space, point, fitting).fit(X[fitted], y[fitted])
        predicted = model.predict_proba(X[judged])[:, 1] if problem.startswith("sgd") else model.predict(X[judged])
        return float(np.mean((y[judged] - predicted) ** 2))

    folds = [(np.setdiff1d(drawn, held), held) for held in np.array_split(drawn, 2)]
    start = [np.log(default / low) / np.log(high / low) for low, high, default in space.values()]
    return (
        lambda point: sum(loss(point, *fold) for fold in folds),
        lambda point: loss(point, drawn, test),
        np.array(start),
    )


@cache
def _target(data: str) -> tuple[NDArray[Any], NDArray[Any]]:
    X, y = bundled(data)
    if data == "digits":
        return X, np.eye(10)[y]
    return X, (y - y.mean()) / y.std() if data == "diabetes" else y


def _model(problem: str, space: dict[str, tuple[float, float, float]], point: Point, seed: int) -> Any:
    settings: dict[str, Any] = {
        name: low * (high / low) ** share
        for (name, (low, high, _)), share in zip(space.items(), point.tolist(), strict=True)
    }
    settings |= {name: round(settings[name]) for name, (low, _, _) in space.items() if low >= 1}
    if problem.startswith("kernel"):
        return KernelRidge(kernel="rbf", **settings)
    if problem.startswith("tree"):
        return DecisionTreeRegressor(random_state=seed, **settings)
    if problem.startswith("sgd"):
        return SGDClassifier("log_loss", learning_rate="constant", max_iter=20, tol=None, random_state=seed, **settings)
    return Boosted(settings.pop("n_estimators"), {"min_data_in_leaf": 5, "seed": seed, **settings})


class Boosted:
    """LightGBM's regression by its booster: the trees of LGBMRegressor, without what it does around each of them."""

    def __init__(self, rounds: int, settings: dict[str, Any]) -> None:
        """As many rounds with LightGBM's defaults, but for the settings."""
        self._rounds, self._settings = (
            rounds,
            {"objective": "regression", "num_threads": 1, "verbosity": -1, **settings},
        )

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Booster:
        """The trained booster, which predicts; X is (rows, columns), y (rows,)."""
        booster = Booster(self._settings, Dataset(X, y, params=self._settings))
        for _ in range(self._rounds):
            booster.update()
        return booster


CANDIDATES: dict[str, tuple[Any, dict[str, Any]]] = {
    "tree": (DecisionTreeClassifier(), {"max_depth": randint(1, 20), "min_samples_leaf": randint(1, 20)}),
    "kernel": (SVC(), {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1e1)}),
    "neighbours": (KNeighborsClassifier(), {"n_neighbors": randint(1, 16), "p": [1, 2]}),
}
"""Per model the estimator and where its settings are drawn from."""


def halving_against_full(
    seed: int,
    *,
    data: str,
    n: int,
    model: str,
    flipped: float = 0.0,
    candidates: int | str = "exhaust",
    least: int | str = "smallest",
) -> dict[str, float]:
    """Work and result of successive halving and of a random search that fits every candidate to all rows.

    Both are scikit-learn's, with the printed factor 3 and five folds, on one list of candidates and the same folds.
    Columns are standardised by the n rows beforehand, as a scaler inside the searches would double their cost.
    Outcomes: `rows_saved`, how many times as many rows the full search fits, summed over fits and without the last
    one; `a_third`, 1.0 where that is 3 at least, else 0.0; `halving` and `full`, accuracy of the settings chosen,
    refitted to all n rows, on other rows, in [0, 1];
    `candidates`, how many there are.

    Args:
        seed: Draws rows, candidates, folds and what is random in fitting.
        data: "generated" (20 columns, 5 carry signal, two clusters per class) or a bundled set with classes.
        n: Rows to search with; 2,000 more of the generated, or the rest, test.
        model: A key of CANDIDATES.
        flipped: Share of wrong labels of generated data, in [0, 0.5].
        candidates: How many; scikit-learn's default uses up the rows in the last round.
        least: Rows of the first round; scikit-learn's default is twice the folds times the classes.
    """
    drawing, splitting, searching, folding, fitting = streams(seed, 5)
    if data == "generated":
        X, y = make_classification(
            n + 2000, 20, n_informative=5, n_redundant=0, flip_y=2 * flipped, random_state=drawing
        )
    else:
        X, y = bundled(data)
    train, test = shares(splitting, len(X), n)
    X = StandardScaler().fit(X[train]).transform(X)
    estimator, drawn_from = CANDIDATES[model]
    if model == "tree":
        estimator = clone(estimator).set_params(random_state=fitting)
    folds = StratifiedKFold(5, shuffle=True, random_state=folding)
    common = {"cv": folds, "random_state": searching, "scoring": _right}
    rounds = {"factor": 3, "n_candidates": candidates, "min_resources": least, "return_train_score": False}
    with config_context(assume_finite=True, skip_parameter_validation=True):
        halving = HalvingRandomSearchCV(estimator, drawn_from, **rounds, **common).fit(X[train], y[train])
        full = RandomizedSearchCV(estimator, drawn_from, n_iter=halving.n_candidates_[0], **common)
        full.fit(X[train], y[train])
    saved = halving.n_candidates_[0] * n / np.dot(halving.n_candidates_, halving.n_resources_)
    return {
        "rows_saved": float(saved),
        "a_third": float(saved >= 3),
        "halving": float(halving.score(X[test], y[test])),
        "full": float(full.score(X[test], y[test])),
        "candidates": float(halving.n_candidates_[0]),
    }


def _right(fitted: Any, X: NDArray[Any], y: NDArray[Any]) -> float:
    """Accuracy, in [0, 1], without the checks of scikit-learn's, which took a sixth of the time."""
    return float(np.mean(fitted.predict(X) == y))


Architecture = NDArray[np.int64]  # one option of four per choice
Quality = Callable[[Architecture], float]

POPULATION, TOURNAMENT = 20, 5
RATE, MEMORY = 0.3, 0.9


def architecture_search(
    seed: int, *, problem: str, evaluations: int, coupled: int = 1, noise: float = 0.0
) -> dict[str, float]:
    """True accuracy of the architecture that each search ends with, all after as many evaluations.

    `evolution` mutates one choice of the best of five from a population of twenty, of which the oldest dies (Real and
    others 2019); `reinforcement` samples each choice from a softmax whose logits follow the policy gradient against a
    moving mean of rewards (as in Ying and others 2019); `random` draws. Each takes the architecture that measured best.

    Args:
        seed: Draws the problem and the searches.
        problem: "landscape", eight choices of four options whose effects depend on `coupled` further choices each (an
            NK model), scaled to accuracies of mean 0.8 and standard deviation 0.04 among random architectures; or a
            bundled set with classes, for which six choices make a network of two random layers with a least-squares
            readout, trained on 150 rows, measured on 150 and tested on the rest.
        evaluations: Architectures measured by each search; one that comes again measures the same again.
        coupled: 0 (additive) to 7 (no structure: architectures that differ in one choice have nothing in common).
        noise: Of a landscape: standard deviation of the accuracy that is measured, as of one training.
    """
    problem_seed, evolving, learning, drawing = streams(seed, 4)
    build = _landscape if problem == "landscape" else _random_networks
    measured, true, choices = build(problem_seed, problem, coupled, noise)
    known: dict[bytes, float] = {}

    def quality(architecture: Architecture) -> float:
        key = architecture.tobytes()
        if key not in known:
            known[key] = measured(architecture)
        return known[key]

    tried = {
        "evolution": _evolved(np.random.default_rng(evolving), quality, choices, evaluations),
        "reinforcement": _reinforced(np.random.default_rng(learning), quality, choices, evaluations),
        "random": list(np.random.default_rng(drawing).integers(4, size=(evaluations, choices))),
    }
    return {name: true(max(architectures, key=quality)) for name, architectures in tried.items()}


def _evolved(rng: np.random.Generator, quality: Quality, choices: int, evaluations: int) -> list[Architecture]:
    tried = list(rng.integers(4, size=(POPULATION, choices)))
    while len(tried) < evaluations:
        rivals = rng.choice(POPULATION, TOURNAMENT, replace=False)
        child = max((tried[-POPULATION:][rival] for rival in rivals), key=quality).copy()
        place = rng.integers(choices)
        child[place] = (child[place] + rng.integers(1, 4)) % 4
        tried.append(child)
    return tried


def _reinforced(rng: np.random.Generator, quality: Quality, choices: int, evaluations: int) -> list[Architecture]:
    logits, usual, spread = np.zeros((choices, 4)), 0.0, 1.0
    tried: list[Architecture] = []
    for step in range(evaluations):
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        tried.append((rng.random((choices, 1)) > odds.cumsum(axis=1)).sum(axis=1).clip(max=3))
        reward = quality(tried[-1])
        usual = MEMORY * usual + (1 - MEMORY) * reward if step else reward
        spread = MEMORY * spread + (1 - MEMORY) * abs(reward - usual)  # rewards come in any unit
        logits += RATE * (reward - usual) / max(spread, 1e-9) * (np.eye(4)[tried[-1]] - odds)
    return tried


def _landscape(seed: int, problem: str, coupled: int, noise: float) -> tuple[Quality, Quality, int]:
    """Mean of eight tables, each looked up by one choice and the `coupled` that follow it in a ring."""
    rng = np.random.default_rng(seed)
    tables = 0.04 / np.sqrt(8) * rng.standard_normal((8, 4 ** (coupled + 1)))
    places = (np.arange(8)[:, None] + np.arange(coupled + 1)) % 8
    weights = 4 ** np.arange(coupled + 1)

    def true(architecture: Architecture) -> float:
        return float(0.8 + tables[np.arange(8), architecture[places] @ weights].sum())

    return lambda architecture: true(architecture) + noise * rng.standard_normal(), true, 8


ACTIVATIONS: list[Callable[[NDArray[Any]], NDArray[Any]]] = [np.tanh, np.cos, lambda x: np.maximum(x, 0), lambda x: x]
SCALES = [0.1, 0.5, 2.0, 8.0]
READ = [(1,), (2,), (1, 2), (0, 2)]  # what the readout sees: inputs (0), first layer, second layer
PENALTIES = [1e-3, 1e-1, 1e1, 1e3]


def _random_networks(seed: int, problem: str, coupled: int, noise: float) -> tuple[Quality, Quality, int]:
    X, y = bundled(problem)
    drawing, weighing = streams(seed, 2)
    fitted, held, test = shares(drawing, len(X), 150, 150)
    classes = np.eye(y.max() + 1)[y]

    rows = {"held": np.concatenate([fitted, held]), "test": np.concatenate([fitted, test])}
    rng = np.random.default_rng(weighing)
    weights = [
        (rng.standard_normal((width, 60)) / np.sqrt(width), rng.uniform(-1, 1, 60)) for width in (X.shape[1], 60)
    ]

    @cache
    def layer(judged: str, *choices: int) -> NDArray[Any]:
        """Inputs, or what the layers with these activations and scales make of them; many architectures share it."""
        if not choices:
            return X[rows[judged]]
        *before, activation, scale = choices
        W, shift = weights[len(before) // 2]
        return ACTIVATIONS[activation](SCALES[scale] * (layer(judged, *before) @ W + shift))

    def hits(architecture: Architecture, judged: str) -> float:
        *choices, read, penalty = architecture.tolist()
        seen = [layer(judged, *choices[: 2 * depth]) for depth in READ[read]]
        trained, predicted = np.split(np.column_stack([*seen, np.ones(len(rows[judged]))]), [len(fitted)])
        inner = trained.T @ trained + PENALTIES[penalty] * np.eye(trained.shape[1])
        readout = np.linalg.solve(inner, trained.T @ classes[fitted])
        return float(np.mean((predicted @ readout).argmax(axis=1) == y[rows[judged][len(fitted) :]]))

    return lambda architecture: hits(architecture, "held"), lambda architecture: hits(architecture, "test"), 6
