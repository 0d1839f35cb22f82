"""A certificate says what the record says, and whoever holds it against another record is told."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.entities.record import Artifact, RunId, RunRecord
from gittrack.errors import Conflict, Damaged
from gittrack.git import signing
from gittrack.repro import attest
from gittrack.repro.attest import PAYLOAD_TYPE, Verified, statement, verify
from gittrack.repro.recorded import newest_repetition
from gittrack.repro.verify import Tolerance
from gittrack.store.objects import FileStore
from tests.conftest import git
from tests.keys import allow, gpg_home, needs_gpg, needs_ssh, sign_with, ssh_key
from tests.repro.helpers import again, commit, gittrack, job, opened, recorded, session_of

LAST = """\
import gittrack
with gittrack.start_run(run_name="{name}"):
    gittrack.log_metric("x", {value})
"""


def certificate(root: Path, run: RunRecord, *, sign: bool = True) -> bytes:
    session = session_of(root)
    said = statement(session, run.run_id, newest_repetition(session, run.run_id))
    return sealed(root, said, sign=sign)


def sealed(root: Path, said: dict[str, Any], *, sign: bool = True) -> bytes:
    message = attest.to_sign(PAYLOAD_TYPE, attest.payload(said))
    return attest.seal(said, signing.sign(opened(root)[0], message) if sign else None)


def said_by(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(content)["payload"]))
    return found


def standings(found: Verified) -> dict[str, str]:
    return {one.what: one.standing for one in found.findings}


@pytest.fixture
def run(repo: Path) -> RunRecord:
    """A run that was reproduced, in a repository that signs with an ssh key which it knows."""
    key = ssh_key(repo.parent)
    sign_with(repo, key)
    allow(repo, {"ada@example.org": key})
    found = recorded(repo)
    again(repo, found)
    return found


@needs_ssh
def test_a_signed_certificate_holds_where_the_run_is(repo: Path, run: RunRecord) -> None:
    content = certificate(repo, run)

    found = verify(session_of(repo), content)

    assert (found.exit_code, found.verdict, found.run_id) == (0, "identical", run.run_id)
    assert set(standings(found)) == {"signature", "run", "artifact model.txt", "code", "reproduction"}
    assert set(standings(found).values()) == {"holds"}
    assert "by ada@example.org, key SHA256:" in found.findings[0].text


@needs_ssh
def test_it_is_a_statement_of_in_toto_in_an_envelope_of_dsse(repo: Path, run: RunRecord) -> None:
    content = certificate(repo, run)

    envelope, said = json.loads(content), said_by(content)

    assert set(envelope) == {"payloadType", "payload", "signatures"}
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert [set(one) for one in envelope["signatures"]] == [{"keyid", "sig"}]
    assert set(said) == {"_type", "subject", "predicateType", "predicate"}
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert re.fullmatch(r"[a-z][\w+.-]*:\S+v1", said["predicateType"])
    seals = session_of(repo).seals(run.run_id)
    assert said["subject"] == [
        {"name": f"run/{run.run_id}", "digest": {"sha256": seals[0]}},
        {"name": "artifact/model.txt", "digest": {"sha256": run.artifacts[0].digest}},
    ]
    assert run.code is not None
    assert {"name": "commit", "digest": {"gitCommit": run.code.captured}} in said["predicate"]["materials"]
    assert said["predicate"]["reproduction"]["metrics"] == {"series": 1, "points": 5, "differ": []}


def test_what_is_signed_is_the_encoding_of_the_specification() -> None:
    given_there = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"

    assert attest.to_sign("http://example.com/HelloWorld", b"hello world") == given_there


@given(st.text(), st.binary(), st.text(), st.binary())
def test_no_two_pairs_of_type_and_body_are_signed_as_one(
    kind: str, body: bytes, other_kind: str, other_body: bytes
) -> None:
    same = attest.to_sign(kind, body) == attest.to_sign(other_kind, other_body)

    assert same == ((kind, body) == (other_kind, other_body))


@needs_ssh
def test_a_payload_that_was_changed_is_not_what_was_signed(repo: Path, run: RunRecord) -> None:
    content = json.loads(certificate(repo, run))
    said = said_by(json.dumps(content).encode())
    said["predicate"]["reproduction"]["verdict"] = "equivalent"
    content["payload"] = base64.b64encode(attest.payload(said)).decode()

    found = verify(session_of(repo), json.dumps(content).encode())

    assert found.exit_code == 5
    assert standings(found)["signature"] == "differs"
    assert standings(found)["reproduction"] == "differs"


CLAIMS: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "run": ("run", lambda said: said["subject"][0]["digest"].update(sha256="0" * 64)),
    "artifact": ("run", lambda said: said["subject"][1]["digest"].update(sha256="0" * 64)),
    "another subject": ("run", lambda said: said["subject"].append({"name": "x", "digest": {}})),
    "command": ("run", lambda said: said["predicate"]["command"]["argv"].append("--fast")),
    "commit": ("run", lambda said: said["predicate"]["materials"][0]["digest"].update(gitCommit="1" * 40)),
    "verdict": ("reproduction", lambda said: said["predicate"]["reproduction"].update(verdict="different")),
    "points": ("reproduction", lambda said: said["predicate"]["reproduction"]["metrics"].update(points=6)),
}


@needs_ssh
def test_a_signer_who_says_what_the_record_does_not_is_contradicted(repo: Path, run: RunRecord) -> None:
    honest = said_by(certificate(repo, run))
    for what, lie in CLAIMS.values():
        said = json.loads(json.dumps(honest))
        lie(said)

        found = verify(session_of(repo), sealed(repo, said))

        assert (found.exit_code, standings(found)["signature"], standings(found)[what]) == (
            5,
            "holds",
            "differs",
        )


@needs_ssh
def test_an_artifact_that_was_changed_is_named(repo: Path, run: RunRecord) -> None:
    content = certificate(repo, run)
    (artifact,) = run.artifacts
    assert isinstance(artifact, Artifact)
    path = FileStore(opened(repo)[1]).path(artifact.digest)
    path.chmod(0o644)
    path.write_text("other weights")

    changed = verify(session_of(repo), content)
    path.unlink()
    gone = verify(session_of(repo), content)

    assert (changed.exit_code, standings(changed)["artifact model.txt"]) == (5, "differs")
    assert (gone.exit_code, standings(gone)["artifact model.txt"]) == (0, "not here")


@needs_ssh
def test_unsigned_or_by_an_unknown_or_revoked_key_is_unproven(repo: Path, run: RunRecord) -> None:
    content = certificate(repo, run)
    other = ssh_key(repo.parent, "other")
    sign_with(repo, other)
    strange = certificate(repo, run)

    assert verify(session_of(repo), certificate(repo, run, sign=False)).exit_code == 1
    assert verify(session_of(repo), strange).exit_code == 1
    both = json.loads(content)
    both["signatures"] = [*json.loads(strange)["signatures"], {"sig": "AAAA"}, *both["signatures"]]
    assert verify(session_of(repo), json.dumps(both).encode()).exit_code == 0
    git(repo, "config", "gpg.ssh.revocationFile", str(repo.parent / "key.pub"))
    revoked = verify(session_of(repo), content)
    assert revoked.exit_code == 1
    assert "which does not count" in revoked.findings[0].text


@needs_ssh
def test_in_a_clone_what_is_not_there_is_said(repo: Path, run: RunRecord, tmp_path: Path) -> None:
    content = certificate(repo, run)
    empty, full = tmp_path / "empty", tmp_path / "full"
    git(tmp_path, "clone", "-q", f"file://{repo}", str(empty))
    commit(repo)
    git(tmp_path, "clone", "-q", f"file://{repo}", str(full))
    for clone in (empty, full):
        allow(clone, {"ada@example.org": repo.parent / "key"})

    without, with_run = verify(session_of(empty), content), verify(session_of(full), content)

    assert (without.exit_code, standings(without)) == (1, {"signature": "holds", "run": "unproven"})
    assert with_run.exit_code == 0
    assert standings(with_run)["code"] == "holds"
    assert standings(with_run)["artifact model.txt"] == "not here"


@needs_ssh
def test_a_run_that_was_resumed_since_is_not_the_one_that_was_certified(repo: Path, run: RunRecord) -> None:
    content = certificate(repo, run)
    code = f"import gittrack\nwith gittrack.start_run('{run.run_id}'): gittrack.log_metric('loss', 0, 9)"
    job(repo, "python", "-c", code)

    found = verify(session_of(repo), content)

    assert (found.exit_code, standings(found)["run"]) == (5, "differs")


@needs_ssh
def test_a_tag_or_a_name_of_later_changes_nothing_that_was_certified(repo: Path, run: RunRecord) -> None:
    content = certificate(repo, run)
    gittrack(repo, "tag", run.run_id, "stage=production", "mlflow.runName=other")

    assert verify(session_of(repo), content).exit_code == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"[" * 100_000,
        b'{"payloadType": "application/vnd.in-toto+json", "payload": "!", "signatures": []}',
        attest.seal({"_type": "https://in-toto.io/Statement/v0.1"}, None),
        attest.seal(
            {"_type": attest.STATEMENT_TYPE, "predicateType": "https://slsa.dev/provenance/v1"}, None
        ),
        attest.seal({"_type": attest.STATEMENT_TYPE, "predicateType": attest.PREDICATE_TYPE}, None),
        attest.seal(
            {
                "_type": attest.STATEMENT_TYPE,
                "predicateType": attest.PREDICATE_TYPE,
                "subject": 1,
                "predicate": {"run": {"id": "../x"}, "reproduction": None},
            },
            None,
        ),
    ],
    ids=range(9),
)
def test_what_is_no_certificate_is_called_so(repo: Path, content: bytes) -> None:
    found = verify(session_of(repo), content)

    assert (found.exit_code, found.run_id, standings(found)) == (5, None, {"certificate": "differs"})


def test_a_signature_is_read_in_either_alphabet() -> None:
    said = {"_type": attest.STATEMENT_TYPE, "predicateType": attest.PREDICATE_TYPE, "x": "\u00ff\u00fe???>>>"}
    envelope = json.loads(attest.seal(said, signing.Signature("key", b"\xff\xfe\xfb")))
    envelope["signatures"][0]["sig"] = base64.urlsafe_b64encode(b"\xff\xfe\xfb").decode()

    assert attest.read(json.dumps(envelope).encode()).signatures == (b"\xff\xfe\xfb",)
    envelope["signatures"] *= 17
    with pytest.raises(Damaged, match="17 signatures"):
        attest.read(json.dumps(envelope).encode())


@needs_ssh
def test_a_tolerance_is_part_of_what_is_certified(repo: Path) -> None:
    key = ssh_key(repo.parent)
    sign_with(repo, key)
    allow(repo, {"ada@example.org": key})
    noise = "import random, gittrack\nwith gittrack.start_run(): gittrack.log_metric('x', 1 + random.random() / 1e6)"
    run = recorded(repo, {"train.py": noise})
    again(repo, run)
    session = session_of(repo)
    repeat = newest_repetition(session, run.run_id)
    content = sealed(repo, statement(session, run.run_id, repeat, Tolerance(rtol=1e-3)))

    found = verify(session_of(repo), content)

    assert (found.exit_code, found.verdict) == (0, "equivalent")
    assert "within rtol 0.001" in found.findings[-1].text


@needs_ssh
def test_a_tolerance_for_one_metric_is_part_of_what_is_certified(repo: Path) -> None:
    key = ssh_key(repo.parent)
    sign_with(repo, key)
    allow(repo, {"ada@example.org": key})
    noise = "import random, gittrack\nwith gittrack.start_run(): gittrack.log_metric('x', 1 + random.random() / 1e6)"
    run = recorded(repo, {"train.py": noise})
    again(repo, run)

    gittrack(repo, "attest", run.run_id, "--rtol", "x=1e-3", "-o", "x.json")
    other = gittrack(repo, "attest", run.run_id, "--rtol", "y=1e-3", "-o", "y.json")
    found = verify(session_of(repo), (repo / "x.json").read_bytes())

    assert "different" in other
    assert (found.exit_code, found.verdict) == (0, "equivalent")
    assert "rtol 0.001 in x" in found.findings[-1].text


def test_a_file_that_the_record_lacks_makes_nothing_uncertain_where_it_came_back(repo: Path) -> None:
    code = """\
