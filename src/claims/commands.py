"""One function for each command; its first line is the help that the command line shows."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from rich.markup import escape

from claims import acceptance, audit, authoring, contract, environments, evidence, plan, reproduction, schema, tracking
from claims.errors import ClaimsError
from claims.evidence import Drift, Evidence
from claims.fingerprint import trial_sha256
from claims.progress import claim_table, coloured, console, say, suite_table, table
from claims.reproduction import SuiteRun
from claims.runner import ClaimRun, looks_of
from claims.schema import Claim
from claims.session import Session, select
from claims.store import Store

# Running ---------------------------------------------------------------------------------------------------------


def run(session: Session, choice: str | None, overrides: Sequence[str]) -> int:
    """Run one claim as Hydra composed it; exploratory where it differs from its file."""
    config = session.config
    if not choice or not config.get("claim"):
        raise ClaimsError("claim: is required; name one as claim=topic/id (claims list shows them all)")
    topic, _, id = choice.partition("/")
    claim = contract.accepted(schema.claim_of(dict(config["claim"]), topic, id), session.guide)
    default = schema.read_yaml(session.places.conf / "config.yaml")  # Hydra cannot compose twice in one process
    own = schema.load(session.files[choice])
    if claim == own and all(config[key] == default[key] for key in ("base_seed", "alpha")):
        return _reproduced(session, [choice], one=True)
    # Overridden runs need no store of their own: their keys differ by parameters.
    suite = session.computed([claim])
    found = {path: evidence.assemble(run, None) for path, run in suite.runs.items() if run.done}
    for record in found.values():
        console.print(claim_table(record))
    session.mirror(found, session.places.reports, exploratory=True)
    console.print(
        f"exploratory ({escape(' '.join(overrides))}): in MLflow and here, not in the reports", highlight=False
    )
    return 0 if found else 4


def reproduce(args: argparse.Namespace) -> int:
    """Run claims and compare with the committed evidence."""
    session: Session = args.session()
    index, count = args.shard or (1, 1)
    return _reproduced(session, select(session.files, args.patterns)[index - 1 :: count])


def _reproduced(session: Session, paths: Sequence[str], one: bool = False) -> int:
    """Runs claims, writes evidence and pages beside the committed ones, mirrors to MLflow and compares."""
    drifts, suite = session.judged(paths)
    target = session.target
    reproduction.remove_strangers(target, session.files)
    session.build_pages(target)
    if suite.computed or one:
        found = {path: evidence.read(target / "evidence" / f"{path}.json") for path in drifts}
        if suite.computed:
            session.mirror(found, target)
        for record in found.values() if one else ():
            console.print(claim_table(record))
    return _concluded(list(drifts.values()), suite, session.profile == "quick")


def _concluded(drifts: Sequence[Drift], suite: SuiteRun, quick: bool) -> int:
    """Says how a run came out; its exit code."""
    judged = [d for d in drifts if d.before is not None]
    same = [d for d in judged if d.reproduced]
    against = [d for d in judged if d.contradicts and not d.reproduced]
    if len(drifts) > 1 or len(same) < len(judged):
        console.print(suite_table(drifts))
    if suite.damaged:
        say(f"stored results that were changed after they were written, left out and computed again: {suite.damaged}")
    for path in suite.noisy:
        say(
            f"{path}: not timed (the host is too noisy now, or another run computes); committed evidence stays in force"
        )
    incomplete = [path for path, run in suite.runs.items() if not run.done and path not in suite.noisy]
    for path in incomplete:
        say(f"{path}: incomplete; run the command again, what is stored is kept")
    new, left = len(drifts) - len(judged), len(judged) - len(same) - len(against)
    console.print(
        f"{len(same)} of {len(judged)} verdicts reproduced"
        + (f", {left} left open by its few replicates, {len(against)} contradicted" if quick and left else "")
        + (f", {new} new (make accept takes {'it' if new == 1 else 'them'} into reports/)" if new else "")
        + f"; {suite.computed:,} replicates computed, {suite.cpu_seconds:.0f} CPU seconds",
        highlight=False,
    )
    if quick:  # too few replicates to decide do not contradict what is committed
        drifts = [d for d in drifts if d.contradicts or d.before is None]
    return reproduction.exit_code(drifts, bool(incomplete))


def compare_seeds(args: argparse.Namespace) -> int:
    """Run claims under other base seeds and compare the verdicts."""
    from claims import report, stability

    session: Session = args.session()
    session.need_project()
    places, standard = session.places, session.profile == "standard"
    file = (places.reports if standard else places.build) / f"stability{'' if standard else f'-{session.profile}'}.json"
    committed = {path: stability.kept(record) for path, record in session.committed().items()}
    found = {int(seed): records for seed, records in (evidence.read(file) if file.is_file() else {}).items()}
    for seed in args.seeds:
        build = places.build / "stability" / str(seed)
        other: Session = args.session(f"base_seed={seed}", f"paths.build={build}", "tracking=none")
        say(f"base seed {seed}:")
        _, suite = other.judged(select(session.files, args.patterns))
        _tell_untimed(suite)
        new = {path: stability.kept(record) for path, record in evidence.read_all(other.target).items()}
        found[seed] = found.get(seed, {}) | new
    found = stability.comparables(committed, found)
    evidence.write({str(seed): records for seed, records in found.items()}, file)
    report.write(file.with_suffix(".md"), stability.page(committed, found))
    differing = stability.changes(committed, found)
    flips = [change for change in differing if change.flip]
    for change in flips:
        say(f"{change.claim}: {change.before} under the committed base seed, {change.after} under {change.seed}")
    say(f"{len(differing)} verdicts differ, {len(flips)} are the opposite; see {file.with_suffix('.md')}")
    return int(bool(flips))


def _tell_untimed(suite: SuiteRun) -> None:
    if suite.noisy:
        say(f"not timed, this host is too noisy now: {', '.join(suite.noisy)}")


def compare_environment(args: argparse.Namespace) -> int:
    """Run claims under the library versions of another environment, and keep that evidence apart."""
    session: Session = args.session()
    session.need_project()
    places, there = session.places, environments.named(session.places.conf, args.name)
    if args.constraints:
        print(there.constraints((places.root / "constraints.txt").read_text(encoding="utf-8")), end="")
        return 0
    there.refuse_others()
    kept, build = places.reports / "environments" / there.name, places.build / "environments" / there.name
    other: Session = args.session(f"paths.build={build}", f"paths.reports={kept}", "tracking=none")
    paths = select(session.files, args.patterns)
    drifts, suite = other.judged(paths)
    claims = other.claims(drifts)
    acceptance.accept(list(drifts), claims, other.places, other.settings, session.files)
    session.build_pages(places.reports, places.build / "site")
    committed = session.committed()
    apart = [p for p, d in drifts.items() if p in committed and committed[p]["verdict"]["label"] != d.after]
    _tell_untimed(suite)
    say(f"{len(apart)} of {len(drifts)} verdicts differ here; see {places.reports / 'environments.md'}")
    return 4 if set(paths) - set(drifts) - set(suite.noisy) else 0


def merge(args: argparse.Namespace) -> int:
    """Merge the stores of shards into this one."""
    session: Session = args.session()
    with closing(Store(session.places.store)) as store, store.writing():
        for path in map(Path, args.stores):
            if not path.is_file():
                raise ClaimsError(f"{path}: there is no such store; name the store.sqlite of each shard")
            say(f"{path}: {store.merge(Store(path))} results merged")
    return 0


# Looking ---------------------------------------------------------------------------------------------------------


def list_claims(args: argparse.Namespace) -> int:
    """List the claims with their committed verdicts."""
    session: Session = args.session()
    committed = session.committed()
    shown = table("claim", "verdict", "quantifier", "statement")
    for path in select(session.files, args.patterns):
        claim = schema.load(session.files[path])
        verdict = coloured(committed[path]["verdict"]["label"]) if path in committed else "(no evidence)"
        shown.add_row(path, verdict, claim.quantifier, escape(claim.statement))
    console.print(shown)
    return 0


def show(args: argparse.Namespace) -> int:
    """Show committed evidence."""
    session: Session = args.session()
    committed = session.committed()
    for path in _recorded(session, committed, args.patterns):
        console.print(claim_table(committed[path]))
    return 0


def _recorded(session: Session, records: Mapping[str, Evidence], patterns: Sequence[str]) -> list[str]:
    """Names that match and have evidence; none is an error."""
    known = dict.fromkeys([*records, *session.files])
    found = [path for path in select(known, patterns) if path in records]
    if patterns and not found:
        raise ClaimsError(f"{' '.join(patterns)}: there is no evidence yet; run claims reproduce {' '.join(patterns)}")
    return found


def diff(args: argparse.Namespace) -> int:
    """Compare the last run with the committed evidence."""
    session: Session = args.session()
    rerun, committed = evidence.read_all(session.target), session.committed()
    drifts = [evidence.drift(committed.get(p), rerun[p]) for p in _recorded(session, rerun, args.patterns)]
    console.print(suite_table(drifts))
    return int(any(d.before is not None and not d.reproduced for d in drifts))


def explain(args: argparse.Namespace) -> int:
    """Say what is stored, what would run and why."""
    session: Session = args.session()
    with closing(Store(session.places.store)) as store:
        for path, claim in session.claims(select(session.files, args.patterns)).items():
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
    return 0


def coverage(args: argparse.Namespace) -> int:
    """Show what became of every section of the guide, or list its claims."""
    from claims.report.tables import picture, reasons

    session: Session = args.session()
    committed = session.committed()
    entries = {entry.path: entry for entry in session.guide.ledger.values()}
    if args.patterns:
        for path in select(entries, args.patterns):
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


def ui(args: argparse.Namespace) -> int:
    """Serve MLflow in the browser, on this machine only."""
    session: Session = args.session()
    tracking.serve(_tracked(session), session.artifacts, port=args.port)
    return 0


def _tracked(session: Session) -> str:
    if session.uri is None:
        raise ClaimsError("tracking: none is configured; add tracking=sqlite")
    return session.uri


# Writing ---------------------------------------------------------------------------------------------------------


def new(args: argparse.Namespace) -> int:
    """Start a claim file."""
    session: Session = args.session()
    session.need_project()
    for path in authoring.create(args.name, args.like, args.trial, session.places.root, session.guide):
        say(f"wrote {path.relative_to(session.places.root)}")
    say(f"next: fill it in, then claims check --run {args.name}")
    return 0


def check(args: argparse.Namespace) -> int:
    """Check claim files without running them."""
    from claims import tryout

    session: Session = args.session()
    claims = session.claims(select(session.files, args.patterns))
    faults = [fault for claim in claims.values() for fault in session.guide.strangers(claim)]
    committed = {path: record for path, record in session.committed().items() if path in claims}
    if session.profile == "standard":  # which publishes; a quick run has other looks, and may end open
        faults += [fault for path in committed for fault in _undeclared(session, claims[path], committed[path])]
        faults += [fault for claim in claims.values() for fault in tryout.out_of_reach(claim, session.settings)]
    if faults:
        raise ClaimsError("\n".join(faults))
    for path, record in committed.items():
        if trial_sha256(claims[path].trial) != record["trial_sha256"]:
            say(f"{path}: the trial changed since its evidence; a run tells whether its outcomes did")
        for told in audit.skewed(record):
            say(f"{path}: {told}: errors at the margin are likelier than alpha; consider ratio, winrate or a median")
    if args.run:
        contract.refuse_broken_modules(claims.values())
        for claim in claims.values():
            say(tryout.report(claim, session.settings))
    say(f"{len(claims)} claim file{'s keep' if len(claims) != 1 else ' keeps'} every rule")
    return 0


def _undeclared(session: Session, claim: Claim, committed: Evidence) -> Iterator[str]:
    """What is wrong where the declaration is no longer that of the evidence."""
    declaration = plan.declaration(claim, session.settings.alpha, looks_of(claim, session.settings))
    try:
        acceptance.refuse_undeclared(declaration, committed, claim)
    except ClaimsError as error:
        yield str(error)


def accept(args: argparse.Namespace) -> int:
    """Copy changed evidence of the last standard run into the reports."""
    from claims import report

    session: Session = args.session()
    session.need_project()
    places = session.places
    claims = session.claims(select(session.files, args.patterns))
    folders = (places.reproduction("standard"), places.reports)
    known = {path for path in claims for folder in folders if (folder / "evidence" / f"{path}.json").is_file()}
    paths = [path for path in claims if args.patterns or path in known]
    changed = acceptance.accept(paths, claims, places, session.settings, session.files)
    report.build(places.reports, session.guide, environments.load(places.conf))
    for path in changed:
        say(f"accepted {path}")
    say(f"{len(changed)} changed, {len(paths) - len(changed)} as committed")
    return 0


def build_pages(args: argparse.Namespace) -> int:
    """Build the pages from committed evidence."""
    session: Session = args.session()
    session.need_project()
    places = session.places
    session.build_pages(places.reports, places.build / "site")
    say(f"pages built in {places.reports.relative_to(places.root)}/, the site in {places.build}/site/index.html")
    return 0


def sync(args: argparse.Namespace) -> int:
    """Write committed evidence to MLflow."""
    session: Session = args.session()
    _tracked(session)
    session.mirror(session.committed(), session.places.reports)
    return 0


def print_schema(_: argparse.Namespace) -> int:
    """Print the JSON Schema of a claim file."""
    print(json.dumps(schema.json_schema(), indent=1))
    return 0
