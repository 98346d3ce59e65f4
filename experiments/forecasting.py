"""Trials about forecasting: the orders of a model of a time series, and what forecasts best."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import norm
from statsmodels.tsa.arima.model import ARIMA
from statsmodels.tsa.arima_process import arma_generate_sample
from statsmodels.tsa.stattools import acf, adfuller, pacf
from torch import Tensor

from experiments.common import streams
from experiments.common.layers import Weights, chain, initial, last, linear, recurrent
from experiments.common.networks import DATA, batches, generators
from experiments.common.real import series
from experiments.common.training import fit, mean_loss, outputs

LAGS = 12  # past values that the network sees, a year of months
ORDERS = ((0, 0), (1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (LAGS, 0))  # p and q that the criterion chooses from


def order_read(
    seed: int,
    *,
    ar: Sequence[float] = (),
    ma: Sequence[float] = (),
    length: int,
    differences: int = 0,
    asked: str = "p",
    lags: int = 10,
    times: int = 50,
) -> dict[str, float]:
    """How often the order of a series is the lag at which its autocorrelations, or its partial ones, cut off.

    A function cuts off at the last lag at which it leaves the band around zero that white noise, beyond that lag, would
    leave at any lag in one series of twenty: Bartlett's band for the ACF, 1/sqrt(n) for the PACF, as statsmodels plots
    them, widened from one lag to all of them.

    Args:
        seed: Draws all series.
        ar: Coefficients of the past values, of which there are p.
        ma: Coefficients of the past shocks, of which there are q.
        length: Values of the series.
        differences: How often the series is summed up before it is seen, and differenced before it is read.
        asked: `p` or `q`, the order that is to be read.
        lags: Lags that are looked at.
        times: Series of one replicate.

    Returns:
        `acf` and `pacf`, the share of the series in which this function cuts off at the order that is asked for, in
        [0, 1]; `acf_first` and `pacf_first`, the same where the cut-off is read before the first lag inside a band of
        one lag.
    """
    rng = np.random.default_rng(streams(seed, 1)[0])
    right = []
    for _ in range(times):
        series = arma_generate_sample(np.r_[1.0, -np.array(ar)], np.r_[1.0, ma], length, distrvs=rng.normal, burnin=500)
        for _ in range(differences):
            series = np.cumsum(series)
        series = np.diff(series, differences)
        read = [np.max(np.flatnonzero(out) + 1, initial=0) for out in _outside(series, lags, 0.05 / lags)]
        read += [np.argmin(np.r_[out, False]) for out in _outside(series, lags, 0.05)]
        right.append(np.array(read) == len(ar if asked == "p" else ma))
    total, partial, first, partial_first = np.mean(right, axis=0).tolist()
    return {"acf": total, "pacf": partial, "acf_first": first, "pacf_first": partial_first}


def _outside(series: np.ndarray, lags: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """At which of the lags 1, 2, ... ACF and PACF leave their bands of this level, booleans (lags,) each."""
    total, bands = acf(series, nlags=lags, alpha=level, result_object=False)
    partial = pacf(series, nlags=lags)
    widths = np.ptp(bands, axis=1) / 2, norm.isf(level / 2) / np.sqrt(len(series))
    return (np.abs(total) > widths[0])[1:], (np.abs(partial) > widths[1])[1:]


def forecast_errors(
    seeds: Sequence[int],
    *,
    data: str,
    length: int,
    noise: float = 1.0,
    hidden: int = 8,
    n_steps: int = 120,
    tests: int = 50,
) -> dict[str, np.ndarray]:
    """Errors of one-step forecasts by ARIMA and by a long short-term memory (LSTM), on the values after those fitted.

    Both see the series differenced where the augmented Dickey-Fuller test does not reject a unit root at 5 %, and
    standardised by the values fitted; neither is fitted anew while it moves on. ARIMA takes the order of ORDERS with
    the least corrected Akaike criterion, as automatic ARIMA does (Hyndman & Khandakar 2008). The LSTM reads the last
    LAGS values; learning rate (of three) and number of steps are those with the least error on the last fifth of the
    values, and it is then trained on all of them.

    Args:
        seeds: Each draws series, weights and minibatches of one replicate.
        data: As for `drawn_series`.
        length: Values that are fitted.
        noise: As for `drawn_series`.
        hidden: Units of the LSTM.
        n_steps: Most steps of Adam on minibatches of 16, gradients clipped to norm 1.
        tests: Values that are forecast.

    Returns:
        `arima` and `lstm`, root mean squared errors relative to that of forecasting the mean of the fitted
        (differenced) values, at least 0; `differenced`, 1 where the test asked for it.
    """
    drawn = [drawn_series(rng, data, length + tests, noise) for rng in generators(seeds, DATA)]
    unit_roots = [adfuller(one[:length], result_object=False)[1] > 0.05 for one in drawn]
    values = np.stack([np.diff(one) if root else one[1:] for one, root in zip(drawn, unit_roots, strict=True)])
    values = values - values[:, : length - 1].mean(axis=1, keepdims=True)
    values = values / values[:, : length - 1].std(axis=1, keepdims=True)
    truth = values[:, length - 1 :]
    found = {"arima": np.stack([_arima(one, length - 1) for one in values])}
    found["lstm"] = _lstm(seeds, values, length - 1, hidden, n_steps)
    spread = np.sqrt(np.mean(truth**2, axis=1))
    errors = {name: np.sqrt(np.mean((one - truth) ** 2, axis=1)) / spread for name, one in found.items()}
    return {"arima": errors["arima"], "lstm": errors["lstm"], "differenced": np.array(unit_roots, float)}


def drawn_series(rng: np.random.Generator, data: str, length: int, noise: float) -> np.ndarray:
    """A series, (length,): a stretch of a bundled one from a random start, or generated.

    Args:
        rng: Source of all randomness.
        data: `ar` (1.2 and -0.4 times the two last values), `trending` (a sum of steps of which each is 0.6 times the
            last one plus a shock, with a drift), `threshold` (0.9 times the last value below zero, -0.5 times above),
            `map` (the logistic map 3.8 x (1 - x), chaotic, measured with noise), or the name of a bundled series.
        length: Values.
        noise: Standard deviation of the shocks; for `map` of what is added to each value, relative to the map's own.
    """
    if data not in ("ar", "trending", "threshold", "map"):
        whole = series(data)
        start = rng.integers(len(whole) - length + 1)
        return whole[start : start + length]
    shocks = noise * rng.normal(size=length + 100)
    if data == "ar":
        return noise * arma_generate_sample([1, -1.2, 0.4], [1], length, distrvs=rng.normal, burnin=100)
    state, states = rng.uniform(0.2, 0.8), []
    for shock in shocks:
        if data == "map":
            state = 3.8 * state * (1 - state)
        elif data == "trending":
            state = 0.6 * state + shock
        else:
            state = (0.9 if state < 0 else -0.5) * state + shock
        states.append(state)
    made = np.array(states[100:])
    if data == "trending":
        return np.cumsum(made + 0.3)
    return made + 0.24 * shocks[100:] if data == "map" else made


def _arima(values: np.ndarray, length: int) -> np.ndarray:
    """One-step forecasts of the values from `length` on, by the ARMA model that fits the first ones best."""
    fits = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of orders that do not converge
        for p, q in ORDERS:
            way = "burg" if p and not q else "statespace"  # lags alone cost ten times as much by likelihood
            fits.append(ARIMA(values[:length], order=(p, 0, q)).fit(method=way, cov_type="none"))
        # shocks that cannot be told from the values are a fit gone wrong, which automatic ARIMA leaves out too
        sound = [one for one in fits if min([9, *abs(one.maroots)]) > 1.01]
        chosen = min(sound, key=lambda one: one.aicc)
        return chosen.apply(values).fittedvalues[length:]


def _lstm(seeds: Sequence[int], values: np.ndarray, length: int, hidden: int, n_steps: int) -> np.ndarray:
    """One-step forecasts of the values from `length` on, (replicates, values)."""
    windows = np.lib.stride_tricks.sliding_window_view(values, LAGS + 1, axis=1).astype(np.float32)
    x, y = torch.from_numpy(windows[:, :, None, :-1].copy()), torch.from_numpy(windows[:, :, -1].copy())
    known = length - LAGS
    early = known - length // 5
    net = chain(recurrent("lstm", 1, hidden), last, linear(hidden, 1))

    # with the last fifth held out and with all values, side by side
    steps = torch.cat([batches(seeds, rows, min(16, early), n_steps) for rows in (early, known)], dim=1)
    start, rows = (
        [torch.cat([one, one]) for one in part] for part in (initial(net, seeds), (x[:, :known], y[:, :known]))
    )
    held, forecasts = [], []

    def watch(done: int, fits: list[Weights]) -> None:
        halves = [zip(*(tensor.chunk(2) for tensor in weights), strict=True) for weights in fits]
        tried, kept = zip(*(map(list, half) for half in halves), strict=True)
        held.append([mean_loss(net, one, (x[:, early:known], y[:, early:known]), _squared) for one in tried])
        forecasts.append([outputs(net, one, x[:, known:])[:, 0].numpy() for one in kept])

    rates = [0.003, 0.01, 0.03]
    fit(net, start, rows, steps, rates, loss=_squared, optimizer="adam", clip=1.0, watch=watch, every=20)
    losses = np.array(held)  # (times, rates, replicates)
    best = np.unravel_index(np.nanargmin(losses.reshape(-1, len(seeds)), axis=0), losses.shape[:2])
    return np.array(forecasts)[*best, np.arange(len(seeds))]


def _squared(raw: Tensor, y: Tensor) -> Tensor:
    """Squared error, mean over rows: (replicates,)."""
    return (raw[:, 0] - y).square().mean(1)