import gittrack, os, random
with gittrack.start_run():
    gittrack.log_metric("size", os.path.exists("secret.pem") + random.random() / 2)
"""
    run = recorded(repo, {"train.py": code, "secret.pem": "key"})

    def verdict() -> tuple[str | None, str]:
        report = again(repo, run)
        session = session_of(repo)
        said = statement(session, run.run_id, newest_repetition(session, run.run_id))
        return report.verdict, said["predicate"]["reproduction"]["verdict"]

    back = verdict()
    (repo / "secret.pem").write_text("another key")
    changed = verdict()

    assert (back, changed) == (("different", "different"), ("inconclusive", "inconclusive"))


def test_what_is_not_a_repetition_or_has_not_ended_is_not_certified(repo: Path) -> None:
    one, two = (recorded(repo, {"train.py": LAST.format(name=name, value=1)}) for name in ("first", "second"))
    with pytest.raises(Conflict, match="does not repeat"):
        statement(session_of(repo), one.run_id, two.run_id)
    code = "import gittrack, os; print(gittrack.start_run().info.run_id, flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=repo, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    running = RunId(process.stdout.readline().strip())
    with pytest.raises(Conflict, match="has not ended"):
        statement(session_of(repo), running, None)
    process.communicate("\n")


@needs_ssh
def test_the_command_line_reproduces_signs_and_verifies(repo: Path) -> None:
    key = ssh_key(repo.parent)
    sign_with(repo, key)
    run = recorded(repo)

    refused = gittrack(repo, "attest", run.run_id, check=False)
    made = gittrack(repo, "attest", run.run_id, "--repro", "-o", "a.json")
    unknown = gittrack(repo, "verify", "a.json", check=False)
    allow(repo, {"ada@example.org": key})
    verified = gittrack(repo, "verify", "a.json")
    plain = gittrack(repo, "attest", run.run_id, "--no-sign", "--without-verdict")
    (repo / "b.json").write_text(plain)
    both = json.loads(gittrack(repo, "verify", "a.json", "b.json", "--json", check=False))

    assert "--without-verdict" in refused
    assert "identical, signed with SHA256:" in made
    assert unknown.startswith("unproven: a.json, run ")
    assert "by a key that is not known here" in unknown
    assert verified.startswith("verified: a.json, run ")
    assert [one["exit_code"] for one in both["certificates"]] == [0, 1]
    assert both["exit_code"] == 1


@needs_gpg
def test_a_certificate_is_signed_with_gpg_as_well(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded(repo)
    with gpg_home(monkeypatch) as key:
        content = certificate(repo, run)
        found = verify(session_of(repo), content)

    assert found.exit_code == 0
    assert found.verdict is None
    assert key in found.findings[0].text
