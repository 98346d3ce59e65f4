"""A composed configuration and what follows from it: places, settings, claims, and the way to verdicts and pages."""

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.progress import track

from claims import contract, environments, evidence, guide, reproduction, schema, tracking, unchanged
from claims.errors import ClaimsError, nearest
from claims.evidence import Drift, Evidence
from claims.progress import Shown, console
from claims.reproduction import EngineSettings, Places, SuiteRun
from claims.runner import Settings
from claims.schema import Claim
from claims.store import Store


class Session:
    """What the commands share."""

    def __init__(self, root: Path, config: Mapping[str, Any]) -> None:
        """Reads places, settings and guide; nothing is computed or written.

        Raises:
            ClaimsError: A setting is unknown or has no such value.
        """
        self.config = config
        paths, tracked = config["paths"], config["tracking"]
        conf = schema.conf_of(root)
        self.inside = conf.parent == root
        reports = root / paths["reports"] if self.inside else conf.parent / "reports"
        self.places = Places(root, conf, reports, root / paths["build"])
        self.profile = str(config["profile"]["name"])
        try:
            self.engine = EngineSettings(**config["engine"])
        except TypeError as error:
            raise ClaimsError(f"engine: {str(error).partition(') ')[2] or error}; see conf/engine/local.yaml") from None
        looks = tuple(int(n) for n in config["profile"]["looks"])
        if list(looks) != sorted(set(looks)) or not looks or looks[0] < 3:
            raise ClaimsError(f"profile.looks: must be growing numbers of replicates, got {list(looks)}")
        self.settings = Settings(looks, float(config["alpha"]), int(config["base_seed"]), self.engine.seconds)
        self.guide = guide.load(self.places.conf)
        self.artifacts = root / str(tracked.get("artifacts") or "build/mlflow-artifacts")
        self.uri = _located(tracked["uri"], root)

    def need_project(self) -> None:
        """Refuses to write into what an installed package carries.

        Raises:
            ClaimsError: The current folder is in no project.
        """
        if not self.inside:
            raise ClaimsError(
                f"{self.places.root}: is in no checkout of the project, which this writes to; clone it first"
            )

    @property
    def target(self) -> Path:
        """Where a run of this profile leaves evidence and pages."""
        return self.places.reproduction(self.profile)

    @cached_property
    def files(self) -> dict[str, Path]:
        """Claim files by `topic/id`."""
        return schema.files(self.places.conf)

    def claims(self, paths: Iterable[str]) -> dict[str, Claim]:
        """Checked claims by `topic/id`.

        Raises:
            ClaimsError: A file breaks a rule; one line for each that does.
        """
        faults, found = [], {}
        for path in paths:
            try:
                found[path] = contract.checked(self.files[path], self.guide)
            except ClaimsError as error:
                faults.append(str(error))
        if faults:
            raise ClaimsError("\n".join(faults))
        return found

    def committed(self) -> dict[str, Evidence]:
        """Committed evidence by `topic/id`."""
        return evidence.read_all(self.places.reports)

    def computed(self, claims: Sequence[Claim]) -> SuiteRun:
        """What a run of the claims gives, with its progress on the terminal."""
        store = Store(self.places.store)
        with Shown(console, len(claims)) as shown:
            suite = reproduction.run(claims, self.settings, self.engine, store, shown.told)
        store.close()
        return suite

    def judged(self, paths: Sequence[str]) -> tuple[dict[str, Drift], SuiteRun]:
        """Brings claims to their verdicts and writes the evidence; how they compare with the committed, and the run."""
        memory = unchanged.Memory(self.places, self.target, self.settings)
        drifts = memory.recalled(paths)
        claims = self.claims(path for path in paths if path not in drifts)
        stored = [claim for path, claim in claims.items() if path in memory.stored]
        finished = reproduction.judged(stored, self.settings, self.places, self.target)
        quiet = not console.is_terminal
        shown = track(finished, "judging", len(stored), console=console, transient=True, disable=quiet)
        drifts |= {drift.claim: drift for drift in shown if drift is not None}
        suite = self.computed([claim for path, claim in claims.items() if path not in drifts])
        drifts |= {drift.claim: drift for drift in reproduction.write(suite, self.places, self.target)}
        memory.keep(drift for path, drift in drifts.items() if path not in suite.unsettled)
        return {path: drifts[path] for path in paths if path in drifts}, suite

    def build_pages(self, reports: Path, site: Path | None = None) -> None:
        """Builds the pages of a folder of reports, and the site where one is given, unless all is as the last time."""
        places = self.places
        documents = [places.root / "docs" / f"{name}.md" for name in ("how-verdicts-are-made", "limits")]
        stamp = places.build / "unchanged" / f"{reports.name}-pages.txt"
        known = environments.load(places.conf)
        parts = unchanged.code(), self.guide, known, *documents, places.root / "CITATION.cff", reports, site
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == unchanged.digest(*parts):
            return
        from claims import report

        report.build(reports, self.guide, known)
        if site is not None:
            from claims.report import site as pages

            told = [file for file in documents if file.is_file()]
            pages.build(reports, site, self.guide, pages.trial_source(places.root), told, known)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(unchanged.digest(*parts), encoding="utf-8")

    def mirror(self, found: Mapping[str, Evidence], folder: Path, exploratory: bool = False) -> None:
        """Mirrors evidence to MLflow, with run files and figures from `folder`.

        A store that cannot be written costs a line, not the run.
        """
        if self.uri is None:
            return
        runs, figures = {}, {}
        for path in found:
            file, figure = folder / "runs" / f"{path}.json", folder / "figures" / f"{path}.svg"
            runs[path] = evidence.read(file) if file.is_file() else {}
            if figure.is_file() and not exploratory:
                figures[path] = figure.read_bytes()
        try:
            tracking.mirror(
                list(found.values()), runs, uri=self.uri, artifacts=self.artifacts, profile=self.profile,
                revision=reproduction.code_revision(self.places.root),
                claim_files={path: self.files[path] for path in found}, figures=figures, exploratory=exploratory,
                suite=len(found) > 1,
            )  # fmt: skip
        except ClaimsError as error:
            console.print(
                f"MLflow: {escape(str(error))}\nThe evidence is not affected; claims sync writes it to MLflow later."
            )


def _located(uri: Any, root: Path) -> str | None:
    """The tracking URI with a relative SQLite path resolved once, so that no working directory can scatter runs."""
    relative = uri is not None and re.match(r"sqlite:///(?!/)", str(uri))
    return f"sqlite:///{root / str(uri).removeprefix('sqlite:///')}" if relative else uri and str(uri)


def select(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Names `topic/id` that match any of the patterns (all without patterns); an id without its topic will do.

    Raises:
        ClaimsError: A pattern matches nothing.
    """
    names = list(names)
    chosen: set[str] = set()
    for pattern in patterns:
        name = "/".join(Path(pattern).with_suffix("").parts[-2:]) if pattern.endswith(".yaml") else pattern
        hits = [path for path in names if fnmatch.fnmatchcase(path, name) or path.partition("/")[2] == name]
        if not hits:
            raise ClaimsError(f"claim: no claim matches {pattern!r}{hint(name, names)}; claims list shows them all")
        chosen |= set(hits)
    return [path for path in names if path in chosen or not patterns]


def hint(name: str, names: Iterable[str]) -> str:
    """The nearest of the names for one that is misspelt, with or without its topic."""
    return nearest(name, names if "/" in name else [path.partition("/")[2] for path in names], "")
