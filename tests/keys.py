"""Real keys for signatures, made in a temporary folder."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import git

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen here")
needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="there is no gpg here")


def ssh_key(folder: Path, name: str = "key") -> Path:
    """Make a key without passphrase and return where its private half is."""
    path = folder / name
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path]
    subprocess.run(argv, check=True, capture_output=True)
    return path


def sign_with(root: Path, key: Path) -> None:
    """Let a repository sign with an ssh key, as a user would."""
    git(root, "config", "gpg.format", "ssh")
    git(root, "config", "user.signingkey", str(key))


def allow(root: Path, signers: dict[str, Path], *, options: str = "") -> Path:
    """Let a repository know ssh keys by the names of their owners."""
    lines = [f"{name} {options} {key.with_suffix('.pub').read_text()}" for name, key in signers.items()]
    path = root.parent / "allowed_signers"
    path.write_text("".join(lines))
    git(root, "config", "gpg.ssh.allowedSignersFile", str(path))
    return path


@contextmanager
def gpg_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Hold a keyring with one key, and yield its fingerprint; its path is short, an agent's socket lies in it."""
    with tempfile.TemporaryDirectory(prefix="g-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("GNUPGHOME", folder)
        who = "Ada <ada@example.org>"
        made = ["gpg", "--batch", "--passphrase", "", "--quick-generate-key", who, "ed25519", "sign", "0"]
        subprocess.run(made, check=True, capture_output=True)
        listed = ["gpg", "--batch", "--with-colons", "--list-keys"]
        out = subprocess.run(listed, check=True, capture_output=True, text=True).stdout
        try:
            yield next(line.split(":")[9] for line in out.splitlines() if line.startswith("fpr:"))
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)
