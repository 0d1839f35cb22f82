"""Where DVC's caches and remotes are, and whose word that is."""

from __future__ import annotations

from pathlib import Path

from gittrack.data.dvc.settings import load, without_secrets
from tests.conftest import write

COMMITTED = """\
[core]
    remote = origin
    analytics = false
['remote "origin"']
    url = ../storage  # beside .dvc
['remote "web"']
    url = https://data.example.org/dvc
    user = mallory
    endpointurl = https://evil.example.org
"""


def test_later_settings_count_more_and_paths_start_at_their_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "system": "[cache]\ndir = /srv/system\n[core]\nremote = other\n",
            "p/.dvc/config": COMMITTED,
            "p/.dvc/config.local": "[cache]\n    dir = /srv/cache\n",
        },
    )

    found = load(tmp_path / "p", [tmp_path / "system", tmp_path / "gone"])

    assert (found.cache, found.cache_is_ours, found.default) == (Path("/srv/cache"), True, "origin")
    assert found.remotes["origin"].url == str(tmp_path / "p/.dvc/../storage")
    assert not found.remotes["origin"].is_ours


def test_without_settings_the_cache_is_the_usual_one(tmp_path: Path) -> None:
    found = load(tmp_path, [])

    assert (found.cache, found.remotes, found.default) == (tmp_path / ".dvc/cache", {}, None)


def test_credentials_go_only_where_the_user_says(tmp_path: Path) -> None:
    secret = '[\'remote "web"\']\n    password = "geheim#1, x"\n    user = ada\n'
    write(tmp_path, {".dvc/config": COMMITTED, ".dvc/config.local": secret})

    remote = load(tmp_path, []).remotes["web"]

    assert (remote.is_ours, dict(remote.options), remote.withheld) == (False, {}, True)

    write(tmp_path, {".dvc/config.local": f"{secret}    url = https://data.example.org/dvc\n"})
    remote = load(tmp_path, []).remotes["web"]

    assert remote.is_ours
    assert dict(remote.options) == {"password": "geheim#1, x", "user": "ada"}
    assert "geheim" not in repr(remote)


def test_local_settings_that_a_commit_brought_are_not_the_users(tmp_path: Path) -> None:
    write(
        tmp_path,
        {".dvc/config.local": "['remote \"o\"']\n url = s3://b\n profile = prod\n[cache]\n dir = /etc\n"},
    )

    found = load(tmp_path, [], local_is_ours=False)

    assert not found.remotes["o"].is_ours
    assert not found.remotes["o"].options
    assert not found.cache_is_ours


def test_what_is_no_settings_file_says_nothing(tmp_path: Path) -> None:
    write(tmp_path, {".dvc/config": b"\xff\xfe\0[core]", ".dvc/config.local/x": ""})

    assert load(tmp_path, []).remotes == {}


def test_an_address_is_shown_without_what_is_secret() -> None:
    assert without_secrets("https://ada:pw@host:81/a/b?token=1#x") == "https://host:81/a/b"
    assert without_secrets("/srv/data?x") == "/srv/data?x"
