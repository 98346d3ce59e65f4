"""Three one-sided tests and the intervals that invert them.

A *sample* sums up the scores of the replicates seen so far, taken along the last axis of an array of any shape, so that
many conditions, parts of a criterion or simulated runs are tested at once. Each sample answers the same questions:
`above(cut)`, the p-value of "the parameter is at most `cut`"; `below(cut)`, the p-value of "it is at least `cut`";
`interval(level)`, the cuts that neither of the two rejects at `level`; `statistic(cut)`, roughly standard normal at the
cut, for conditional power only. P-values lie in [0, 1]; cuts must be finite.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

INFORMATIVE = 5
"""Replicates that must differ from the most frequent value before Student's t is believed."""
AGREEING = 0.8
"""Without that many, n agreeing replicates count as if contrary ones had a probability of 1 - AGREEING."""
GRAIN = 1e-11
"""Scores closer than this share of the largest count as equal: outcomes are judged with ten digits, and differences of
them carry the rounding of floating-point numbers, which is no variation."""
FARTHEST = 50.0
"""Standardised distances are cut here: beyond it powers overflow and p-values are below any level in use."""


def grain(x: Array) -> Array:
    """The distance up to which scores along the last axis count as equal; shape (...)."""
    return np.asarray(GRAIN * np.abs(x).max(axis=-1))


def nearly_constant(x: Array) -> Bools:
    """Whether fewer than `INFORMATIVE` values along the last axis differ from the most frequent one; shape (...)."""
    n = x.shape[-1]
    run = n - INFORMATIVE + 1
    if run <= 1:
        return np.full(x.shape[:-1], True)
    ordered = np.sort(x, axis=-1)
    gaps = ordered[..., run - 1 :] - ordered[..., : n - run + 1]
    return np.asarray((gaps <= grain(x)[..., None]).any(axis=-1))


def hall(w: Array, t: Array, skew: Array, n: Array) -> Array:
    """Hall's transform of the studentised mean, increasing in `w`; equals `t` at zero skewness (Hall 1992)."""
    return t + np.sqrt(n) * (skew * w**2 / 3 + skew**2 * w**3 / 27 + skew / (6 * n))


def hall_inverse(z: Array, plain: Array, skew: Array, n: Array) -> Array:
    """The `w` at which `hall` gives `z`; `plain` where the skewness is zero."""
    g = np.where(skew == 0, 1.0, skew)
    root = np.cbrt(1 + g * (z / np.sqrt(n) - g / (6 * n)))
    return np.where(skew == 0, plain, 3 / g * (root - 1))


