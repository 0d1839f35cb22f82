"""Signatures as git makes and checks them: with the user's ssh or OpenPGP key, by the programs of git's settings.

Keys and passphrases are not read here; `ssh-keygen` and `gpg` ask for them, or ask an agent. Which key, program and
file of signers is meant comes from git's settings of user, machine and clone, which no commit can change.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gittrack.errors import GittrackError
from gittrack.git import command
from gittrack.git.repo import Repository

NAMESPACE = "gittrack"  # what an ssh signature is for: one for git is none for us
_SSH = b"-----BEGIN SSH SIGNATURE-----"
_OPENPGP = b"-----BEGIN PGP SIGNATURE-----"
_KEY = re.compile(r" key (\S+)\s*$", re.MULTILINE)
_TRUST = ("undefined", "never", "marginal", "fully", "ultimate")
_ENDED = {
    "EXPSIG": "the signature has expired",
    "EXPKEYSIG": "the key has expired",
    "REVKEYSIG": "the key was revoked",
}
_ONE_OF = {"GOODSIG", "BADSIG", "ERRSIG", *_ENDED}

State: TypeAlias = Literal["good", "unknown", "refused", "bad"]


class SigningFailed(GittrackError):
    """There is no key to sign with, or the program that signs did not."""


@dataclass(frozen=True)
class Signature:
    """A signature.

    Attributes:
        key: The fingerprint of the key that made it.
        text: As `ssh-keygen` or `gpg` wrote it, armored.
    """

    key: str
    text: bytes


@dataclass(frozen=True)
class Checked:
    """What a signature is worth here.

    Attributes:
        state: `good`: by a key that the user's settings know; `unknown`: by one that they do not; `refused`: by a key
            that was revoked, has expired, or is not for this; `bad`: it is no signature of that message.
        signer: Who signed, as the user's settings name the owner of the key.
        key: The key's fingerprint.
        why: Why it is not good, in words.
    """

    state: State
    signer: str | None = None
    key: str | None = None
    why: str | None = None


def sign(repo: Repository, message: bytes) -> Signature:
    """Sign a message with the key that git would sign a commit with.

    Raises:
        SigningFailed: No key is set, the program that signs is not there or did not sign, or x509 is asked for.
    """
    kind = _setting(repo, "gpg.format") or "openpgp"
    if kind == "ssh":
        return _sign_ssh(repo, message)
    if kind == "openpgp":
        return _sign_openpgp(repo, message)
    raise SigningFailed(
        f"signatures of the kind '{kind}' are not supported", hint="git config --global gpg.format ssh"
    )


def check(repo: Repository, message: bytes, text: bytes, *, when: int) -> Checked:
    """Return what a signature of a message is worth here.

    Args:
        repo: Whose settings say which keys are known.
        message: What was signed.
        text: The signature, armored.
        when: When it was made, as the signer says, in milliseconds since 1970 UTC: a key counts that was valid then.

    Raises:
        SigningFailed: The program that checks is not there.
    """
    if text.startswith(_SSH):
        return _check_ssh(repo, message, text, when)
    if text.startswith(_OPENPGP):
        return _check_openpgp(repo, message, text)
    return Checked("bad", why="it is neither an ssh nor an OpenPGP signature")


def _setting(repo: Repository, name: str, *, kind: str | None = None) -> str | None:
    """Return a setting of git's, None when it is not set; `path` has its `~` expanded."""
    options = () if kind is None else (f"--type={kind}",)
    try:
        return (
            repo.git("config", "--get", *options, name).decode("utf-8", "replace").removesuffix("\n") or None
        )
    except command.CommandFailed as error:
        if error.status == 1:
            return None
        raise


def _run(repo: Repository, argv: Sequence[str], message: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            argv, input=message, capture_output=True, check=False, cwd=repo.top, env=command.environment()
        )
    except OSError as error:
        raise SigningFailed(
            f"'{argv[0]}' cannot be run: {error.strerror}", hint=f"command -v {argv[0]}"
        ) from error


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    """Hold a file for a program that takes no other."""
    with tempfile.NamedTemporaryFile(prefix="gittrack-") as file:
        file.write(content)
        file.flush()
        yield file.name


def _sign_ssh(repo: Repository, message: bytes) -> Signature:
    key = _setting(repo, "user.signingkey", kind="path")
    if key is None:
        raise SigningFailed(
            "git's settings name no ssh key to sign with",
            hint="git config --global user.signingkey ~/.ssh/id_ed25519.pub",
        )
    program = _ssh_program(repo)
    begin = [program, "-Y", "sign", "-n", NAMESPACE]
    if key.startswith(("key::", "ssh-")):  # the key itself; only an agent has the other half
        with _file(key.removeprefix("key::").encode() + b"\n") as file:
            done = _run(repo, [*begin, "-f", file, "-U"], message)
    else:
        done = _run(repo, [*begin, "-f", key], message)
    if done.returncode or not done.stdout.startswith(_SSH):
        raise SigningFailed(f"{program} did not sign: {_said(done)}", hint="ssh-add -l")
    made = _check_ssh_alone(repo, message, done.stdout)
    if made.key is None:
        raise SigningFailed(f"{program} made a signature that it does not recognise")
    return Signature(made.key, done.stdout)


def _ssh_program(repo: Repository) -> str:
    return _setting(repo, "gpg.ssh.program", kind="path") or "ssh-keygen"


