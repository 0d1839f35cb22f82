"""Certificates: what a run was made from, what came of it, and whether it was reproduced, signed.

A certificate is a Statement of in-toto (v1) in an envelope of DSSE (v1): its subjects are the digests of the run and
of its artifacts, its materials are commit, data and environment. What it says of the run follows from the record, so
whoever has the record can hold one against the other; the verdict follows from the two runs that were compared.

Source: https://github.com/in-toto/attestation/blob/main/spec/v1, https://github.com/secure-systems-lab/dsse.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gittrack.entities.record import Digest, RunId, RunRecord, parse_run_id
from gittrack.errors import Conflict, Damaged, GittrackError, InvalidValue, NotFound
from gittrack.git import patches, recover, signing
from gittrack.git.signing import Signature
from gittrack.repro import swap
from gittrack.repro.recorded import comparisons
from gittrack.repro.tolerance import ALL, Tolerance
from gittrack.repro.verify import Verdict, worst
from gittrack.store.objects import FileStore

if TYPE_CHECKING:
    from gittrack.query.session import Session

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:gittrack:reproduction:v1"
DIFFERS, UNPROVEN = 5, 1  # exit codes of `gittrack verify`
_MOST_SIGNATURES = 16  # each costs several processes

Standing: TypeAlias = Literal["holds", "not here", "unproven", "differs"]


@dataclass(frozen=True)
class Finding:
    """One thing that a certificate says, held against what is here.

    Attributes:
        what: `signature`, `run`, `artifact model.txt`, `code`, `reproduction`, ...
        standing: `holds`; `not here`: nothing to hold it against, which is no fault; `unproven`: it cannot be relied
            on; `differs`: it is not so.
        text: In words.
    """

    what: str
    standing: Standing
    text: str


@dataclass(frozen=True)
class Verified:
    """What a certificate is worth here.

    Attributes:
        run_id: The run that it is about; None when it is no certificate.
        verdict: Of the reproduction that it tells of, None when it tells of none.
        findings: All that was looked at.
    """

    run_id: RunId | None
    verdict: str | None
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 when all that is here is as it says, and somebody known signed it; 5 where something differs; else 1."""
        found = {finding.standing for finding in self.findings}
        return DIFFERS if "differs" in found else UNPROVEN if "unproven" in found else 0

    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "run_id": self.run_id,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "findings": [
                {"what": one.what, "standing": one.standing, "text": one.text} for one in self.findings
            ],
        }


@dataclass(frozen=True)
class Envelope:
    """A certificate as it was read.

    Attributes:
        statement: What it says.
        message: What the signatures sign.
        signatures: Each armored.
    """

    statement: Mapping[str, Any]
    message: bytes
    signatures: tuple[bytes, ...]


def statement(
    session: Session, run_id: RunId, repeat: RunId | None, tolerance: Tolerance | None = None
) -> dict[str, Any]:
    """Return what can be said of a run, as a Statement.

    Args:
        session: Where the record is.
        run_id: The run.
        repeat: The run that repeats it; None to say nothing of a reproduction.
        tolerance: Within which values count as equivalent; None for equality.

    Raises:
        Conflict: The run has not ended.
        NotFound: There is no such run.
        Damaged: It cannot be read, or its points cannot.
    """
    run = session.run(run_id)
    seals = session.seals(run_id)
    if not seals or run.status in ("RUNNING", "SCHEDULED"):
        raise Conflict(f"run {run_id[:8]} has not ended", hint=f"gittrack show {run_id[:8]}")
    said = _facts(run, seals)
    return {
        "_type": STATEMENT_TYPE,
        "subject": said["subject"],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "run": {**said["run"], "name": run.name},
            "command": said["command"],
            "materials": said["materials"],
            "reproduction": None
            if repeat is None
            else _reproduction(session, run, repeat, tolerance or Tolerance()),
            "attested": _iso(int(time.time() * 1000)),
            "gittrack": version("gittrack"),
        },
    }


