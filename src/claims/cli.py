"""The command line: one command per verb of the README. The only importer of Hydra."""

import argparse
import fnmatch
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from claims import __version__
from claims.errors import ClaimsError, nearest

# What an exit code says, but for 2: the message above it says what is wrong with the command, a file or the host.
MEANING = {
    1: "verdict drift: a verdict or label differs from the committed one",
    3: "a verdict became invalid: a control or a trial failed",
    4: "incomplete: every finished replicate is stored, and the same command goes on from there",
}
# Where the output is no terminal, tables get a width of their own and lines are never cut.
console = Console(width=None if sys.stdout.isatty() else 140)


def say(text: str) -> None:
    """Prints a line, never wrapped, so that it can be searched for."""
    console.print(text, highlight=False, soft_wrap=True)


def find_root() -> Path:
    """The project's root: the nearest folder above the current one with conf/claim, else the one of this package."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "conf" / "claim").is_dir():
            return folder
    root = Path(__file__).resolve().parents[2]
    if not (root / "conf" / "claim").is_dir():
        raise ClaimsError(f"{here}: there is no conf/claim here or above; change into the project's folder")
    return root


def compose(root: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """The root configuration with overrides, as plain values.

    Raises:
        ClaimsError: Hydra does not accept an override.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(root / "conf"), version_base="1.3"):
            return _plain(OmegaConf.to_container(hydra_compose("config", list(overrides)), resolve=True))
    except (HydraException, OmegaConfBaseException) as error:
        raise ClaimsError(_overrides_fault(error)) from None


def _overrides_fault(error: Exception) -> str:
    """What Hydra says of an override, in one line and without its search path."""
    told = re.split(r" (?:Config search path|full_key|See https)\b", " ".join(str(error).split()))[0]
    return f"overrides: {told}; run claims run --cfg job claim=topic/id to see the keys"


def _plain(config: Any) -> dict[str, Any]:
    return {str(key): value for key, value in config.items()}


class Session:
    """A composed configuration with what the commands derive from it."""

    def __init__(self, root: Path, config: Mapping[str, Any]) -> None:
        """Reads places, settings and guide; nothing is computed or written."""
        from claims import guide
        from claims.reproduction import EngineSettings, Places
        from claims.runner import Settings

        self.config = config
        paths = config["paths"]
        self.places = Places(root, root / "conf", root / paths["reports"], root / paths["build"])
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
        tracking = config["tracking"]
        self.artifacts = root / str(tracking.get("artifacts") or "build/mlflow-artifacts")
        self.uri = _located(tracking["uri"], root)

    def claims(self, patterns: Sequence[str] = ()) -> dict[str, Any]:
        """Checked claims by `topic/id`; a pattern that matches nothing is an error."""
        from claims import schema

        return self.checked(select(schema.files(self.places.conf), patterns))

    def checked(self, paths: Iterable[str]) -> dict[str, Any]:
        """Checked claims by `topic/id`."""
        from claims import contract, schema

        files = schema.files(self.places.conf)
        faults, found = [], {}
        for path in paths:
            try:
                found[path] = contract.checked(files[path], self.guide)
            except ClaimsError as error:
                faults.append(str(error))
        if faults:
            raise ClaimsError("\n".join(faults))
        return found

    def committed(self) -> dict[str, Any]:
        """Committed evidence by `topic/id`."""
        from claims import evidence

        return evidence.read_all(self.places.reports)

    def computed(self, claims: Sequence[Any]) -> Any:
        """What a run of the claims gives, with its progress on the terminal."""
        from claims import reproduction
        from claims.progress import Shown
        from claims.store import Store

        store = Store(self.places.store)
        with Shown(console, len(claims)) as shown:
            outcome = reproduction.run(claims, self.settings, self.engine, store, shown.told)
        store.close()
        return outcome


