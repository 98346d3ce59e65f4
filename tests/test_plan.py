"""Seeds, keys and blocks: what identifies a replicate, and what does not."""

import hashlib

import numpy as np
import pytest

from claims import fingerprint, plan, schema


def claim(**changes):
    content = {
        "statement": "s",
        "guide": {"sections": [2], "lines": ["50-56"]},
        "quantifier": "can",
        "trial": "experiments.regularization.zeroed_share",
        "conditions": {"one": {"x": 1}, "two": {"x": 2, "real": "this_data"}},
        "parameters": {"y": 0},
        "criterion": {"kind": "diff", "a": "p", "b": "q", "better": "higher", "margin": 0.1, "why": "w"},
        "controls": {"negative": {"none": {"base": "two", "y": 5}}},
    }
    return schema.claim_of({**content, **changes}, "topic", "some-id")


def test_seeds_follow_the_published_formula():
    """Anyone can derive a replicate's seed from the claim's name: the formula of the design, written out again."""
    identity = int(hashlib.sha256(b"some-id").hexdigest()[:16], 16)
    expected = [int(np.random.SeedSequence([7, identity, 0, 1, r]).generate_state(1)[0]) for r in (3, 4)]
    assert list(plan.seeds(7, claim(), 1, 3, 5)) == expected


def test_a_revision_draws_fresh_seeds():
    revised = claim(revisions=[{"what": "margin", "why": "unit was wrong"}])
    assert not set(plan.seeds(1, claim(), 0, 0, 50)) & set(plan.seeds(1, revised, 0, 0, 50))


def test_streams_are_apart():
    drawn = [set(plan.seeds(1, claim(), stream, 0, 40)) for stream in range(5)]
    assert len(set.union(*drawn)) == 200


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (3, [(0, 3)]),
        (8, [(0, 8)]),
        (16, [(0, 8), (8, 16)]),
        (20, [(0, 8), (8, 16), (16, 20)]),
        (64, [(0, 8), (8, 16), (16, 32), (32, 64)]),
    ],
)
def test_blocks_are_cut_at_the_looks(last, expected):
    assert plan.blocks(last) == expected


def test_cells_merge_parameters_and_take_real_out():
    one, two, control = plan.cells(claim())
    assert one.parameters == {"x": 1, "y": 0}
    assert one.real is None
    assert (two.parameters, two.real) == ({"x": 2, "y": 0}, "this_data")
    assert (control.parameters, control.real, control.base) == ({"x": 2, "y": 5}, "this_data", "two")
    assert [cell.stream for cell in (one, two, control)] == [0, 0, 1]


SOURCE = '''
import numpy as np
from experiments.helper import used

SCALE = 2.0
OTHER = 3.0

def trial(seed, *, x=1.0):
    """Doc."""
    return {"a": used(seed) * SCALE, "b": x}

def unrelated():
    return 1
'''
HELPER = """
def used(seed):
    return inner(seed)

def inner(seed):
    return seed + 1

def unused():
    return 0
"""


@pytest.fixture
def hashed(tmp_path, experiments_at):
    """The hash of a trial in a package written from source."""

    def run(source, helper=HELPER):
        folder = tmp_path / "experiments"
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text("")
        (folder / "made.py").write_text(source)
        (folder / "helper.py").write_text(helper)
        experiments_at(tmp_path)
        return fingerprint.trial_sha256("experiments.made.trial")

    return run


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""Doc."""', '"""Other words."""'),
        ("SCALE = 2.0", "SCALE  =  2.0  # a comment"),
        ("OTHER = 3.0", "OTHER = 4.0"),
        ("return 1", "return 2"),
    ],
)
def test_what_cannot_change_an_outcome_keeps_the_hash(hashed, before, after):
    assert hashed(SOURCE) == hashed(SOURCE.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SCALE = 2.0", "SCALE = 2.5"),
        ("x=1.0", "x=1.5"),
        ('"b": x', '"b": x + 1'),
        ("import used", "import unused as used"),
    ],
)
def test_what_can_change_an_outcome_changes_the_hash(hashed, before, after):
    assert before in SOURCE
    assert hashed(SOURCE) != hashed(SOURCE.replace(before, after))


def test_a_function_reached_through_another_module_counts(hashed):
    assert hashed(SOURCE) != hashed(SOURCE, HELPER.replace("seed + 1", "seed + 2"))
    assert hashed(SOURCE) == hashed(SOURCE, HELPER.replace("return 0", "return 9"))
