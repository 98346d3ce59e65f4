"""What may enter `reports/`: evidence of a standard run whose claim, declaration and trial are as they are now."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from claims import evidence, plan
from claims.errors import ClaimsError
from claims.evidence import Evidence
from claims.fingerprint import trial_sha256
from claims.reproduction import Places, remove_strangers
from claims.runner import Settings
from claims.schema import Claim, plain

STEP = "add an entry {what, why} to revisions: it draws fresh seeds and keeps the old verdict in the record"


def accept(
    paths: Sequence[str], claims: Mapping[str, Claim], places: Places, settings: Settings, all_claims: Iterable[str]
) -> list[str]:
    """Copies changed evidence of the last standard run into `reports/`; the claims that changed.

    What a claim file says in words alone (statement, notes, literature, review), and what follows from the stored
    outcomes besides the verdict (sensitivity), needs no run: it moves into the evidence in force.

    Raises:
        ClaimsError: No standard run, other settings than the default, a stale run, or a changed declaration or trial
            without a new entry in `revisions`.
    """
    source = places.reproduction("standard")
    accepted = []
    for path in paths:
        claim = claims[path]
        record, run_file = _to_accept(path, source, places)
        _refuse_stale(record, claim, settings)
        kept = places.reports / "evidence" / f"{path}.json"
        committed = evidence.read(kept) if kept.is_file() else None
        if committed is not None:
            refuse_unrevised(record, committed, claim)
            if record["timed"] and evidence.drift(committed, record).reproduced and _same_declared(record, committed):
                record, run_file = committed, None
        follows = {**evidence.texts(claim), "sensitivity": evidence.sensitivity(record)}
        if evidence.write({**record, **follows}, kept):
            if run_file is not None:
                evidence.write(evidence.read(run_file), places.reports / "runs" / f"{path}.json")
            accepted.append(path)
    remove_strangers(places.reports, all_claims)
    return accepted


def _to_accept(path: str, source: Path, places: Places) -> tuple[Evidence, Path | None]:
    """The evidence of the last run with its run file, or what is in force where there was no run."""
    for folder, run_file in ((source, source / "runs" / f"{path}.json"), (places.reports, None)):
        file = folder / "evidence" / f"{path}.json"
        if file.is_file():
            return evidence.read(file), run_file
    raise ClaimsError(f"{path}: there is no evidence of a standard run to accept; run make claim CLAIM={path} first")


def _same_declared(record: Evidence, committed: Evidence) -> bool:
    keys = ("declaration_sha256", "trial_sha256", "revisions", "versions")
    return all(record[key] == committed[key] for key in keys)


def _refuse_stale(record: Evidence, claim: Claim, settings: Settings) -> None:
    path = claim.path
    if record["base_seed"] != settings.base_seed:
        raise ClaimsError(
            f"{path}: was run with base_seed={record['base_seed']}; only the default {settings.base_seed} is accepted"
        )
    declared = plan.sha256(plain(plan.declaration(claim, settings.alpha, record["looks"])))
    if declared != record["declaration_sha256"] or record["trial_sha256"] != trial_sha256(claim.trial):
        raise ClaimsError(f"{path}: claim file or trial changed after the run; run make claim CLAIM={path} again")


def refuse_undeclared(declaration: Mapping[str, Any], committed: Evidence, claim: Claim) -> None:
    """Refuses a declaration that differs from the committed one, unless a revision was added.

    Raises:
        ClaimsError: Names what moved and the next step.
    """
    revisions, before = len(claim.revisions), len(committed["revisions"])
    if revisions < before:
        raise ClaimsError(
            f"{claim.path}: revisions: entries are never removed ({before} committed, {revisions} in the file)"
        )
    if revisions == before and plan.sha256(plain(declaration)) != committed["declaration_sha256"]:
        moved = [k for k in declaration if plain(declaration[k]) != plain(committed["declaration"].get(k))]
        raise ClaimsError(f"{claim.path}: the declaration changed ({', '.join(moved) or 'defaults'}); {STEP}")


def refuse_unrevised(record: Evidence, committed: Evidence, claim: Claim) -> None:
    """Refuses evidence whose declaration, or whose outcomes for the first stored seeds, moved without a revision.

    Raises:
        ClaimsError: Names what moved and the next step.
    """
    refuse_undeclared(record["declaration"], committed, claim)
    if len(claim.revisions) > len(committed["revisions"]) or record["timed"]:
        return
    if record["trial_sha256"] != committed["trial_sha256"]:
        for now, then in zip(record["conditions"], committed["conditions"], strict=True):
            if not _first_agree(now["outcomes"], then["outcomes"]):
                raise ClaimsError(f"{claim.path}: the changed trial gives other outcomes in {now['name']}; {STEP}")


def _first_agree(now: Mapping[str, Any], then: Mapping[str, Any]) -> bool:
    """Whether the outcomes of the first 8 replicates that both know are equal (to 1e-6: processors differ)."""
    for name in now.keys() & then.keys():
        pairs = zip(evidence.flat(now[name][:8]), evidence.flat(then[name][:8]), strict=True)
        if not all(evidence.close(a, b) for a, b in pairs):
            return False
    return bool(now.keys() & then.keys())