def _located(uri: Any, root: Path) -> str | None:
    """The tracking URI with a relative SQLite path resolved once, so that no working directory can scatter runs."""
    relative = uri is not None and re.match(r"sqlite:///(?!/)", str(uri))
    return f"sqlite:///{root / str(uri).removeprefix('sqlite:///')}" if relative else uri and str(uri)


def select(files: Mapping[str, Path], patterns: Sequence[str]) -> list[str]:
    """Names that match any of the patterns (all without patterns); an id without its topic will do.

    Raises:
        ClaimsError: A pattern matches nothing.
    """
    if not patterns:
        return list(files)
    chosen: set[str] = set()
    for pattern in patterns:
        name = "/".join(Path(pattern).with_suffix("").parts[-2:]) if pattern.endswith(".yaml") else pattern
        hits = [path for path in files if fnmatch.fnmatchcase(path, name) or path.partition("/")[2] == name]
        if not hits:
            raise ClaimsError(f"claim: no claim matches {pattern!r}{_hint(name, files)}; claims list shows them all")
        chosen |= set(hits)
    return [path for path in files if path in chosen]


def _hint(name: str, files: Mapping[str, Path]) -> str:
    return nearest(name, files if "/" in name else [path.partition("/")[2] for path in files], "")


def reproduce(session: Session, paths: Sequence[str], one: bool = False) -> int:
    """Runs claims, writes evidence and pages beside the committed ones, mirrors to MLflow and compares."""
    from claims import evidence, reproduction, schema
    from claims.progress import claim_table

    drifts, outcome = judged(session, paths)
    target = session.places.reproduction(session.profile)
    reproduction.remove_strangers(target, schema.files(session.places.conf))
    _pages(session, target)
    if outcome.computed or one:
        found = {path: evidence.read(target / "evidence" / f"{path}.json") for path in drifts}
        if outcome.computed:
            _mirror(session, found, target, exploratory=False)
        for record in found.values() if one else ():
            console.print(claim_table(record))
    return _concluded(session, list(drifts.values()), outcome)


def judged(session: Session, paths: Sequence[str]) -> tuple[dict[str, Any], Any]:
    """Brings claims to their verdicts and writes the evidence; how they compare with what is committed, and the run."""
    from rich.progress import track

    from claims import reproduction
    from claims.unchanged import Memory

    places, settings = session.places, session.settings
    target = places.reproduction(session.profile)
    memory = Memory(places, target, settings)
    drifts = memory.recalled(paths)
    claims = session.checked(path for path in paths if path not in drifts)
    stored = [claim for path, claim in claims.items() if path in memory.stored]
    finished = reproduction.judged(stored, settings, places, target)
    shown = track(finished, "judging", len(stored), console=console, transient=True, disable=not console.is_terminal)
    drifts |= {drift.claim: drift for drift in shown if drift is not None}
    outcome = session.computed([claim for path, claim in claims.items() if path not in drifts])
    drifts |= {drift.claim: drift for drift in reproduction.write(outcome, places, target)}
    memory.keep(drift for path, drift in drifts.items() if path not in outcome.unsettled)
    return {path: drifts[path] for path in paths if path in drifts}, outcome


def _pages(session: Session, reports: Path, site: Path | None = None) -> None:
    """Builds the pages of a folder of reports, and the site where one is given, unless they are as the last time."""
    from claims import unchanged

    places = session.places
    methods = places.root / "docs" / "how-verdicts-are-made.md"
    stamp = places.build / "unchanged" / f"{reports.name}-pages.txt"
    parts = unchanged.code(), session.guide, methods, places.root / "CITATION.cff", reports, site
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == unchanged.digest(*parts):
        return
    from claims import report

    report.build(reports, session.guide)
    if site is not None:
        from claims.report import site as pages

        told = methods if methods.is_file() else None
        pages.build(reports, site, session.guide, pages.trial_source(places.root), told)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(unchanged.digest(*parts), encoding="utf-8")


