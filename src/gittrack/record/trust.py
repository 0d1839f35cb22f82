"""Consent to run a recorded command, bound to the bytes that would run.

A file that is put beside the code can be imported by it, so what a run read and what the capture of its code left out
need consent too. They are known when the run ends, the command at its start: they have a digest of their own.
"""

from __future__ import annotations

import json

from gittrack.entities.record import Code, Command, Digest, RunRecord
from gittrack.store import digest as digests
from gittrack.store import durable
from gittrack.store.layout import Layout

_AGREED = b"agreed\n"


def consent_digest(code: Code, command: Command, environment: Digest | None) -> Digest:
    """Return the digest of all that decides what a command does: code, patch, argv, folder, variables, environment."""
    decides = {
        "code_tree": code.code_tree,
        "patch": code.patch_digest,
        "submodules": [[sub.path, sub.code_tree] for sub in code.submodules],
        "argv": list(command.argv),
        "cwd": command.cwd,
        "env": dict(sorted(command.env.items())),
        "environment": environment,
    }
    return digests.of_bytes(json.dumps(decides, sort_keys=True).encode())


def inputs_digest(run: RunRecord) -> Digest | None:
    """Return the digest of the files that are put beside the code of a run, and of what finds them; None for none.

    Data outside of the repository is no part of it: it is compared, never written.
    """
    data = [[entry.path, entry.digest] for entry in run.data if not entry.path.startswith("/")]
    left_out = [[left.path, left.digest] for left in (run.code.left_out if run.code else ()) if left.digest]
    if not data and not left_out:
        return None
    finds = consent_digest(run.code, run.command, run.environment) if run.code and run.command else None
    decides = {"consent": finds, "data": sorted(data), "left_out": sorted(left_out)}
    return digests.of_bytes(json.dumps(decides, sort_keys=True).encode())


def is_trusted(layout: Layout, consent: Digest) -> bool:
    """Whether this clone made such a run itself, or its user agreed to it; nothing committed can say so."""
    return layout.trusted(consent).is_file()


def is_own(layout: Layout, consent: Digest) -> bool:
    """Whether this clone made such a run itself, before its user agreed to somebody's."""
    try:
        return layout.trusted(consent).read_bytes() != _AGREED
    except OSError:
        return False


def agree(layout: Layout, consent: Digest) -> None:
    """Remember that this clone's user agreed to what `consent` stands for.

    Raises:
        OSError: The disk does not take it.
    """
    durable.write_once(layout.trusted(consent), _AGREED, tmp=layout.tmp)


def trust(layout: Layout, consent: Digest, *, synced: bool = True) -> None:
    """Remember that this clone's user made what `consent` stands for.

    Args:
        layout: Where the store is.
        consent: The digest.
        synced: False where a power cut may lose it: then it is asked for again.

    Raises:
        OSError: The disk does not take it.
    """
    place = layout.trusted(consent)
    if synced:
        durable.write_once(place, b"", tmp=layout.tmp)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
