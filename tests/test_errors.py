"""Every typical mistake gives one clear line: field, rule, value, next step; no traceback, nothing written."""

import pytest

GOOD = """\
statement: Treated is higher than plain.
guide: {sections: [2], lines: ["50-56"]}
quantifier: typically
trial: experiments.toy.shifted
conditions:
  a: {shift: 3.5}
  b: {shift: 3.0}
  c: {shift: 2.5}
  d: {shift: 2.0}
criterion: {kind: diff, a: treated, b: plain, better: higher, margin: 0.5, why: visible}
controls: {negative: {none: {base: a, shift: 0.0}}}
"""

RULE = "criterion: {kind: diff, a: treated, b: plain, better: higher, margin: 0.5, why: visible}"
CURVE = """\
statement: The error rises with the size.
guide: {sections: [2], lines: ["50-56"]}
quantifier: can
trial: experiments.toy.rising
parameters: {sizes: [1, 2, 4, 8]}
conditions: {a: {}}
criterion: {kind: trend, outcome: error, over: sizes, direction: up, margin: 0.5, why: visible}
controls: {negative: {none: {base: a, shift: 0.0}}}
"""
TIMED = """\
statement: Slow takes longer than fast.
guide: {sections: [2], lines: ["50-56"]}
quantifier: can
trial: experiments.toy.timed
timed: true
conditions: {a: {factor: 2.0}}
criterion: {kind: ratio, a: slow_s, b: fast_s, range: [1.2, .inf], estimator: median, clock: cpu, why: a fifth counts}
controls: {negative: {none: {base: a, factor: 1.0}}}
"""


def curve(sizes):
    return CURVE.replace("[1, 2, 4, 8]", sizes)


