"""Consent to run a recorded command, bound to the bytes that would run."""

from __future__ import annotations

import json

from gittrack.entities.record import Code, Command, Digest
from gittrack.store import digest as digests
from gittrack.store import durable
from gittrack.store.layout import Layout


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


def is_trusted(layout: Layout, consent: Digest) -> bool:
    """Whether this clone started such a run itself, or its user agreed to it; nothing committed can say so."""
    return layout.trusted(consent).is_file()


def trust(layout: Layout, consent: Digest) -> None:
    """Remember that this clone's user made, or agreed to, what `consent` stands for.

    Raises:
        OSError: The disk does not take it.
    """
    durable.write_once(layout.trusted(consent), b"", tmp=layout.tmp)