@dataclass(frozen=True)
class MeanSample:
    """Student's t, widened for skewness and silent where too few replicates differ.

    All fields have the shape of the scores without their last axis. `skew` is the adjusted sample skewness; `spread` is
    the standard error in units of `sd`; `guard` is the p-value of an all-agreeing run where `few` is true: one whose
    `low` or `high` lies further from the cut than `grain`.
    """

    n: Array
    mean: Array
    sd: Array
    skew: Array
    spread: Array
    few: Bools
    guard: Array
    low: Array
    high: Array
    grain: Array

    @classmethod
    def of(cls, x: Array, overlap: float = 0.0) -> Self:
        """Moments of `x`, shape (..., n), n >= 1.

        Args:
            x: Finite scores, one per replicate.
            overlap: n_test / n_train where replicates resplit one data set (Nadeau and Bengio 2003); there skewness is
                left alone and near-constant scores decide nothing, since agreeing resplits are not independent.
        """
        n = x.shape[-1]
        mean = x.mean(axis=-1)
        deviation = x - mean[..., None]
        largest = np.abs(deviation).max(axis=-1)
        unit = deviation / np.where(largest == 0, 1.0, largest)[..., None]
        m2 = np.square(unit).mean(axis=-1)
        m3 = (unit * unit * unit).mean(axis=-1)
        adjusted = np.sqrt(n * (n - 1)) / max(n - 2, 1)
        skew = adjusted * m3 / np.where(m2 == 0, 1.0, m2) ** 1.5 if overlap == 0 else np.zeros_like(mean)
        sd = largest * np.sqrt(m2 * n / max(n - 1, 1))
        shape = mean.shape
        return cls(
            n=np.full(shape, float(n)),
            mean=mean,
            sd=sd,
            skew=skew,
            spread=np.full(shape, np.sqrt(1 / n + overlap)),
            few=nearly_constant(x),
            guard=np.full(shape, AGREEING**n if overlap == 0 else 1.0),
            low=x.min(axis=-1),
            high=x.max(axis=-1),
            grain=grain(x),
        )

    def distance(self, cut: Array) -> Array:
        """(mean - cut) / sd, within +-`FARTHEST`."""
        sd = np.where(self.sd > 0, self.sd, 1.0)
        return np.clip((self.mean - cut) / sd, -FARTHEST, FARTHEST)

    def above(self, cut: Array) -> Array:
        """P-value of "the mean is at most `cut`": small where the mean lies above."""
        w = self.distance(cut)
        t = w / self.spread
        p = special.stdtr(self.degrees, -np.minimum(t, hall(w, t, np.minimum(self.skew, 0), self.n)))
        return np.where(self.few, np.where(self.low - cut > self.grain, self.guard, 1.0), p)

    def below(self, cut: Array) -> Array:
        """P-value of "the mean is at least `cut`": small where the mean lies below."""
        w = self.distance(cut)
        t = w / self.spread
        p = special.stdtr(self.degrees, np.maximum(t, hall(w, t, np.maximum(self.skew, 0), self.n)))
        return np.where(self.few, np.where(cut - self.high > self.grain, self.guard, 1.0), p)

    def interval(self, level: float) -> tuple[Array, Array]:
        """Ends of the interval for the mean that is missed with probability `level` on each side."""
        q = -special.stdtrit(self.degrees, level)
        far_low = hall_inverse(q, q * self.spread, np.minimum(self.skew, 0), self.n)
        far_high = hall_inverse(-q, -q * self.spread, np.maximum(self.skew, 0), self.n)
        low = self.mean - self.sd * np.maximum(q * self.spread, far_low)
        high = self.mean - self.sd * np.minimum(-q * self.spread, far_high)
        known = self.guard <= level
        return (
            np.where(self.few, np.where(known, self.low, -np.inf), low),
            np.where(self.few, np.where(known, self.high, np.inf), high),
        )

    def statistic(self, cut: Array) -> Array:
        """Student's t at the cut; infinite where all replicates agree that the mean lies on one side."""
        gap = self.mean - cut
        agreed = np.where(gap > 0, np.inf, np.where(gap < 0, -np.inf, 0.0))
        return np.where(self.sd > 0, gap / np.where(self.sd > 0, self.sd, 1.0) / self.spread, agreed)

    @property
    def degrees(self) -> Array:
        """Degrees of freedom, n - 1 (1 where a single replicate leaves none; the guard answers there)."""
        return np.maximum(self.n - 1, 1)

    @property
    def estimate(self) -> Array:
        """The sample mean."""
        return self.mean

    @property
    def unit_sd(self) -> Array:
        """Standard deviation of one replicate, for the power note."""
        return self.sd


def binomial_above(wins: Array, n: Array, cut: Array) -> Array:
    """P(at least `wins` of `n` at probability `cut`); half wins (ties) interpolate the incomplete beta function."""
    return np.where(wins > 0, special.betainc(np.where(wins > 0, wins, 1.0), n - wins + 1, cut), 1.0)


@dataclass(frozen=True)
class PropSample:
    """Exact binomial test of a share (Clopper and Pearson 1934); scores lie in {0, 0.5, 1}, half a win is a tie."""

    n: Array
    wins: Array

    @classmethod
    def of(cls, x: Array) -> Self:
        """Wins in `x`, shape (..., n), n >= 1."""
        wins = x.sum(axis=-1)
        return cls(np.full(wins.shape, float(x.shape[-1])), wins)

    def above(self, cut: Array) -> Array:
        """P-value of "the share is at most `cut`"."""
        return binomial_above(self.wins, self.n, cut)

    def below(self, cut: Array) -> Array:
        """P-value of "the share is at least `cut`"."""
        return binomial_above(self.n - self.wins, self.n, 1 - np.asarray(cut))

    def interval(self, level: float) -> tuple[Array, Array]:
        """Clopper-Pearson ends, in [0, 1], each missed with probability at most `level`."""
        return clopper_pearson_low(self.wins, self.n, level), 1 - clopper_pearson_low(self.n - self.wins, self.n, level)

    def statistic(self, cut: Array) -> Array:
        """Distance of the share from the cut in standard errors at the cut."""
        spread = np.sqrt(self.n * cut * (1 - np.asarray(cut)))
        return (self.wins - self.n * cut) / spread

    @property
    def estimate(self) -> Array:
        """The observed share."""
        return self.wins / self.n

    @property
    def unit_sd(self) -> Array:
        """Binomial standard deviation of one replicate."""
        return np.sqrt(self.estimate * (1 - self.estimate))


