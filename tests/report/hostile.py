"""Evidence that means no good to the pages that show it."""

from typing import Any

import numpy as np

from tests.report.builders import condition, control, evidence, margin
from tests.report.records import DIFF

HOSTILE = (
    "<script>alert('x')</script> | a|b `code` **bold** [link](javascript:alert(1)) $x^2$ \u202eevil\u202c "
    + "w" * 300
    + " שלום <img src=x onerror=alert(1)> & &amp; \n# head\n| cell"
)


def hostile() -> dict[str, Any]:
    """Text that would break tables, inject HTML or reorder letters, and 60 conditions."""
    rng = np.random.default_rng(11)
    criterion = {**DIFF, "a": "<b>random|</b>", "b": "gr`id$x$", "why": HOSTILE}
    conditions = []
    for i in range(60):
        base = rng.normal(0.8, 0.03, 16)
        outcomes = {criterion["a"]: base + 0.03 + rng.normal(0, 0.02, 16), criterion["b"]: base}
        conditions.append(
            condition(
                f"condition-{i}-" + "x" * (i if i > 40 else 0),
                criterion,
                outcomes,
                {"note": HOSTILE if i == 3 else "a|b", "size": [i] * 3},
            )
        )
    conditions[5]["failures"] = [{"replicate": 2, "error": HOSTILE}]
    conditions[6].update(reason=HOSTILE, label="fails")
    none = condition("none", criterion, {criterion["a"]: base, criterion["b"]: base + 0.1}, {"size": [0]}) | control(
        "condition-1", "negative", why=HOSTILE
    )
    return evidence(
        "hostile",
        HOSTILE,
        criterion,
        conditions,
        [none],
        "supported",
        sensitivity=[margin(criterion), margin(criterion)],
        notes=HOSTILE,
        references=[HOSTILE],
        revisions=[{"what": HOSTILE, "why": HOSTILE}],
    )