def _concluded(session: Session, drifts: Sequence[Any], outcome: Any) -> int:
    from claims.progress import suite_table
    from claims.reproduction import exit_code

    quick = session.profile == "quick"
    judged = [d for d in drifts if d.before is not None]
    # A quick run with too few replicates to decide does not contradict what is committed.
    same = [d for d in judged if d.reproduced or (quick and d.after == "inconclusive")]
    if len(drifts) > 1 or len(same) < len(judged):
        console.print(suite_table(drifts))
    if outcome.damaged:
        say(f"stored results that were changed after they were written, left out and computed again: {outcome.damaged}")
    for path in outcome.noisy:
        say(
            f"{path}: not timed (the host is too noisy now, or another run computes); committed evidence stays in force"
        )
    incomplete = [path for path, run in outcome.runs.items() if not run.done and path not in outcome.noisy]
    for path in incomplete:
        say(f"{path}: incomplete; run the command again, what is stored is kept")
    new = len(drifts) - len(judged)
    console.print(
        f"{len(same)} of {len(judged)} verdicts reproduced"
        + (f", {new} new (make accept commits {'it' if new == 1 else 'them'})" if new else "")
        + f"; {outcome.computed:,} replicates computed, {outcome.cpu_seconds:.0f} CPU seconds",
        highlight=False,
    )
    if quick:
        drifts = [d for d in drifts if d.after != "inconclusive" or d.before is None]
    return exit_code(drifts, bool(incomplete))


def _mirror(session: Session, found: Mapping[str, Any], folder: Path | None, exploratory: bool) -> None:
    """Mirrors evidence to MLflow; a store that cannot be written costs a line, not the run."""
    from claims import evidence, schema, tracking
    from claims.reproduction import code_revision

    if session.uri is None:
        return
    files = schema.files(session.places.conf)
    runs, figures = {}, {}
    for path in found:
        file = (folder or session.places.reports) / "runs" / f"{path}.json"
        runs[path] = evidence.read(file) if file.is_file() else {}
        figure = (folder or session.places.reports) / "figures" / f"{path}.svg"
        if figure.is_file() and not exploratory:
            figures[path] = figure.read_bytes()
    try:
        tracking.mirror(
            list(found.values()), runs, uri=session.uri, artifacts=session.artifacts, profile=session.profile,
            revision=code_revision(session.places.root), claim_files={path: files[path] for path in found},
            figures=figures, exploratory=exploratory, suite={"claims": len(found)} if len(found) > 1 else None,
        )  # fmt: skip
    except ClaimsError as error:
        console.print(
            f"MLflow: {escape(str(error))}\nThe evidence is not affected; claims sync writes it to MLflow later."
        )


def run_one(root: Path, config: Mapping[str, Any], choice: str | None, overrides: Sequence[str]) -> int:
    """`claims run`: one claim as Hydra composed it; exploratory where it differs from its file."""
    from claims import contract, evidence, schema
    from claims.progress import claim_table

    session = Session(root, config)
    files = schema.files(session.places.conf)
    if not choice or not config.get("claim"):
        raise ClaimsError("claim: is required; name one as claim=topic/id (claims list shows them all)")
    topic, _, id = choice.partition("/")
    claim = contract.accepted(schema.claim_of(dict(config["claim"]), topic, id), session.guide)
    default = schema.read_yaml(root / "conf" / "config.yaml")  # Hydra cannot compose twice in one process
    changed = claim != schema.load(files[choice]) or any(config[key] != default[key] for key in ("base_seed", "alpha"))
    if not changed:
        return reproduce(session, [choice], one=True)
    # Overridden runs have a store of their own name space anyway: their keys differ by parameters.
    outcome = session.computed([claim])
    found = {path: evidence.assemble(run, None) for path, run in outcome.runs.items() if run.done}
    for record in found.values():
        console.print(claim_table(record))
    _mirror(session, found, None, exploratory=True)
    console.print(
        f"exploratory ({escape(' '.join(overrides))}): in MLflow and here, not in the reports", highlight=False
    )
    return 0 if found else 4


