"""Mutants of the decision engine that no test can or need catch, each with the reason."""

REASONS = {
    "a placeholder where the formula is undefined; another line overrules what comes of it": [
        "tests.hall_inverse: 1.0 -> 2.0 in `np.where(skew == 0, 1.0, skew)`",
        "tests.MeanSample.of: 1.0 -> 2.0 in `np.where(largest == 0, 1.0, largest)`",
        "tests.MeanSample.of: 1.0 -> 2.0 in `np.where(m2 == 0, 1.0, m2)`",
        "tests.MeanSample.distance: 1.0 -> 2.0 in `np.where(self.sd > 0, self.sd, 1.0)`",
        "tests.MeanSample.statistic: 1.0 -> 2.0 in `np.where(self.sd > 0, self.sd, 1.0)`",
        "tests.binomial_above: wins > 0 -> wins >= 0 in `np.where(wins > 0, wins, 1.0)`",
        "tests.binomial_above: 1.0 -> 2.0 in `np.where(wins > 0, wins, 1.0)`",
        "tests.binomial_above: wins -> n in `wins > 0` (2)",
        "tests.binomial_above: 0 -> 1 in `wins > 0` (2)",
        "tests.clopper_pearson_low: wins > 0 -> wins >= 0 in `np.where(wins > 0, wins, 1.0)`",
        "tests.clopper_pearson_low: 1.0 -> 2.0 in `np.where(wins > 0, wins, 1.0)`",
        "tests.clopper_pearson_low: wins -> n in `wins > 0` (2)",
        "tests.clopper_pearson_low: 0 -> 1 in `wins > 0` (2)",
        "tests.MedianSample.interval: 0 -> 1 in `np.where(known, self.n - need, 0)`",
        "tests.MedianSample.interval: 0 -> 1 in `np.where(known, need - 1, 0)`",
        "criteria._log_ratio: 1.0 -> 2.0 in `np.where(positive, o[a], 1.0)`",
        "criteria._log_ratio: 1.0 -> 2.0 in `np.where(positive, o[b], 1.0)`",
        "course.Block._both: 0.5 -> 1.5 in `np.where(finite, cut, 0.5)`",
        "course.Block._both: 0.5 -> 1.0 in `np.where(finite, cut, 0.5)`",
        "course.Block.conditional_power: 1.0 -> 2.0 in `np.where(share < 1, np.sqrt(1 - share), 1.0)`",
        "judge.planned_looks: 0 -> 1 in `one.get('n', 0)`",
        "judge.judge: 1 -> 2 in `max(len(own), 1)`",
        "course.blocks: 0 -> 1 in `leaf_looks(test, 0, looks, population is not None)`",
    ],
    "with so few replicates the guard answers, whatever the formula gives": [
        "tests.MeanSample.of: 1 -> 2 in `max(n - 2, 1)`",
        "tests.MeanSample.of: 1 -> 2 in `max(n - 1, 1)`",
        "tests.MeanSample.degrees: 1 -> 2 in `np.maximum(self.n - 1, 1)`",
        "tests.nearly_constant: run <= 1 -> run < 1 in `if run <= 1: return np.full(x.shape[:-1], True)`",
    ],
    "an upper limit of 1 or more is the same to a minimum with 1": [
        "verdict.verdict: 1.0 -> 2.0 in `np.where(np.isnan(p), 1.0, p)`",
        "verdict.error_statement: 1.0 -> 2.0 in `np.where(unknown, 1.0, [record.p_hold for record in tested])`",
        "course.Block.p_values: 1.0 -> 2.0 in `np.where(np.isfinite(lo), below_lo, 1.0)`",
        "course.Block.p_values: 1.0 -> 2.0 in `np.where(np.isfinite(hi), above_hi, 1.0)`",
        "course.Block.conditional_power: 1.0 -> 2.0 in `np.where(np.isfinite(lo), power(lo, 1), 1.0)`",
        "course.Block.conditional_power: 1.0 -> 2.0 in `np.where(np.isfinite(hi), power(hi, -1), 1.0)`",
    ],
    "both sides are the same number, shape or axis": [
        "tests.MeanSample.of: mean -> sd in `mean.shape`",
        "tests.sign_count: -1 -> 1 in `axis=-1`",
        "tests.by_look: -1 -> 1 in `s.ordered.shape[-1]`",
        "tests.padded_to: -1 -> 1 in `sample.ordered.shape[-1]`",
        "verdict.verdict_codes: ph -> pf in `ph.shape`",
        "course.states: ph -> pf in `ph.shape`",
        "judge.broken_reason: record.rows -> record.failed in `record.failed == record.rows >= record.planned[0]`",
        "judge.recorded: ok.size < planned[-1] -> ok.size <= planned[-1] in "
        "`ok.size < planned[-1] and all((leaf.test == 'exact' for leaf in par...`",
        "kinds._check_whole: single, pair = ({'outcome', 'value'} & set(filled), {'a', 'b'} & se... -> "
        "single, pair = ({'a', 'b'} & set(filled), {'outcome', 'value'} & se...",
        "criteria._identity: 'a' -> 'b' in `'a' in c`",
        "margins.farthest_same: offsets < span -> offsets <= span in `offsets[offsets < span]`",
        "tests.MeanSample.distance: np.clip((self.mean - cut) / sd, -FARTHEST, FARTHEST) -> "
        "np.clip(-FARTHEST, (self.mean - cut) / sd, FARTHEST) in "
        "`return np.clip((self.mean - cut) / sd, -FARTHEST, FARTHEST)`",
        "course.Block.conditional_power: np.where(expected > z, 1.0, 0.0) -> np.where(1.0, expected > z, 0.0) in "
        "`np.where(share < 1, special.ndtr((expected - z) / ahead), np.where(...`",
    ],
    "below every p-value, as is what stands in its place": ["verdict.error_statement: 1 -> 2 in `-1`"],
    "None and an empty text are as false as False": [
        "judge.inconsistent: return False -> return None",
        "judge.broken_reason: return '' -> return None",
        "controls._below: return False -> return None",
    ],
    "the size of a grid or list that is large enough either way, or the scale of a rank": [
        "tests.sign_count: 1 -> 2 in `sizes.max() + 1`",
        "tests.by_look: 0 -> 1 in `default=0`",
        "kinds._nearest: 1 -> 2 in `n=1`",
        "margins.farthest_same: 1.0 -> 2.0 in `max(abs(start), 1.0)`",
        "judge.deciding: 1 -> 2 in `1 if node.op == 'all' else -1`",
        "judge.deciding: 1 -> 2 in `-1`",
    ],
    "the sign is 1 or -1, and conditional power never stands exactly at its bound": [
        "criteria._rise: sign > 0 -> sign >= 0 in `part if sign > 0 else f'{part}, sign reversed'`",
        "course.Block.conditional_power: expected > z -> expected >= z in `np.where(expected > z, 1.0, 0.0)`",
        "course.states: hold_cp < FUTILE_POWER -> hold_cp <= FUTILE_POWER in "
        "`(hold_cp < FUTILE_POWER) & (fail_cp < FUTILE_POWER)`",
        "course.states: fail_cp < FUTILE_POWER -> fail_cp <= FUTILE_POWER in "
        "`(hold_cp < FUTILE_POWER) & (fail_cp < FUTILE_POWER)`",
    ],
    "a skewness that narrows is overruled by Student's t, except where the p-value is near 1": [
        "tests.MeanSample.above: 0 -> 1 in `np.minimum(self.skew, 0)`",
        "tests.MeanSample.interval: 0 -> 1 in `np.minimum(self.skew, 0)`",
        "tests.MeanSample.interval: -q -> q in `-q * self.spread`",
    ],
    "verdicts are compared with each other only, and no verdict is called so": [
        "margins.verdicts_at: return 'invalid' -> return None",
    ],
    "a curve with a missing point also has a missing score": [
        "judge.usable: values.all -> values.any in `values.all(axis=tuple(range(1, values.ndim)))`",
    ],
}
SURVIVORS = {key: reason for reason, keys in REASONS.items() for key in keys}
