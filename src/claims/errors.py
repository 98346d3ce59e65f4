"""Errors that a user can mend: one line each, with field, rule, value and next step, printed without a traceback."""

import difflib
from collections.abc import Iterable


class ClaimsError(Exception):
    """Something in a claim file, a command or the file system that its user can put right."""


class TrackingError(ClaimsError):
    """MLflow cannot be written or started; verdicts and evidence are not affected."""


def nearest(name: str, valid: Iterable[str], otherwise: str | None = None) -> str:
    """A hint for a misspelt name: `; did you mean 'x'?`, or where none is close the valid names or what is given."""
    valid = sorted(valid)
    close = difflib.get_close_matches(name, valid, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    if otherwise is not None:
        return otherwise
    return f"; valid: {', '.join(valid)}" if valid else ""
