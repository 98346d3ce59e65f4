"""A small project in a temporary folder, written from source strings as a user would write it."""

import importlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from claims import cli, fingerprint

# As in a worker: the test processes share the cores, and the threads of one would wait for those of the other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]

TRIALS = '''
"""Trials of known truth."""

import os
import time
from pathlib import Path

import numpy as np

KEPT = []


def shifted(seed: int, *, shift: float, size: int = 1) -> dict[str, float]:
    """Two arms whose expected difference is `shift`, with sd 1; `size` only tells conditions apart."""
    noise = np.random.default_rng(seed).normal(size=2)
    return {"treated": float(shift + noise[0]), "plain": float(0.5 * noise[1])}


def block(seeds, *, shift: float, size: int = 1) -> dict[str, np.ndarray]:
    """The same, a block of seeds at once; a shift of 7 gives a NaN in each third row."""
    rows = [shifted(seed, shift=shift) for seed in seeds]
    found = {name: np.array([row[name] for row in rows]) for name in ("treated", "plain")}
    if shift == 7.0:
        found["treated"][::3] = np.nan
    return found


def rising(seed: int, *, sizes: list[float], shift: float = 1.0) -> dict[str, list[float]]:
    """A curve over `sizes` that rises by `shift` from each to the next."""
    return {"error": [shift * i for i, _ in enumerate(sizes)]}


def timed(seed: int, *, factor: float) -> dict[str, float]:
    """Seconds of two arms of which one takes `factor` times as long, give or take a tenth."""
    return {"slow_s": factor * float(np.exp(0.1 * np.random.default_rng(seed).normal())), "fast_s": 1.0}


def troubled(seed: int, *, kind: str, shift: float = 3.0, size: int = 1) -> dict[str, float]:
    """Goes wrong in the way that `kind` says."""
    if kind == "raises" and seed % 4 == 0:
        raise ValueError("no convergence")
    if kind == "aborts" and seed % 8 == 0:
        os.abort()
    if kind == "hangs" and seed % 8 == 0:
        sum(range(10**15))  # in C, with the interpreter's lock held
    if kind == "hungry":
        KEPT.append(b"x" * 5 * 10**7)
        while seed % 4 == 0:
            KEPT.append(b"x" * 10**7)
        KEPT.clear()
    if kind == "slow":
        time.sleep(0.2)
    if kind == "nan":
        return {"treated": float("nan"), "plain": 0.0}
    if kind == "name":
        return {"treatd": 1.0, "plain": 0.0}
    if kind == "shape":
        return {"treated": [1.0, 2.0], "plain": 0.0}
    return shifted(seed, shift=shift)


def steady(seed: int, *, shift: float, size: int) -> dict[str, float]:
    """`shifted` in 10 ms; a file named by the process says what is under way, another has a byte for each call."""
    with open("calls", "ab") as calls:
        calls.write(b".")
    mark = Path("marks", str(os.getpid()))
    mark.parent.mkdir(exist_ok=True)
    mark.write_text(f"{seed} {shift} {size}")
    time.sleep(0.01)
    mark.write_text("")
    return shifted(seed, shift=shift)
'''

CLAIM = """
statement: Treated is higher than plain.
guide: {{sections: [2], lines: ["50-56"]}}
quantifier: typically
trial: experiments.toy.{trial}
conditions:
  small: {{{extra}shift: {shift}, size: 1}}
  large: {{{extra}shift: {shift}, size: 2}}
  clean: {{{extra}shift: {shift}, size: 3}}
  noisy: {{{extra}shift: {shift}, size: 4}}
criterion: {{kind: diff, a: treated, b: plain, better: higher, margin: 0.5, why: half a unit shows on a plot}}
controls:
  negative: {{none: {{base: small, shift: 0.0, size: 5}}}}
  positive: {{sure: {{base: small, shift: 4.0}}}}
"""

LEAN = """
statement: Treated can be higher than plain.
guide: {{sections: [2], lines: ["50-56"]}}
quantifier: can
trial: experiments.toy.troubled
conditions: {{only: {{kind: {kind}}}}}
criterion: {{kind: diff, a: treated, b: plain, better: higher, margin: 0.5, why: half a unit shows on a plot}}
controls: {{negative: {{none: {{base: only, shift: 0.0}}}}}}
max_replicates: 8
"""

STEADY = """
statement: Treated is higher than plain.
guide: {sections: [2], lines: ["50-56"]}
quantifier: typically
trial: experiments.toy.steady
parameters: {shift: 0.8}
conditions: {first: {size: 1}, second: {size: 2}, third: {size: 3}, fourth: {size: 4}}
criterion: {kind: diff, a: treated, b: plain, better: higher, margin: 0.5, why: half a unit shows on a plot}
controls: {negative: {none: {base: first, shift: 0.0}}, positive: {sure: {base: first, shift: 4.0}}}
max_replicates: 64
"""