def hydra_command(argv: Sequence[str]) -> int:
    """`claims run`: hands the command line to Hydra."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from claims import schema

    root = find_root()
    files = schema.files(root / "conf")
    for argument in argv:
        key, _, value = argument.partition("=")
        if argument in files:
            raise ClaimsError(f"claim: is written claim={argument}, got {argument!r}")
        if key == "claim" and not any(c in value for c in ",([") and value not in files:
            raise ClaimsError(f"claim: there is no claim {value!r}{_hint(value, files)}; claims list shows them all")
        if key == "claim" and value.startswith("glob("):
            raise ClaimsError("claim: patterns are for the suite; use claims reproduce 'topic/*'")
        if key == "claim" and "," in value and not {"-m", "--multirun"} & set(argv):
            raise ClaimsError("claim: several claims need -m (a sweep), or claims reproduce with their names")
    codes: list[int] = []

    def main(config: Any) -> None:
        state = HydraConfig.get()
        choice = state.runtime.choices.get("claim")
        overrides = [o for o in state.overrides.task if not o.startswith("claim=")]
        plain = _plain(OmegaConf.to_container(config, resolve=True))
        codes.append(_guarded(lambda: run_one(root, plain, choice, overrides)))

    sys.argv = ["claims run", *argv]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else it prints its errors itself, in many lines
    try:
        hydra.main(config_path=str(root / "conf"), config_name="config", version_base="1.3")(main)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ClaimsError(_overrides_fault(error)) from None
    except SystemExit as stop:  # Hydra has printed what is wrong with the command line
        return 2 if stop.code else 0
    return max(codes, default=0)


def _reproduce_command(args: argparse.Namespace) -> int:
    from claims import schema

    session = _session(args)
    index, count = args.shard or (1, 1)
    return reproduce(session, select(schema.files(session.places.conf), args.patterns)[index - 1 :: count])


def _session(args: argparse.Namespace) -> Session:
    root = find_root()
    return Session(root, compose(root, getattr(args, "overrides", [])))


def _list_command(args: argparse.Namespace) -> int:
    from claims import schema
    from claims.progress import coloured, table

    session = _session(args)
    committed = session.committed()
    files = schema.files(session.places.conf)
    shown = table("claim", "verdict", "quantifier", "statement")
    for path in select(files, args.patterns):
        claim = schema.load(files[path])
        verdict = coloured(committed[path]["verdict"]["label"]) if path in committed else "(no evidence)"
        shown.add_row(path, verdict, claim.quantifier, escape(claim.statement))
    console.print(shown)
    return 0


def _show_command(args: argparse.Namespace) -> int:
    from claims.progress import claim_table

    session = _session(args)
    committed = session.committed()
    for path in _recorded(session, committed, args.patterns):
        console.print(claim_table(committed[path]))
    return 0


def _recorded(session: Session, records: Mapping[str, Any], patterns: Sequence[str]) -> list[str]:
    """Names that match and have evidence; none is an error."""
    from claims import schema

    files = dict.fromkeys(records, Path()) | schema.files(session.places.conf)
    found = [path for path in select(files, patterns) if path in records]
    if patterns and not found:
        raise ClaimsError(f"{' '.join(patterns)}: there is no evidence yet; run claims reproduce {' '.join(patterns)}")
    return found


def _check_command(args: argparse.Namespace) -> int:
    from claims import evidence, tryout
    from claims.fingerprint import trial_sha256

    session = _session(args)
    claims = session.claims(args.patterns)
    faults = [fault for claim in claims.values() for fault in session.guide.strangers(claim)]
    committed = session.committed()
    faults += _undeclared(session, claims, committed)
    if session.profile == "standard":  # which publishes; a quick run may end open
        faults += [fault for claim in claims.values() for fault in tryout.out_of_reach(claim, session.settings)]
    if faults:
        raise ClaimsError("\n".join(faults))
    for path in sorted(committed.keys() & claims.keys()):
        if trial_sha256(claims[path].trial) != committed[path]["trial_sha256"]:
            say(f"{path}: the trial changed since its evidence; a run tells whether its outcomes did")
        for told in evidence.skewed(committed[path]):
            say(f"{path}: {told}: errors at the margin are likelier than alpha; consider ratio, winrate or a median")
    if args.run:
        from claims import contract

        contract.refuse_broken_modules(claims.values())
        for claim in claims.values():
            say(tryout.report(claim, session.settings))
    say(f"{len(claims)} claim file{'s keep' if len(claims) != 1 else ' keeps'} every rule")
    return 0


def _undeclared(session: Session, claims: Mapping[str, Any], committed: Mapping[str, Any]) -> Iterator[str]:
    """Claims whose declaration is no longer that of their evidence; only the standard profile can tell."""
    from claims import plan, reproduction
    from claims.runner import looks_of

    for path in sorted(committed.keys() & claims.keys()) if session.profile == "standard" else ():
        claim = claims[path]
        declaration = plan.declaration(claim, session.settings.alpha, looks_of(claim, session.settings))
        try:
            reproduction.refuse_undeclared(declaration, committed[path], claim)
        except ClaimsError as error:
            yield str(error)


def _explain_command(args: argparse.Namespace) -> int:
    from claims.progress import table
    from claims.runner import ClaimRun
    from claims.store import Store

    session = _session(args)
    store = Store(session.places.store)
    for path, claim in session.claims(args.patterns).items():
        known = store.results(path)
        run = ClaimRun(claim, session.settings, known)
        waiting = run.step()
        shown = table("condition", "stored", "would run", "why", title=path)
        for cell in [*run.conditions, *run.controls]:
            name, stream = cell.cell.name, cell.cell.stream
            stored = sum(known[key].count for key in cell.jobs.keys(cell.looks[-1]) if key in known)
            ahead = sum(len(job.seeds) for job in waiting if (job.cell, job.stream) == (name, stream))
            other = sum(r.count for r in known.values() if r.cell == name) - stored
            why = "next look" if stored else "nothing stored for this trial, parameters, seeds and versions"
            why += f"; {other} stored of earlier ones stay apart" * bool(other)
            shown.add_row(name, str(stored), str(ahead), why if ahead else "-")
        console.print(shown)
    store.close()
    return 0


def _diff_command(args: argparse.Namespace) -> int:
    from claims import evidence
    from claims.progress import suite_table

    session = _session(args)
    rerun = evidence.read_all(session.places.reproduction(session.profile))
    committed = session.committed()
    drifts = [evidence.drift(committed.get(p), rerun[p]) for p in _recorded(session, rerun, args.patterns)]
    console.print(suite_table(drifts))
    return int(any(d.before is not None and not d.reproduced for d in drifts))


def _accept_command(args: argparse.Namespace) -> int:
    from claims import report, reproduction, schema

    session = _session(args)
    files = schema.files(session.places.conf)
    claims = session.claims(args.patterns)
    folders = (session.places.reproduction("standard"), session.places.reports)
    known = {path for path in claims for folder in folders if (folder / "evidence" / f"{path}.json").is_file()}
    paths = [path for path in claims if args.patterns or path in known]
    changed = reproduction.accept(paths, claims, session.places, session.settings, files)
    report.build(session.places.reports, session.guide)
    for path in changed:
        say(f"accepted {path}")
    say(f"{len(changed)} changed, {len(paths) - len(changed)} as committed")
    return 0


def _report_command(args: argparse.Namespace) -> int:
    session = _session(args)
    places = session.places
    _pages(session, places.reports, places.build / "site")
    say(f"pages built in {places.reports.relative_to(places.root)}/, the site in {places.build}/site/index.html")
    return 0


def _merge_command(args: argparse.Namespace) -> int:
    from claims.store import Store

    session = _session(args)
    store = Store(session.places.store)
    with store.writing():
        for path in map(Path, args.stores):
            if not path.is_file():
                raise ClaimsError(f"{path}: there is no such store; name the store.sqlite of each shard")
            say(f"{path}: {store.merge(Store(path))} results merged")
    store.close()
    return 0


def _sync_command(args: argparse.Namespace) -> int:
    session = _session(args)
    _tracked(session)
    _mirror(session, session.committed(), None, exploratory=False)
    return 0


def _stability_command(args: argparse.Namespace) -> int:
    from claims import evidence, report, schema, stability

    session = _session(args)
    places, found = session.places, {}
    for seed in args.seeds:
        own = [f"base_seed={seed}", f"paths.build={places.build / 'stability' / str(seed)}", "tracking=none"]
        other = Session(places.root, compose(places.root, [*args.overrides, *own]))
        say(f"base seed {seed}:")
        _, outcome = judged(other, select(schema.files(places.conf), args.patterns))
        if outcome.noisy:
            say(f"not timed, this host is too noisy now: {', '.join(outcome.noisy)}")
        found[seed] = evidence.read_all(other.places.reproduction(session.profile))
    standard = session.profile == "standard"
    file = (places.reports if standard else places.build) / f"stability{'' if standard else f'-{session.profile}'}.md"
    committed = session.committed()
    report.write(file, stability.page(committed, found))
    flips = [change for change in stability.changes(committed, found) if change.flip]
    for change in flips:
        say(f"{change.claim}: {change.before} under the committed base seed, {change.after} under {change.seed}")
    say(f"{len(stability.changes(committed, found))} verdicts differ, {len(flips)} are the opposite; see {file}")
    return int(bool(flips))


def _coverage_command(args: argparse.Namespace) -> int:
    from claims.progress import table
    from claims.report.tables import picture, reasons

    session = _session(args)
    committed = session.committed()
    entries = {entry.path: entry for entry in session.guide.ledger.values()}
    if args.patterns:
        for path in select(dict.fromkeys(entries, Path()), args.patterns):
            entry = entries[path]
            state = committed[path]["verdict"]["label"] if path in committed else entry.reason or "open"
            say(escape(f"{path} ({state}; lines {entry.lines}): {entry.claim}"))
        return 0
    shown = table("section", "about", "tested", "open", "not testable, because", right=("section", "open"))
    parts = session.guide.coverage(committed.values())
    for part in parts:
        labels = ", ".join(sorted(record["verdict"]["label"] for record in part.tested))
        reason = escape(reasons(part))
        shown.add_row(f"{part.section.number}", part.section.name, labels, f"{len(part.open)}", reason)
    console.print(shown)
    say(picture(parts))
    return 0


def _new_command(args: argparse.Namespace) -> int:
    from claims import authoring

    session = _session(args)
    for path in authoring.create(args.name, args.like, args.trial, session.places.root, session.guide):
        say(f"wrote {path.relative_to(session.places.root)}")
    say(f"next: fill it in, then claims check --run {args.name}")
    return 0


def _schema_command(args: argparse.Namespace) -> int:
    import json

    from claims import schema

    print(json.dumps(schema.json_schema(), indent=1))
    return 0


def _tracked(session: Session) -> str:
    if session.uri is None:
        raise ClaimsError("tracking: none is configured; add tracking=sqlite")
    return session.uri


def _ui_command(args: argparse.Namespace) -> int:
    from claims import tracking

    session = _session(args)
    tracking.serve(_tracked(session), session.artifacts, port=args.port)
    return 0


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"a shard is written i/n with 1 <= i <= n, got {text!r}")
    return int(index), int(count)


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, as all others are told."""

    def error(self, message: str) -> Any:
        raise ClaimsError(f"{message}; see {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    root = _Parser(prog="claims", description="Claims of a machine-learning guide on trial.")
    root.add_argument("--version", action="version", version=f"claims {__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str, function: Callable[[argparse.Namespace], int], told: str, patterns: bool = True
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=told, description=told)
        command.set_defaults(function=function)
        if patterns:
            command.add_argument(
                "arguments",
                nargs="*",
                metavar="CLAIM|KEY=VALUE",
                help="topic/id, a pattern such as 'topic/*', or an override such as profile=quick",
            )
        return command

    commands.add_parser(
        "run", help="one claim through Hydra: claims run claim=topic/id [overrides]; claims run --help", add_help=False
    )
    add("reproduce", _reproduce_command, "Run claims and compare with the committed evidence.").add_argument(
        "--shard", type=_shard, metavar="I/N", help="only every N-th claim, for job arrays"
    )
    add("list", _list_command, "List the claims with their committed verdicts.")
    add("show", _show_command, "Show committed evidence.")
    add("check", _check_command, "Check claim files without running them.").add_argument(
        "--run", action="store_true", help="also run two replicates of each condition: rules, cost, power"
    )
    add("explain", _explain_command, "Say what is stored, what would run and why.")
    add("diff", _diff_command, "Compare the last run with the committed evidence.")
    add("accept", _accept_command, "Copy changed evidence of the last standard run into the reports.")
    add("report", _report_command, "Build the pages from committed evidence.")
    add("sync", _sync_command, "Write committed evidence to MLflow.")
    stability = add("stability", _stability_command, "Run claims under other base seeds and compare the verdicts.")
    stability.add_argument("--seeds", nargs="+", type=int, default=[1, 2], metavar="SEED", help="base seeds (1 2)")
    add("coverage", _coverage_command, "Show what became of every section of the guide, or list its claims.")
    add("schema", _schema_command, "Print the JSON Schema of a claim file.", patterns=False)
    new = add("new", _new_command, "Start a claim file.", patterns=False)
    new.add_argument("name", metavar="TOPIC/ID")
    start = new.add_mutually_exclusive_group()
    start.add_argument("--like", metavar="TOPIC/ID", help="start from this claim's file")
    start.add_argument("--trial", metavar="MODULE.NAME", help="use this trial, such as experiments.generic.compare")
    merge = add("merge", _merge_command, "Merge the stores of shards into this one.", patterns=False)
    merge.add_argument("stores", nargs="+", metavar="STORE")
    add("ui", _ui_command, "Serve MLflow in the browser, on this machine only.", patterns=False).add_argument(
        "--port", type=int, default=5000
    )
    return root


def _guarded(command: Callable[[], int]) -> int:
    """Runs a command; an error that its user can mend is one line, an interrupt says what is kept."""
    try:
        return command()
    except ClaimsError as error:
        for line in str(error).splitlines():
            print(f"claims: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        kept = str(stop) or "nothing was being computed, and every finished replicate is stored"
        print(f"claims: stopped; {kept}", file=sys.stderr)
        return 4
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"claims: {error}; free the path or its disk and run the command again; nothing is lost", file=sys.stderr)
        return 2


def _stopped(*_: Any) -> None:
    """Ends the command, once: stopping takes less than 5 s, and a second signal would only cut its words short."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the `claims` command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    signal.signal(signal.SIGTERM, _stopped)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as in the background
        signal.signal(signal.SIGINT, _stopped)

    def command() -> int:
        root = find_root()
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        if arguments[:1] == ["run"]:
            return hydra_command(arguments[1:])
        args = parser().parse_args(arguments)
        given = getattr(args, "arguments", [])
        args.overrides = [text for text in given if "=" in text]
        args.patterns = [text for text in given if "=" not in text]
        return int(args.function(args))

    code = _guarded(command)
    if code in MEANING:
        print(f"claims: {MEANING[code]} (exit code {code})", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
