"""Trials about forecasting: the orders of a model of a time series, and what forecasts best."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm
from statsmodels.tsa.arima_process import arma_generate_sample
from statsmodels.tsa.stattools import acf, pacf

from experiments.common import streams


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