def seal(said: Mapping[str, Any], signature: Signature | None) -> bytes:
    """Return a statement in its envelope, one line of JSON; without a signature when there is none."""
    signatures = []
    if signature is not None:
        signatures.append({"keyid": signature.key, "sig": base64.b64encode(signature.text).decode()})
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload(said)).decode(),
        "signatures": signatures,
    }
    return json.dumps(envelope).encode() + b"\n"


def payload(said: Mapping[str, Any]) -> bytes:
    """Return the bytes of a statement."""
    return json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def to_sign(kind: str, body: bytes) -> bytes:
    """Return what is signed: the "pre-authentication encoding" of DSSE, which no other pair of type and body has."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(body), body)


def read(content: bytes) -> Envelope:
    """Return a certificate.

    Raises:
        Damaged: It is none.
    """
    try:
        envelope = json.loads(content)
        body = _decoded(envelope["payload"])
        texts = tuple(_decoded(one["sig"]) for one in envelope["signatures"])
        said = json.loads(body)
        if envelope["payloadType"] != PAYLOAD_TYPE or said["_type"] != STATEMENT_TYPE:
            raise Damaged("it is not a statement of in-toto")
        if said["predicateType"] != PREDICATE_TYPE:
            raise Damaged(f"it certifies something else: {said['predicateType']!r:.80}")
        if len(texts) > _MOST_SIGNATURES:
            raise Damaged(f"it has {len(texts)} signatures, at most {_MOST_SIGNATURES} are looked at")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged("it is no certificate of a run", hint="gittrack attest RUN -o FILE") from error
    return Envelope(said, to_sign(PAYLOAD_TYPE, body), texts)


def verify(session: Session, content: bytes) -> Verified:
    """Hold a certificate against what is here, and its signatures against the keys that the user's git knows.

    Raises:
        SigningFailed: The program that checks signatures is not there.
    """
    try:
        envelope = read(content)
        said = _Said.of(envelope.statement)
    except Damaged as error:
        return Verified(None, None, (Finding("certificate", "differs", str(error)),))
    findings = (_signed(session, envelope, said), *_Holder(session, said).findings())
    return Verified(said.run_id, said.verdict, findings)


@dataclass(frozen=True)
class _Said:
    """The parts of a statement that are looked at, each of the type that it must have."""

    run_id: RunId
    run: Mapping[str, Any]
    subject: Sequence[Any]
    command: Any
    materials: Sequence[Any]
    reproduction: Mapping[str, Any] | None
    attested: int

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> _Said:
        try:
            predicate = said["predicate"]
            run, reproduction = predicate["run"], predicate["reproduction"]
            if reproduction is not None:
                reproduction = dict(reproduction)
                parse_run_id(reproduction["run_id"])
                reproduction["tolerance"] = _tolerance(reproduction["tolerance"])
            return cls(
                parse_run_id(run["id"]),
                {name: value for name, value in run.items() if name != "name"},
                list(said["subject"]),
                predicate["command"],
                list(predicate["materials"]),
                reproduction,
                int(datetime.fromisoformat(predicate["attested"]).timestamp() * 1000),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, InvalidValue) as error:
            raise Damaged("it lacks what a certificate of a run says") from error

    @property
    def verdict(self) -> str | None:
        return None if self.reproduction is None else str(self.reproduction.get("verdict"))


def _signed(session: Session, envelope: Envelope, said: _Said) -> Finding:
    """Return what the best of the signatures is worth: one that somebody else added takes nothing away."""
    if not envelope.signatures:
        return Finding("signature", "unproven", "nobody has signed it")
    checked = [
        signing.check(session.repo, envelope.message, text, when=said.attested)
        for text in envelope.signatures
    ]
    best = min(checked, key=lambda one: ("good", "refused", "unknown", "bad").index(one.state))
    signer, key = best.signer or "somebody", best.key or "unknown"
    match best.state:
        case "good":
            return Finding("signature", "holds", f"by {signer}, key {key}")
        case "refused":
            return Finding(
                "signature", "unproven", f"by {signer}, key {key}, which does not count: {best.why}"
            )
        case "unknown":
            return Finding("signature", "unproven", f"by a key that is not known here, {key}: {best.why}")
    return Finding("signature", "differs", f"it is not a signature of this content: {best.why}")


class _Holder:
    """Holds what a certificate says against the records, the files and the commits of this clone."""

    def __init__(self, session: Session, said: _Said) -> None:
        self._session = session
        self._said = said

    def findings(self) -> Iterator[Finding]:
        said = self._said
        try:
            run, seals = self._session.run(said.run_id), self._session.seals(said.run_id)
        except NotFound:
            yield Finding("run", "unproven", f"run {said.run_id[:8]} is not in this clone")
            return
        except Damaged as error:
            yield Finding("run", "differs", str(error))
            return
        yield from self._run(run, seals)
        yield from self._artifacts(run)
        yield self._code(run)
        yield self._reproduction(run)

    def _run(self, run: RunRecord, seals: Sequence[Digest]) -> Iterator[Finding]:
        said, here = self._said, _facts(run, seals)
        apart = [
            name
            for name, value in (
                ("subject", said.subject),
                ("run", said.run),
                ("command", said.command),
                ("materials", said.materials),
            )
            if value != here[name]
        ]
        if apart:
            named = ", ".join(apart)
            yield Finding(
                "run", "differs", f"the record of run {run.run_id[:8]} here says otherwise: {named}"
            )
        else:
            yield Finding("run", "holds", f"the record of run {run.run_id[:8]} here is the one that it names")

    def _artifacts(self, run: RunRecord) -> Iterator[Finding]:
        files = FileStore(self._session.layout)
        for artifact in run.artifacts:
            what = f"artifact {artifact.path}"
            if not files.has(artifact.digest):
                yield Finding(what, "not here", "its content is not in this clone")
            elif files.verify(artifact.digest):
                yield Finding(what, "holds", "its content here is what the run saved")
            else:
                yield Finding(what, "differs", f"its content here is damaged: {files.path(artifact.digest)}")

    def _code(self, run: RunRecord) -> Finding:
        if run.code is None:
            return Finding("code", "unproven", "the record has no code")
        try:
            patch = self._session.patch(run.run_id)
            own = patches.split(patch, run.code.base)[0].patch if patch else None
            found = recover.find_code(self._session.repo, run.code, own, fetch=False)
        except GittrackError as error:
            return Finding("code", "unproven", str(error))
        return Finding("code", "holds", f"commit {found.commit[:12]} here has it ({found.how})")

    def _reproduction(self, run: RunRecord) -> Finding:
        said = self._said.reproduction
        if said is None:
            return Finding("reproduction", "not here", "it tells of none")
        repeat = RunId(said["run_id"])
        try:
            here = _reproduction(self._session, run, repeat, said["tolerance"])
        except NotFound:
            text = f"'{said.get('verdict')}' is the signer's word: run {repeat[:8]} is not in this clone"
            return Finding("reproduction", "not here", text)
        except GittrackError as error:
            return Finding("reproduction", "differs", str(error))
        here["tolerance"] = said["tolerance"]
        if here != said:
            text = f"it says '{said.get('verdict')}', the two runs here compare as '{here['verdict']}'"
            if here["verdict"] == said.get("verdict"):
                text = f"what it says of run {repeat[:8]} is not what is here"
            return Finding("reproduction", "differs", text)
        tolerance = said["tolerance"]
        within = f", within {_tolerance_in_words(tolerance)}" if tolerance.asked else ""
        text = f"{here['verdict']}{within}: compared once more with run {repeat[:8]}"
        return Finding("reproduction", "holds", text)


def _facts(run: RunRecord, seals: Sequence[Digest]) -> dict[str, Any]:
    """Return what follows from a run's record alone; what later events change of it is left out."""
    return {
        "subject": [
            *({"name": f"run/{run.run_id}", "digest": {"sha256": seal}} for seal in sorted(seals)),
            *({"name": f"artifact/{one.path}", "digest": {"sha256": one.digest}} for one in run.artifacts),
        ],
        "run": {
            "id": run.run_id,
            "experiment": run.experiment,
            "status": run.status,
            "started": _iso(run.start_time),
            "ended": None if run.end_time is None else _iso(run.end_time),
        },
        "command": None
        if run.command is None
        else {"argv": list(run.command.argv), "folder": run.command.cwd, "variables": dict(run.command.env)},
        "materials": _materials(run),
    }