def clopper_pearson_low(wins: Array, n: Array, level: float) -> Array:
    """Smallest probability that `binomial_above` does not reject at `level`; 0 without wins."""
    return np.where(wins > 0, special.betaincinv(np.where(wins > 0, wins, 1.0), n - wins + 1, level), 0.0)


@dataclass(frozen=True)
class MedianSample:
    """Exact sign test; replicates equal to the cut count against either answer.

    `ordered` has shape (..., N), sorted, with NaN behind the n scores of a shorter sample.
    """

    n: Array
    ordered: Array

    @classmethod
    def of(cls, x: Array) -> Self:
        """Order of `x`, shape (..., n), n >= 1."""
        return cls(np.full(x.shape[:-1], float(x.shape[-1])), np.sort(x, axis=-1))

    def above(self, cut: Array) -> Array:
        """P-value of "the median is at most `cut`"."""
        return binomial_above((self.ordered > np.asarray(cut)[..., None]).sum(axis=-1), self.n, np.asarray(0.5))

    def below(self, cut: Array) -> Array:
        """P-value of "the median is at least `cut`"."""
        return binomial_above((self.ordered < np.asarray(cut)[..., None]).sum(axis=-1), self.n, np.asarray(0.5))

    def interval(self, level: float) -> tuple[Array, Array]:
        """Two order statistics; infinite where n is too small for `level`."""
        need = sign_count(self.n, level)
        known = need <= self.n
        low = self.pick(np.where(known, self.n - need, 0))
        high = self.pick(np.where(known, need - 1, 0))
        return np.where(known, low, -np.inf), np.where(known, high, np.inf)

    def pick(self, index: Array) -> Array:
        """The score of rank `index` (0 the smallest)."""
        return np.asarray(np.take_along_axis(self.ordered, index[..., None].astype(np.intp), axis=-1)[..., 0])

    def statistic(self, cut: Array) -> Array:
        """Surplus of replicates above the cut over those below, in standard errors."""
        cut = np.asarray(cut)[..., None]
        surplus = (self.ordered > cut).sum(axis=-1) - (self.ordered < cut).sum(axis=-1)
        return np.asarray(surplus / np.sqrt(self.n))

    @property
    def estimate(self) -> Array:
        """The sample median."""
        return (self.pick((self.n - 1) // 2) + self.pick(self.n // 2)) / 2

    @property
    def unit_sd(self) -> Array:
        """Half the width of the middle 68 % of the replicates: a standard deviation blind to tails."""
        low, high = (self.pick(np.rint((self.n - 1) * share)) for share in (0.16, 0.84))
        return (high - low) / 2


def sign_count(n: Array, level: float) -> Array:
    """Fewest heads in `n` fair tosses whose upper tail is at most `level`; n + 1 where there is none."""
    sizes, place = np.unique(n, return_inverse=True)
    heads = np.arange(sizes.max() + 1)
    tail = binomial_above(heads, np.maximum(sizes[:, None], heads), np.asarray(0.5))
    need = ((tail > level) & (heads <= sizes[:, None])).sum(axis=-1)
    return np.asarray(need[place.reshape(n.shape)])


Sample = MeanSample | PropSample | MedianSample


def by_look(samples: Sequence[Sample]) -> Sample:
    """Samples of one test at successive looks as one sample with a look axis before the last, (..., looks, parts)."""
    longest = max((s.ordered.shape[-1] for s in samples if isinstance(s, MedianSample)), default=0)
    padded = [padded_to(s, longest) if isinstance(s, MedianSample) else s for s in samples]
    joined: dict[str, Any] = {}
    for field in fields(samples[0]):
        parts = [getattr(s, field.name) for s in padded]
        joined[field.name] = np.stack(parts, axis=-3 if field.name == "ordered" else -2)
    return replace(samples[0], **joined)


def padded_to(sample: MedianSample, length: int) -> MedianSample:
    """The same sample with NaN behind its scores."""
    missing = length - sample.ordered.shape[-1]
    width = [(0, 0)] * (sample.ordered.ndim - 1) + [(0, missing)]
    return replace(sample, ordered=np.pad(sample.ordered, width, constant_values=np.nan))
