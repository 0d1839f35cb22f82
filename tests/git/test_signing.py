"""Signatures are made and checked with real keys, as git does it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from gittrack.git.repo import Repository
from gittrack.git.signing import SigningFailed, check, sign
from tests.conftest import git
from tests.keys import allow, gpg_home, needs_gpg, needs_ssh, sign_with, ssh_key

NOW = int(time.time() * 1000)


@needs_ssh
def test_an_ssh_signature_is_good_for_a_known_key_and_that_message_alone(repo: Path) -> None:
    key = ssh_key(repo.parent)
    sign_with(repo, key)
    allow(repo, {"ada@example.org": key})
    here = Repository.find(repo)

    made = sign(here, b"message")
    good = check(here, b"message", made.text, when=NOW)

    assert made.key.startswith("SHA256:")
    assert (good.state, good.signer, good.key) == ("good", "ada@example.org", made.key)
    assert check(here, b"massage", made.text, when=NOW).state == "bad"
    assert check(here, b"message", made.text.replace(b"A", b"B"), when=NOW).state == "bad"


@needs_ssh
def test_an_ssh_key_that_is_not_listed_is_unknown(repo: Path) -> None:
    key, other = ssh_key(repo.parent), ssh_key(repo.parent, "other")
    sign_with(repo, key)
    here = Repository.find(repo)
    made = sign(here, b"message")

    without = check(here, b"message", made.text, when=NOW)
    allow(repo, {"eve@example.org": other})
    with_other = check(here, b"message", made.text, when=NOW)

    assert (without.state, without.key) == ("unknown", made.key)
    assert "gpg.ssh.allowedSignersFile" in (without.why or "")
    assert (with_other.state, with_other.signer, with_other.key) == ("unknown", None, made.key)


@needs_ssh
def test_a_revoked_ssh_key_does_not_count(repo: Path) -> None:
    key = ssh_key(repo.parent)
    sign_with(repo, key)
    allow(repo, {"ada@example.org": key})
    here = Repository.find(repo)
    made = sign(here, b"message")
    git(repo, "config", "gpg.ssh.revocationFile", f"{key}.pub")

    found = check(here, b"message", made.text, when=NOW)

    assert (found.state, found.signer) == ("refused", "ada@example.org")
    assert f"'{key}.pub' does not let it through" == found.why


@needs_ssh
def test_an_ssh_key_counts_while_it_is_valid_and_for_what_it_is_allowed(repo: Path) -> None:
    key = ssh_key(repo.parent)
    sign_with(repo, key)
    here = Repository.find(repo)
    made = sign(here, b"message")

    allow(repo, {"ada@example.org": key}, options='valid-before="20200101"')
    assert check(here, b"message", made.text, when=NOW).state == "unknown"
    assert check(here, b"message", made.text, when=1_500_000_000_000).state == "good"
    allow(repo, {"ada@example.org": key}, options='namespaces="git"')
    assert check(here, b"message", made.text, when=NOW).state != "good"


@needs_ssh
def test_a_signature_for_git_is_none_for_gittrack(repo: Path) -> None:
    key = ssh_key(repo.parent)
    allow(repo, {"ada@example.org": key})
    argv = ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", str(key)]
    text = subprocess.run(argv, input=b"message", capture_output=True, check=True).stdout

    assert check(Repository.find(repo), b"message", text, when=NOW).state == "bad"


@needs_ssh
def test_a_key_that_is_given_itself_is_looked_for_in_an_agent(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ssh_key(repo.parent)
    socket = f"{repo.parent}/agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE)
    assert agent.stdout is not None
    try:
        agent.stdout.readline()  # it listens once it has said where
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        subprocess.run(["ssh-add", "-q", key], check=True, capture_output=True)
        key.rename(repo.parent / "elsewhere")
        git(repo, "config", "gpg.format", "ssh")
        git(repo, "config", "user.signingkey", f"key::{Path(f'{key}.pub').read_text().strip()}")

        assert sign(Repository.find(repo), b"message").key.startswith("SHA256:")
    finally:
        agent.terminate()
        agent.communicate()


@needs_ssh
def test_what_cannot_sign_says_what_to_set(repo: Path) -> None:
    here = Repository.find(repo)
    git(repo, "config", "gpg.format", "ssh")
    with pytest.raises(SigningFailed, match="no ssh key") as caught:
        sign(here, b"message")
    assert "user.signingkey" in (caught.value.hint or "")
    git(repo, "config", "user.signingkey", "/nowhere/key")
    with pytest.raises(SigningFailed, match="did not sign"):
        sign(here, b"message")
    git(repo, "config", "gpg.ssh.program", "/nowhere/program")
    with pytest.raises(SigningFailed, match="'/nowhere/program' cannot be run"):
        sign(here, b"message")
    git(repo, "config", "gpg.format", "x509")
    with pytest.raises(SigningFailed, match="'x509' are not supported"):
        sign(here, b"message")
    assert check(here, b"message", b"-----BEGIN SIGNED MESSAGE-----", when=NOW).state == "bad"


@needs_gpg
def test_an_openpgp_signature_is_good_for_a_key_of_the_keyring(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Repository.find(repo)
    with gpg_home(monkeypatch) as key:
        made = sign(here, b"message")  # by the name under which the user commits
        good = check(here, b"message", made.text, when=NOW)
        bad = check(here, b"massage", made.text, when=NOW)
        twice = check(here, b"message", made.text * 2, when=NOW)
        git(repo, "config", "user.signingkey", "0123456789ABCDEF")
        with pytest.raises(SigningFailed, match="did not sign"):
            sign(here, b"message")
    with gpg_home(monkeypatch):
        unknown = check(here, b"message", made.text, when=NOW)

    assert (good.state, good.signer, good.key) == ("good", "Ada <ada@example.org>", key)
    assert bad.state == "bad"
    assert twice.state == "bad"
    assert (unknown.state, unknown.signer) == ("unknown", None)


@needs_gpg
def test_an_openpgp_key_needs_the_trust_that_is_asked_for(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Repository.find(repo)
    with gpg_home(monkeypatch) as key:
        made = sign(here, b"message")
        git(repo, "config", "gpg.minTrustLevel", "ultimate")
        own = check(here, b"message", made.text, when=NOW)
        subprocess.run(["gpg", "--batch", "--import-ownertrust"], input=f"{key}:3:\n".encode(), check=True)
        never = check(here, b"message", made.text, when=NOW)

    assert own.state == "good"
    assert (never.state, "trust" in (never.why or "")) == ("refused", True)
