"""Evidence goes into MLflow and comes out as it was; what stands in the way is one clear line."""

import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pyarrow.parquet
import pytest

from claims import evidence, tracking
from claims.errors import TrackingError

INF, NAN = float("inf"), float("nan")
RUN = {"cpu_seconds": 12.5, "wall_seconds": 7.0, "replicates": 56, "date": "2026-11-22", "cost": {"first": 12.5}}


def condition(name, label="holds", ns=(8, 16), high=0.4, **more):
    looks = [
        {"n": n, "estimate": 0.3 + n / 1000, "low": 0.2, "high": INF if n == 8 else high, "ph": 0.001, "pf": 1.0}
        for n in ns
    ]
    last = looks[-1]
    return {
        "name": name, "parameters": {"alpha": 0.1}, "real": None, "label": label, "reason": "", "n": ns[-1],
        "failed": 0, "state": "decided", "looks": looks, **{key: last[key] for key in last if key != "n"},
        "outcomes": {"a": [0.5] * ns[-1], "curve": [[0.1, NAN]] * ns[-1]}, "failures": [], **more,
    }  # fmt: skip


def record(id="l1-zeroes", topic="regularization", label="supported", **declaration):
    conditions = [condition("first"), condition("second", "fails", reason="the interval | lies below the margin")]
    control = condition(
        "no-penalty", "fails", ns=(8,), role="negative", base="first", passes=True, why="fails", rerun=False
    )
    return {
        "format": 1, "id": id, "topic": topic, "statement": "L1 zeroes weights.", "quantifier": "can", "kind": "diff",
        "guide": {"sections": [2, 41], "lines": ["55-56", "60"]},
        "criterion_text": "a is higher than b by more than 0.2",
        "declaration": {
            "criterion": {"all": [{"kind": "diff", "a": "a", "b": "b", "margin": 0.2}, {"kind": "level", "a": "a"}]},
            "conditions": {"first": {"alpha": 0.1, "sizes": [1, 2]}, "second": {"alpha": 0.1}}, **declaration,
        },
        "declaration_sha256": "d" * 64, "trial": "experiments.toy.shifted", "base_seed": 7, "controls": [control],
        "verdict": {
            "label": label, "reason": "", "k": 1, "count": 2, "p_hold": 0.002, "p_fail": NAN,
            "holds": ["first"], "holds_star": [], "fails": ["second"], "open": [],
        },
        "conditions": conditions,
    }  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Folder of a database in which three claims of two topics and the suite were mirrored once."""
    root = tmp_path_factory.mktemp("with space")
    claim = root / "claim.yaml"
    claim.write_text("statement: L1 zeroes weights.\n", encoding="utf-8")
    many = {f"option_{i}": i for i in range(230)} | {"long": "word " * 2000, "odd@key#": 1}
    records = [record(), record("dropout-helps", label="refuted"), record("grid", "search", **many)]
    paths = [f"{r['topic']}/{r['id']}" for r in records]
    write(root, records, figures={paths[0]: b"<svg/>"}, claim_files=dict.fromkeys(paths, claim), suite=True)
    return root


def write(root, records, **options):
    paths = [f"{r['topic']}/{r['id']}" for r in records]
    places = {"uri": f"sqlite:///{root}/mlflow.db", "artifacts": root / "files"}
    defaults = places | {
        "runs": dict.fromkeys(paths, RUN),
        "profile": "quick",
        "revision": "0123456789ab",
        "claim_files": {},
    }
    tracking.mirror(records, **defaults | options)


@pytest.fixture(scope="module")
def client(store):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{store}/mlflow.db")


def runs_of(client, topic, text=""):
    found = client.search_runs([client.get_experiment_by_name(topic).experiment_id], text)
    return {run.info.run_name: run for run in found}


def artifact(client, run, name):
    return Path(client.download_artifacts(run.info.run_id, name)).read_bytes()


def test_a_run_tells_verdict_cost_and_declaration(client):
    run = runs_of(client, "regularization", "tags.verdict = 'supported' and tags.exploratory = 'false'")["l1-zeroes"]
    expected = {"verdict": "supported", "holds": "1 of 2", "quantifier": "can", "kind": "diff", "sections": "2, 41"}
    shared = {"profile": "quick", "revision": "0123456789ab", "exploratory": "false"}
    assert run.data.tags.items() >= (expected | shared).items()
    assert run.data.params["statement"] == "L1 zeroes weights."
    assert run.data.params["criterion.all.2.kind"] == "level"
    assert run.data.params["conditions.first.sizes"] == "[1, 2]"
    assert run.data.params["run.date"] == "2026-11-22"
    assert run.data.metrics.items() >= {"cost_cpu_seconds": 12.5, "replicates": 56, "p_hold": 0.002}.items()
    assert "p_fail" not in run.data.metrics  # undefined, which is not 0
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 7000


def test_metrics_grow_with_the_looks(client):
    run = runs_of(client, "regularization")["dropout-helps"]
    history = {name: client.get_metric_history(run.info.run_id, f"{name}/second") for name in tracking.SERIES}
    assert [(m.step, m.value) for m in history["effect"]] == [(8, 0.308), (16, 0.316)]
    assert [(m.step, m.value) for m in history["n"]] == [(8, 8), (16, 16)]
    assert [(m.step, m.value) for m in history["high"]] == [(16, 0.4)]  # infinite at the first look


def test_files_are_those_of_the_evidence(client):
    run = runs_of(client, "regularization")["l1-zeroes"]
    names = [file.path for file in client.list_artifacts(run.info.run_id)]
    assert names == ["claim.yaml", "evidence.json", "figure.svg", "replicates.parquet"]
    assert artifact(client, run, "evidence.json").decode() == evidence.text(record())
    assert artifact(client, run, "claim.yaml") == b"statement: L1 zeroes weights.\n"
    table = pyarrow.parquet.read_table(io.BytesIO(artifact(client, run, "replicates.parquet")))
    assert table.column_names == ["condition", "role", "replicate", "a", "curve"]
    assert table.num_rows == 16 + 16 + 8
    assert table.to_pylist()[-1] | {"curve": 0} == {
        "condition": "no-penalty", "role": "negative", "replicate": 7, "a": 0.5, "curve": 0,
    }  # fmt: skip


def test_the_limits_of_mlflow_are_kept(client):
    params = runs_of(client, "search")["grid"].data.params
    assert {f"option_{i}" for i in range(230)} <= params.keys()
    assert params["odd_key_"] == "1"
    assert len(params["long"]) <= 6000
    assert params["long"].endswith("word\n\n[cut]")


def test_the_suite_has_a_run_that_leads_to_the_others(client):
    (run,) = runs_of(client, "suite", "tags.profile = 'quick'").values()
    counts = {"claims": 3, "supported": 2, "refuted": 1, "conditional": 0, "inconclusive": 0, "invalid": 0}
    assert run.data.metrics == counts | {"cost_cpu_seconds": 37.5, "replicates": 168}
    text = run.data.tags["mlflow.note.content"]
    assert text.startswith("**3 claims: 1 refuted, 2 supported.**")
    target = runs_of(client, "regularization")["dropout-helps"].info
    assert f"[regularization/dropout-helps](#/experiments/{target.experiment_id}/runs/{target.run_id})" in text
    assert text.index("dropout-helps") < text.index("l1-zeroes")  # refuted first


def test_the_database_is_in_wal_mode_and_experiments_are_of_machine_learning(store, client):
    with sqlite3.connect(store / "mlflow.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    experiment = client.get_experiment_by_name("regularization")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert experiment.artifact_location == (store / "files" / "regularization").as_uri()


def test_the_same_evidence_again_is_another_run_without_a_word(store, client, capfd):
    experiment = client.get_experiment_by_name("search").experiment_id
    client.delete_experiment(experiment)  # as by a click in the browser
    write(store, [record("grid", "search")], exploratory=True)
    assert capfd.readouterr() == ("", "")
    found = client.search_runs([experiment], "attributes.run_name = 'grid'")
    assert {run.data.tags["exploratory"] for run in found} == {"true", "false"}


def test_a_cost_that_nobody_knows_is_left_out(store, client):
    write(store, [record("grid", "search")], runs={}, profile="full", suite=True)
    (run,) = runs_of(client, "suite", "tags.profile = 'full'").values()
    assert run.data.metrics.keys() == {"claims", *tracking.VERDICTS}


def test_the_note_shows_every_condition_and_control():
    text = tracking.note(record()).replace(3 * tracking.HARD_SPACE, "").replace(tracking.HARD_SPACE, " ")
    assert text.startswith("**Supported: L1 zeroes weights.**")
    assert "Can: 1 of 2 conditions hold, 1 needed." in text
    assert "Criterion: A is higher than b by more than 0.2. Guide: sections 2, 41, lines 55-56, 60." in text
    assert "| first | holds | 16 | 0.316 | [0.2, 0.4] |  |" in text
    assert "| second | fails | 16 | 0.316 | [0.2, 0.4] | the interval / lies below the margin |" in text
    assert "| no-penalty (negative control) | fails, as it should | 8 | 0.308 | [0.2, inf] | fails |" in text
    assert text.endswith("`make claim CLAIM=regularization/l1-zeroes`")


def test_nothing_to_write_writes_nothing(tmp_path):
    write(tmp_path, [])
    assert not list(tmp_path.iterdir())


def test_mlflow_is_imported_only_to_write():
    code = "import sys, claims.tracking; sys.exit(bool({'mlflow', 'pyarrow', 'uvicorn'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], env=environment(), check=False).returncode == 0


@pytest.mark.parametrize(
    ("uri", "line"),
    [
        ("sqlite:///{}/file/mlflow.db", "file/mlflow.db: MLflow cannot be written"),
        ("sqlite:///{}", "unable to open database file"),
        ("sqlite:///{}/file", "not a database of this MLflow version; delete it, then run `claims sync`"),
        ("sqlite:///", "tracking.uri: must be sqlite:///path or http(s)://host:port, got 'sqlite:///'"),
        ("mlruns", "tracking.uri: must be"),
    ],
)
def test_a_place_that_cannot_be_written(tmp_path, uri, line):
    (tmp_path / "file").write_text("not a database, only text that is long enough to be taken for a header\n" * 10)
    with pytest.raises(TrackingError) as error:
        write(tmp_path, [record()], uri=uri.format(tmp_path))
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_locked_database(store, client, monkeypatch):
    monkeypatch.setattr(tracking.writer, "LOCKED", 0.05)
    other = sqlite3.connect(store / "mlflow.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        TrackingError, match="another program has locked its database; stop that, then run `claims sync`"
    ):
        write(store, [record()])
    other.close()


def test_a_database_of_another_mlflow_version(store, client, tmp_path):
    with sqlite3.connect(store / "mlflow.db") as source, sqlite3.connect(tmp_path / "mlflow.db") as copied:
        source.backup(copied)
        copied.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    source.close()
    copied.commit()
    copied.close()
    with pytest.raises(TrackingError, match="not a database of this MLflow version; delete it, then run `claims sync`"):
        write(tmp_path, [record()])


def test_a_database_that_came_from_another_folder(store, client, tmp_path):
    with pytest.raises(TrackingError, match=r"made for files in file://.*; delete it, then run `claims sync`"):
        write(store, [record()], artifacts=tmp_path)


def test_a_folder_of_files_that_cannot_be_written(store, client):
    (store / "files" / "regularization").rename(store / "files" / "moved")
    (store / "files" / "regularization").write_text("in the way")
    try:
        with pytest.raises(TrackingError, match=r"MLflow cannot be written .*Not a directory"):
            write(store, [record("in-the-way")])
    finally:
        (store / "files" / "regularization").unlink()
        (store / "files" / "moved").rename(store / "files" / "regularization")
    assert runs_of(client, "regularization")["in-the-way"].info.status == "FAILED"


def test_a_server_that_does_not_answer(tmp_path):
    with pytest.raises(TrackingError, match="MLflow cannot be written"):
        write(tmp_path, [record()], uri=f"http://127.0.0.1:{free_port()}")


def test_serve_refuses_what_it_cannot_do(store, client, tmp_path, capsys):
    uri = f"sqlite:///{store}/mlflow.db"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            TrackingError, match=rf"^port {port} on 127.0.0.1: address .*; choose another: make ui PORT=\d+$"
        ):
            tracking.serve(uri, store / "files", port=port)
    with pytest.raises(TrackingError, match="no MLflow database yet; run `make reproduce` or `claims sync`"):
        tracking.serve(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    tracking.serve("http://localhost:5000", tmp_path)
    assert capsys.readouterr().out == "MLflow runs at http://localhost:5000: open it in a browser\n"


def test_serve_opens_on_runs_and_ends_with_ctrl_c(store, client):
    port = free_port()
    call = f"tracking.serve('sqlite:///{store}/mlflow.db', pathlib.Path('{store}/files'), port={port})"
    code = f"import pathlib; from claims import tracking; {call}"
    server = subprocess.Popen([sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        page = answer(f"http://127.0.0.1:{port}/", server)
        assert '"mlflow.workflowType_v1", "\\"machine_learning\\""' in page
        assert page.count("tags.`verdict`") == 3 * 3  # choice, place and width, for two topics and MLflow's Default
        telemetry = json.loads(answer(f"http://127.0.0.1:{port}/ajax-api/3.0/mlflow/ui-telemetry", server))
        assert telemetry["disable_ui_telemetry"] is True
        info = runs_of(client, "regularization")["l1-zeroes"].info
        address = f"http://127.0.0.1:{port}/get-artifact?path=figure.svg&run_uuid={info.run_id}"
        assert answer(address, server) == "<svg/>"
    finally:
        server.send_signal(signal.SIGINT)
        printed, _ = server.communicate(timeout=60)
    assert server.returncode == 0
    assert f"MLflow: http://127.0.0.1:{port}/#/experiments (Ctrl-C stops it)" in printed


def answer(address, server):
    while True:
        try:
            with urllib.request.urlopen(address, timeout=60) as response:
                return response.read().decode()
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            assert server.poll() is None
            time.sleep(0.2)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment():
    root = Path(__file__).resolve().parents[1]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
