"""Trials on sequences: attention and its mask, positions, recurrent networks."""

import math

import torch
from torch.nn import functional


def leak_through_mask(seed: int, *, length: int, mask: str = "printed", width: int = 16) -> dict[str, float]:
    """What reaches a position from later ones through attention with a causal mask.

    Args:
        seed: Draws queries, keys and values.
        length: Positions, at least 2.
        mask: `printed` (the calls of lines 3565-3569, handed to those of lines 3484-3501), `lower` (ones on and below
            the diagonal instead), `torch` (scaled_dot_product_attention with is_causal=True) or `absent`.
        width: Columns of queries, keys and values.

    Returns:
        `later_weight`, the largest attention weight on a later position, in [0, 1]; `change`, the largest change of the
        outputs of the first half of the positions when keys and values of the second half are drawn anew.
    """
    rng = torch.Generator().manual_seed(seed)
    q, k, v, new_k, new_v = torch.randn(5, 1, length, width, generator=rng, dtype=torch.float64)
    half = length // 2
    new_k, new_v = (torch.cat([old[:, :half], new[:, half:]], 1) for old, new in ((k, new_k), (v, new_v)))
    masks = {"printed": printed_mask(length), "lower": torch.ones(length, length).tril(), "absent": None}

    def attend(keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        if mask == "torch":
            return functional.scaled_dot_product_attention(q, keys, values, is_causal=True)
        return printed_attention(q, keys, values, masks[mask])

    weights = attend(k, torch.eye(length, dtype=torch.float64)[None])
    change = attend(k, v)[:, :half] - attend(new_k, new_v)[:, :half]
    return {"later_weight": float(weights.triu(1).max()), "change": float(change.abs().max())}


def printed_mask(length: int) -> torch.Tensor:
    """The printed function's calls."""
    mask = torch.triu(torch.ones(length, length), diagonal=1)
    return mask.masked_fill(mask == 1, False)


def printed_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """The printed attention's calls; only the output is given back."""
    sums = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(q.size(-1))
    if mask is not None:
        sums = sums.masked_fill(mask == 0, -1e9)
    return torch.matmul(functional.softmax(sums, dim=-1), v)
