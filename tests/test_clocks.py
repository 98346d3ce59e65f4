"""Methods that are timed against each other take turns, in the order that the docstring promises."""

import time

import pytest

from experiments.common.clocks import least_seconds


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


@pytest.mark.parametrize(("backwards", "order"), [(False, "abba"), (True, "baab")])
def test_calls_take_turns_and_the_first_changes(backwards: bool, order: str) -> None:
    seen: list[str] = []

    def call(name: str) -> None:
        seen.append(name)
        busy(0.002)

    least_seconds({name: lambda name=name: call(name) for name in "ba"}, 2, backwards=backwards)
    assert "".join(seen) == order


def test_the_least_of_the_rounds_is_given_for_both_clocks() -> None:
    lengths = iter([0.02, 0.005, 0.03])
    found = least_seconds({"a": lambda: busy(next(lengths))}, 3, backwards=False)
    assert found.keys() == {"a_s", "a_wall_s"}
    assert 0.005 <= found["a_s"] < 0.02
    assert found["a_wall_s"] >= 0.9 * found["a_s"]


def test_a_short_call_is_repeated_for_a_millisecond_and_averaged() -> None:
    calls: list[int] = []
    found = least_seconds({"a": lambda: (calls.append(1), busy(0.0001))}, 1, backwards=False)
    assert 2 <= len(calls) <= 11
    assert found["a_s"] * len(calls) == pytest.approx(0.001, rel=0.5)