def _materials(run: RunRecord) -> list[dict[str, Any]]:
    """Return commit, code, data and environment as Resource Descriptors."""
    found: list[dict[str, Any]] = []
    code = run.code
    if code is not None:
        found.append({"name": "commit", "digest": {"gitCommit": code.captured}})
        found.append({"name": "code", "digest": {"gitTree": code.code_tree}})
        if code.patch_digest is not None:
            found.append({"name": "patch", "digest": {"sha256": code.patch_digest}})
    found += [{"name": f"data/{one.path}", "digest": {"sha256": one.digest}} for one in run.data]
    if run.environment is not None:
        found.append({"name": "environment", "digest": {"sha256": run.environment}})
    return found


def _reproduction(session: Session, run: RunRecord, repeat_id: RunId, tolerance: Tolerance) -> dict[str, Any]:
    """Compare a run with one that repeats it, and say what came of it."""
    repeat, seals = session.run(repeat_id), session.seals(repeat_id)
    if repeat.repro_of != run.run_id or swap.TAG in repeat.tags:
        raise Conflict(f"run {repeat_id[:8]} does not repeat run {run.run_id[:8]}")
    compared = comparisons(session, run, repeat, tolerance)
    verdict: Verdict = worst([one.verdict for one in compared]) or "inconclusive"
    series = [found for one in compared for found in one.series]
    artifacts = [found for one in compared for found in one.artifacts]
    return {
        "run_id": repeat_id,
        "digests": [{"sha256": seal} for seal in sorted(seals)],
        "ended": None if repeat.end_time is None else _iso(repeat.end_time),
        "environment": None if repeat.environment is None else {"sha256": repeat.environment},
        "tolerance": _said_of(tolerance),
        "verdict": verdict,
        "reason": next((one.reason for one in compared if one.verdict == verdict and one.reason), None),
        "metrics": {
            "series": len(series),
            "points": sum(found.points for found in series),
            "differ": sorted({found.key for found in series if found.outcome != "identical"}),
        },
        "artifacts": {
            "files": len(artifacts),
            "differ": sorted({found.path for found in artifacts if found.outcome != "identical"}),
        },
    }