def _check_ssh(repo: Repository, message: bytes, text: bytes, when: int) -> Checked:
    made = _check_ssh_alone(repo, message, text)
    if made.state == "bad":
        return made
    allowed = _setting(repo, "gpg.ssh.allowedSignersFile", kind="path")
    if allowed is None:
        return Checked(
            "unknown",
            key=made.key,
            why="git's setting gpg.ssh.allowedSignersFile names no file with a line 'MAIL KEY' for each signer",
        )
    revoked = _setting(repo, "gpg.ssh.revocationFile", kind="path")
    begin = [_ssh_program(repo), "-Y"]
    at = f"-Overify-time={time.strftime('%Y%m%d%H%M%S', time.localtime(when / 1000))}"
    with _file(text) as file:
        found = _run(repo, [*begin, "find-principals", "-f", allowed, "-s", file, at], b"")
        names = found.stdout.decode("utf-8", "replace").splitlines() if found.returncode == 0 else []
        if not names:
            return Checked("unknown", key=made.key, why=_said(found))
        for name in names:
            options = ["verify", "-n", NAMESPACE, "-f", allowed, "-I", name, "-s", file, at]
            done = _run(repo, [*begin, *options], message)
            if done.returncode:
                continue
            if revoked and _run(repo, [*begin, *options, "-r", revoked], message).returncode:
                return Checked("refused", name, made.key, f"'{revoked}' does not let it through")
            return Checked("good", name, made.key)
    return Checked("refused", names[0], made.key, _said(done))


def _check_ssh_alone(repo: Repository, message: bytes, text: bytes) -> Checked:
    """Return whether it is a signature of the message, whoever made it."""
    with _file(text) as file:
        argv = [_ssh_program(repo), "-Y", "check-novalidate", "-n", NAMESPACE, "-s", file]
        done = _run(repo, argv, message)
    key = _KEY.search(done.stdout.decode("utf-8", "replace"))
    if done.returncode or key is None:
        return Checked("bad", why=_said(done))
    return Checked("unknown", key=key[1])


def _sign_openpgp(repo: Repository, message: bytes) -> Signature:
    program = _openpgp_program(repo)
    done = _run(repo, [program, "--status-fd=2", "-bsau", _openpgp_key(repo)], message)
    status = _status(done.stderr)
    made = [words[-1] for words in status if words[0] == "SIG_CREATED"]
    if done.returncode or not made:
        hint = "gpg --list-secret-keys"
        if _setting(repo, "user.signingkey") is None:  # nothing was ever set up
            hint = "git config gpg.format ssh && git config user.signingkey ~/.ssh/id_ed25519.pub"
        raise SigningFailed(f"{program} did not sign: {_said(done)}", hint=hint)
    return Signature(made[0], done.stdout)


def _openpgp_program(repo: Repository) -> str:
    names = ("gpg.openpgp.program", "gpg.program")
    return next((found for name in names if (found := _setting(repo, name, kind="path"))), "gpg")


def _openpgp_key(repo: Repository) -> str:
    """Return the key that is set, else the name under which the user commits, which `gpg` looks up as git does."""
    key = _setting(repo, "user.signingkey")
    if key is not None:
        return key
    ident = repo.git("var", "GIT_COMMITTER_IDENT").decode("utf-8", "replace")
    return ident[: ident.rindex(">") + 1]


def _check_openpgp(repo: Repository, message: bytes, text: bytes) -> Checked:
    argv = [_openpgp_program(repo), "--keyid-format=long", "--status-fd=1", "--verify"]
    with _file(text) as file:
        done = _run(repo, [*argv, file, "-"], message)
    status = _status(done.stdout)
    found = [words for words in status if words[0] in _ONE_OF]
    if len(found) != 1:  # of two signatures, one could be anybody's
        return Checked("bad", why=_said(done))
    kind, key, *name = found[0]
    signer = " ".join(name) or None
    prints = [words[1] for words in status if words[0] == "VALIDSIG"]
    if kind == "GOODSIG" and prints:
        return _trusted(repo, Checked("good", signer, prints[0]), status)
    if kind in _ENDED:
        return Checked("refused", signer, prints[0] if prints else key, _ENDED[kind])
    if kind == "ERRSIG":
        return Checked("unknown", key=key, why="the key is not in your keyring")
    return Checked("bad", key=key, why="it is not a signature of this content")


def _trusted(repo: Repository, checked: Checked, status: Sequence[Sequence[str]]) -> Checked:
    """Return what a right signature is worth by the trust that the user puts into its key."""
    found = [words[0].removeprefix("TRUST_").lower() for words in status if words[0].startswith("TRUST_")]
    level = found[0] if found and found[0] in _TRUST else "undefined"
    wanted = (_setting(repo, "gpg.minTrustLevel") or "undefined").lower()
    if level == "never" or wanted not in _TRUST or _TRUST.index(level) < _TRUST.index(wanted):
        why = f"your keyring trusts the key '{level}', gpg.minTrustLevel asks for '{wanted}'"
        return Checked("refused", checked.signer, checked.key, why)
    return checked


def _status(out: bytes) -> list[list[str]]:
    """Return the words of each line in which `gpg` speaks to programs."""
    lines = out.decode("utf-8", "replace").splitlines()
    marked = (line.removeprefix("[GNUPG:] ").split() for line in lines if line.startswith("[GNUPG:] "))
    return [words for words in marked if len(words) > 1]


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr + b"\n" + done.stdout).decode("utf-8", "replace").splitlines()
    said = [line.strip() for line in lines if line.strip() and not line.startswith("[GNUPG:]")]
    said = [line for line in said if not line.endswith(" created")] or said  # gpg makes its folder first
    return said[0] if said else f"exit code {done.returncode}"
