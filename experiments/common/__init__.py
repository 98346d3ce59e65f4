"""What several topics share: seeds, data, replicate-batched training."""

import numpy as np


def streams(seed: int, count: int) -> list[int]:
    """Independent uint32 seeds for the parts of one replicate (data, split, fit, ...), from one replicate seed.

    Spawned with numpy's SeedSequence, so that no part shares a stream with another and adding a part at the end
    leaves the earlier ones as they were.

    Args:
        seed: The replicate's seed.
        count: Number of parts, at least 1.
    """
    return [int(child.generate_state(1)[0]) for child in np.random.SeedSequence(seed).spawn(count)]