def _said_of(tolerance: Tolerance) -> dict[str, Any]:
    """Return a tolerance as plain values; `rtols` and `atols`, for some names only, are there where they were asked."""
    named = {"rtols": tolerance.rtols, "atols": tolerance.atols}
    plain = {"rtol": tolerance.rtol, "atol": tolerance.atol}
    return {**plain, **{what: [list(pair) for pair in pairs] for what, pairs in named.items() if pairs}}


def _tolerance(said: Mapping[str, Any]) -> Tolerance:
    """Return the tolerance that a certificate names; ValueError, TypeError or KeyError where it is none."""
    rtol, atol = (
        {
            ALL: float(said[what]),
            **{str(name): float(x) for name, x in dict(said.get(f"{what}s", ())).items()},
        }
        for what in ("rtol", "atol")
    )
    return Tolerance.of(rtol, atol)


def _tolerance_in_words(tolerance: Tolerance) -> str:
    words = [f"rtol {tolerance.rtol} and atol {tolerance.atol}"]
    words += [f"rtol {size} in {name}" for name, size in tolerance.rtols]
    words += [f"atol {size} in {name}" for name, size in tolerance.atols]
    return ", ".join(words)


def _decoded(text: str) -> bytes:
    """Return what base64 stands for, in either alphabet."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, AttributeError) as error:
        raise ValueError from error


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