MISTAKES = {
    "misspelt key": ("quantifier:", "quantifer:", ["quantifer: unknown key; did you mean 'quantifier'?"]),
    "misspelt key inside": ("sections:", "section:", ["guide.section: unknown key; did you mean 'sections'?"]),
    "misspelt criterion key": ("better:", "beter:", ["criterion.beter: is no key of diff", "did you mean `better`?"]),
    "unknown kind": ("kind: diff", "kind: dif", ["kind", "'dif'", "diff"]),
    "missing control": (
        "controls: {negative: {none: {base: a, shift: 0.0}}}",
        "controls: {}",
        ["controls.negative: is required"],
    ),
    "missing statement": ("statement: Treated is higher than plain.\n", "", ["statement: is required; add it"]),
    "strange parameter": (
        "d: {shift: 2.0}",
        "d: {shfit: 2.0}",
        ["conditions.d.shfit", "takes no such parameter", "'shift'"],
    ),
    "parameter missing": ("d: {shift: 2.0}", "d: {}", ["conditions.d: the trial shifted needs the parameter 'shift'"]),
    "strange outcome": ("a: treated", "a: treatment", ["returns no outcome 'treatment'"]),
    "no such trial": ("toy.shifted", "toy.shiftd", ["has no function 'shiftd'; did you mean 'shifted'?"]),
    "no such module": (
        "toy.shifted",
        "tou.shifted",
        ["there is no module 'experiments.tou'; create experiments/tou.py"],
    ),
    "trial outside experiments": (
        "experiments.toy.shifted",
        "os.system",
        ["trial: must be a function of experiments/"],
    ),
    "lines outside the section": (
        '"50-56"',
        '"550-556"',
        ["guide.lines: must lie inside", "section 2: lines 44-84", "550-556"],
    ),
    "lines not a range": ('"50-56"', '"fifty"', ["guide.lines: a range is written '55' or '55-56', got 'fifty'"]),
    "no such section": (
        "sections: [2]",
        "sections: [2, 96]",
        ["guide.sections: the guide has sections 1 to 95, got 96"],
    ),
    "too few conditions": ("  d: {shift: 2.0}\n", "", ["conditions: typically needs at least 4, got 3"]),
    "always without a reason": ("typically", "always", ["why_always: is required with always"]),
    "margin without a reason": (", why: visible", "", ["criterion.why: is required"]),
    "nothing but equal arms": (
        "negative: {none:",
        "negative: {same-arm-twice:",
        ["controls.negative: same-arm-twice need only not hold; add one that removes the mechanism"],
    ),
    "strange base": ("base: a", "base: e", ["controls.none.base: must be one of the conditions, got 'e'"]),
    "boolean name": ("  a: {shift", "  on: {shift", ["conditions", "True"]),
    "name with capitals": (
        "  d: {shift",
        "  Large: {shift",
        ["names are lower-case words joined by hyphens", "'Large'"],
    ),
    "unknown quantifier": ("typically", "mostly", ["quantifier", "'mostly'"]),
    "interpolation": ("statement: Treated", "statement: ${oc.env:HOME}", ["statement: must not hold ${...}"]),
    "no mapping": (GOOD, "- a\n- b\n", ["must be a mapping of keys to values, found list"]),
    "empty file": (GOOD, "", ["must be a mapping of keys to values, found nothing"]),
    "no YAML": ("statement: Treated", "statement: [Treated", ["is not valid YAML"]),
    "key twice": ("trial: ", "statement: again\ntrial: ", ["key 'statement' is given twice"]),
    "strange real": (
        "d: {shift: 2.0}",
        "d: {shift: 2.0, real: digits}",
        ["conditions.d.real: must be this_data or population"],
    ),
    "review without reasons": (
        "quantifier:",
        "review: {sentence: 'yes', fairness: &a both arms see the same rows, falsifiable: *a, sceptic: *a, changed: *a}"
        "\nquantifier:",
        ["review.sentence: an answer gives its reason in at least five words, got 'yes'"],
    ),
    "a curve that goes back": (
        GOOD,
        curve("[1, 2, 2, 8]"),
        ["conditions.a.sizes: must ascend strictly, got [1, 2, 2, 8]; sort it and give each value once"],
    ),
    "too short a curve": (
        GOOD,
        curve("[1, 2, 4]"),
        ["a.sizes: must be a list of 4 to 6 numbers, got [1, 2, 4]"],
    ),
    "a curve over a word": (
        GOOD,
        curve("large"),
        ["a.sizes: must be a list, got 'large'; the trial rising"],
    ),
    "a curve over another x per condition": (
        GOOD,
        curve("[1, 2, 4, 8]").replace("{a: {}}", "{a: {}, b: {sizes: [1, 2, 4, 9]}}"),
        ["parameters.sizes: must be the same in all conditions; set it once under parameters"],
    ),
    "no look at which it could be decided": (
        RULE,
        "max_replicates: 8\ncriterion: {kind: level, outcome: plain, range: [0, .inf], estimator: median, why: w}",
        ["criterion: looks: level (median) needs one from 16 on, got (8,); raise max_replicates"],
    ),
    "a share of resplits": (
        RULE,
        "parameters: {real: population}\ncriterion: {kind: winrate, a: treated, b: plain, above: 0.5, why: visible}",
        ["criterion: real: population allows tests of means only, got winrate (prop); say this_data"],
    ),
    "a mean of times": (
        GOOD,
        TIMED.replace("estimator: median, ", ""),
        ["criterion.estimator: must be median for times"],
    ),
    "times too alike": (
        GOOD,
        TIMED.replace("[1.2, .inf]", "[1.05, .inf]"),
        ["criterion.range: identical code differs by up to 1.1 in time, got [1.05, inf]; set its ends at 1.1 or more"],
    ),
    "times without a clock": (GOOD, TIMED.replace("clock: cpu, ", ""), ["criterion.clock: is required for a timed"]),
    "resplits of unknown size": (
        RULE,
        f"parameters: {{real: population}}\n{RULE}",
        ["real: population needs n_train and n_test, and experiments.toy.shifted does not return both; return them"],
    ),
    "a condition twice": ("d: {shift: 2.0}", "d: {shift: 3.0}", ["conditions.d: must differ from 'b', or both count"]),
    "a condition twice by a default": (
        "d: {shift: 2.0}",
        "d: {shift: 3.0, size: 1}",
        ["conditions.d: must differ from 'b', or both count; change a parameter or drop it"],
    ),
    "a control that changes nothing": (
        "base: a, shift: 0.0",
        "base: a",
        ["controls.negative.none: must differ from the condition 'a'; change a parameter"],
    ),
    "a word for a number": (
        "d: {shift: 2.0}",
        "d: {shift: strong}",
        ["conditions.d.shift: must be a number, got 'strong'; the trial shifted says what it is"],
    ),
    "a yes for a number": ("d: {shift: 2.0}", "d: {shift: yes}", ["conditions.d.shift: must be a number, got True"]),
    "a list for a number": (
        "d: {shift: 2.0}",
        "d: {shift: 2.0, size: [1, 2]}",
        ["conditions.d.size: must be a whole number, got [1, 2]"],
    ),
    "a curve of words": (GOOD, curve("[a, b, c, d]"), ["a.sizes: must be a list of 4 to 6 numbers, got ['a', 'b'"]),
    "no mapping of parameters": (
        "  d: {shift: 2.0}",
        "  d: 2.0",
        ["conditions.d: must be a mapping such as {name: value}, got 2.0"],
    ),
    "no list of sections": ("sections: [2]", "sections: 2", ["guide.sections: must be a list such as [first, second]"]),
    "no whole number": (
        "quantifier:",
        "max_replicates: many\nquantifier:",
        ["max_replicates: must be a whole number, got 'many'"],
    ),
    "a private function": ("toy.shifted", "toy._shifted", ["experiments.toy has no function '_shifted'; did you mean"]),
    "negative margin": ("margin: 0.5", "margin: -0.5", ["margin", "-0.5"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_claim_file_is_told_in_one_line(project, mistake, told_in_process):
    before, after, told = MISTAKES[mistake]
    assert before in GOOD
    project.claim("toy/some-claim", GOOD.replace(before, after, 1))
    shown = told_in_process("check")
    lines = [line for line in shown.splitlines() if line.strip()]
    assert all(part in shown for part in told), shown
    assert len(lines) == 1, shown
    assert lines[0].startswith("claims: ")


def test_the_unchanged_files_are_accepted(project, seen):
    project.claim("toy/some-claim", GOOD)
    project.claim("toy/some-curve", CURVE)
    project.claim("toy/some-times", TIMED.replace("[1.2, .inf]", "[0, 0.9]"))
    assert project.run("check").returncode == 0


def test_every_fault_of_a_file_is_told_at_once(project, told_in_process):
    project.claim(
        "toy/some-claim",
        GOOD.replace("a: treated", "a: x")
        .replace("why: visible", "")
        .replace("margin: 0.5, ", "margin: 0.5")
        .replace("typically", "always")
        .replace("[2]", "[96]"),
    )
    shown = told_in_process("check")
    assert len(shown.strip().splitlines()) >= 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("reproduce", "nothing/*"), "no claim matches 'nothing/*'"),
        (("reproduce", "some-clam"), "did you mean 'some-claim'?"),
        (("run", "claim=toy/some-clam"), "there is no claim 'toy/some-clam'; did you mean 'toy/some-claim'?"),
        (("run", "claim=glob(*)"), "patterns are for the suite"),
        (("run", "claim=[toy/some-claim,toy/other]"), "claim"),
        (("reproduce", "profile=quik"), "profile/quik"),
        (("reproduce", "engine=slurm"), "engine/slurm"),
        (("accept",), "is no evidence"),
        (("merge", "nowhere.sqlite"), "there is no such store"),
        (("new", "Toy/Claim"), "is written topic/id"),
        (("new", "other/some-claim"), "is taken by toy/some-claim"),
        (("run",), "claim: is required"),
        (("run", "toy/some-claim"), "claim: is written claim=toy/some-claim"),
        (("run", "claim=toy/some-claim", "profile=quik"), "overrides: In 'config': Could not find 'profile/quik'"),
        (
            ("run", "claim=toy/some-claim", "claim.conditions.a.shfit=1"),
            "Could not override 'claim.conditions.a.shfit'",
        ),
        (("show", "some-claim"), "some-claim: there is no evidence yet; run claims reproduce some-claim"),
        (("diff", "toy/*"), "toy/*: there is no evidence yet; run claims reproduce toy/*"),
        (("chek",), "invalid choice: 'chek'"),
        (("new", "toy/other", "--like", "toy/some-claim", "--trial", "x"), "--trial: not allowed with argument --like"),
    ],
)
def test_a_mistake_on_the_command_line_is_told(project, seen, arguments, told):
    project.claim("toy/some-claim", GOOD)
    done = project.run(
        *(a if a != "accept" else "accept" for a in arguments),
        *(["toy/some-claim"] if arguments == ("accept",) else []),
    )
    assert done.returncode == 2
    assert told in seen(done)
    assert seen(done).startswith("claims: ")
    assert len(seen(done).strip().splitlines()) == 1
    assert not (project.root / "build" / "reproduction").exists()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("import no_such_library", "(ModuleNotFoundError: No module named 'no_such_library'); mend the module"),
        ("def broken(:", "cannot be imported (SyntaxError: "),
    ],
)
def test_a_module_that_cannot_be_imported(project, told_in_process, line, told):
    """Told by the check, and by a run before it computes anything."""
    project.claim("toy/some-claim", GOOD)
    module = project.root / "experiments" / "toy.py"
    module.write_text(f"{line}\n{module.read_text()}")
    for command in ("check", "reproduce"):
        shown = told_in_process(command)
        assert shown.startswith("claims: toy/some-claim: trial: experiments.toy cannot be imported (")
        assert told in shown


def test_a_trial_that_imports_the_library_around_it(project, told_in_process):
    project.claim("toy/some-claim", GOOD)
    module = project.root / "experiments" / "toy.py"
    module.write_text(f"from claims import statistics\n{module.read_text()}")
    assert told_in_process("check") == (
        "claims: toy/some-claim: trial: experiments.toy must import nothing of claims, got an import; leave it out\n"
    )


def test_two_claims_of_one_id(project, told_in_process):
    project.claim("toy/some-claim", GOOD)
    project.claim("other/some-claim", GOOD)
    assert "the id 'some-claim' is already taken by other/some-claim" in told_in_process("check")