ENTRY = {
    "claim": "Treated is higher than plain.", "sections": [2], "lines": "50-60", "sort": "comparative",
    "quantifier": "typically", "wave": 1, "test": "Compare them.", "control": "No shift.",
}  # fmt: skip


@dataclass
class Project:
    """A project folder and the way to run `claims` in it."""

    root: Path

    def entry(self, name: str, **fields: object) -> None:
        """Adds `topic/id` to the ledger, unless it is there."""
        topic, _, id = name.partition("/")
        path = self.root / "conf" / "guide" / "ledger" / f"{topic}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        told = path.read_text(encoding="utf-8") if path.is_file() else ""
        if f"{id}:" not in told.splitlines():
            path.write_text(f"{told}{id}:\n  {json.dumps({**ENTRY, **fields})}\n", encoding="utf-8")

    def claim(self, name: str, text: str) -> Path:
        self.entry(name)
        path = self.root / "conf" / "claim" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def shifted(self, id: str, shift: float, trial: str = "shifted", extra: str = "") -> Path:
        return self.claim(f"toy/{id}", CLAIM.format(trial=trial, shift=shift, extra=extra))

    def troubled(self, id: str, kind: str) -> Path:
        return self.claim(f"toy/{id}", LEAN.format(kind=kind))

    def busy(self) -> None:
        """A claim that takes some seconds, and one of batched trials."""
        self.claim("toy/steady", STEADY)
        self.shifted("block", 0.75, trial="block")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "claims.cli", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(ROOT / "src"), str(self.root)])
        return {**os.environ, "PYTHONPATH": path, "COLUMNS": "160", "PYTHONWARNINGS": "default"}

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )


def new_project(root: Path) -> Project:
    """An empty project: the real configuration, no claims, an empty ledger, and the trials of known truth."""
    for part in ("config.yaml", "profile", "engine", "tracking", "guide/sections.yaml"):
        source, target = ROOT / "conf" / part, root / "conf" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    config = root / "conf" / "config.yaml"  # MLflow has tests of its own; here it would cost seconds per command
    config.write_text(
        config.read_text(encoding="utf-8").replace("tracking: sqlite", "tracking: none"), encoding="utf-8"
    )
    (root / "conf" / "claim" / "toy").mkdir(parents=True)
    (root / "experiments").mkdir()
    (root / "experiments" / "__init__.py").write_text("", encoding="utf-8")
    (root / "experiments" / "toy.py").write_text(TRIALS, encoding="utf-8")
    return Project(root)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_project(tmp_path / "project")


@pytest.fixture(scope="session")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A busy project after a run without accidents."""
    project = new_project(tmp_path_factory.mktemp("steady"))
    project.busy()
    assert project.run("reproduce").returncode == 0
    return project


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of one claim that takes no time, after a run without accidents."""
    project = new_project(tmp_path_factory.mktemp("good"))
    project.shifted("good", 2.0)
    assert project.run("reproduce").returncode == 0
    return project


@pytest.fixture
def experiments_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Makes the `experiments` in a folder the ones that are imported, as in a new process; undone after the test."""

    def modules() -> dict[str, ModuleType]:
        return {n: m for n, m in sys.modules.items() if n == "experiments" or n.startswith("experiments.")}

    def forget() -> None:
        for name in modules():
            del sys.modules[name]
        for function in vars(fingerprint).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()
        importlib.invalidate_caches()

    def use(root: Path) -> None:
        forget()
        monkeypatch.syspath_prepend(str(root))

    before = modules()
    yield use
    forget()
    sys.modules.update(before)


@pytest.fixture
def ran(
    project: Project,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    experiments_at: Callable[[Path], None],
) -> Callable[..., tuple[int, str]]:
    """Exit code and words of a command in this process, since an interpreter costs a second; the workers are real."""

    def run(*arguments: str) -> tuple[int, str]:
        experiments_at(project.root)
        monkeypatch.chdir(project.root)
        code = cli.main(list(arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return code, captured.out + captured.err

    return run


@pytest.fixture
def told_in_process(ran: Callable[..., tuple[int, str]]) -> Callable[..., str]:
    """What a command that ends with 2 says."""

    def told(*arguments: str) -> str:
        code, shown = ran(*arguments)
        assert code == 2
        return shown

    return told


@pytest.fixture
def seen() -> Callable[[subprocess.CompletedProcess[str]], str]:
    """What a command printed, and that it printed no traceback."""

    def text(done: subprocess.CompletedProcess[str]) -> str:
        shown = done.stdout + done.stderr
        assert "Traceback" not in shown, shown
        return shown

    return text


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread of torch, as in a worker."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
