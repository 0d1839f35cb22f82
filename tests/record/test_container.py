"""Which container image a run was made in: as far as it can be known, by digest, and never a guess."""

from __future__ import annotations

import string
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.errors import RecordingWarning
from gittrack.record import container, environment
from gittrack.record import format as formats
from gittrack.record.project import Project
from tests.conftest import python
from tests.engines import DIGEST, ID
from tests.record.processes import only_run

RECORD = "import gittrack\nwith gittrack.start_run(): pass\n"


@pytest.fixture(autouse=True)
def _no_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(container, "_TOLD_BY_PODMAN", tmp_path / "containerenv")
    container._warn_once.cache_clear()


def image_of(root: Path) -> dict[str, str]:
    """What the only run's environment says of its image."""
    run = only_run(root)
    assert run.environment is not None
    layout = Project.find(root).layout
    found: dict[str, str] = formats.load_environment(layout.environment(run.environment).read_bytes()).get(
        "image", {}
    )
    return found


@pytest.mark.parametrize(
    ("reference", "facts"),
    [
        (f"docker.io/library/python@{DIGEST}", {"name": "docker.io/library/python", "digest": DIGEST}),
        (f"localhost:5000/a/b-c:1.2@{DIGEST}", {"name": "localhost:5000/a/b-c:1.2", "digest": DIGEST}),
        ("python:3.12", {"name": "python:3.12"}),
        (ID, {"id": ID}),
    ],
)
def test_a_reference_says_name_digest_and_id(reference: str, facts: dict[str, str]) -> None:
    assert container.parse(reference) == facts


_WRONG = [
    "",
    "--privileged",
    "a b",
    "a\nb",
    "a@sha256:12",
    f"@{DIGEST}",
    "../a",
    "a,b",
    "a:b:c",
    "UPPER/",
    "a" * 600,
]


@pytest.mark.parametrize(
    "text", [*_WRONG, f"-v/:/h@{DIGEST}", "sha256:zz", f"a@{DIGEST}\n", "a@md5:" + "1" * 32]
)
def test_what_an_engine_could_take_for_something_else_names_no_image(text: str) -> None:
    assert container.parse(text) is None
    assert container.reference({"name": text, "digest": text, "id": text}) is None


@given(st.text(string.printable, max_size=40), st.text(string.printable, max_size=80))
def test_nothing_in_a_record_becomes_an_option_or_a_second_word(name: str, digest: str) -> None:
    for image in ({"name": name, "digest": digest}, {"name": name, "digest": DIGEST}, {"id": digest}):
        exact = container.reference(image)
        assert exact is None or (exact[0].isalnum() and not set(exact) & set(" \t\n\r,=\"'"))


def test_an_address_has_a_digest_or_a_tag_and_not_both() -> None:
    assert container.address(f"localhost:5000/a/b:1.2@{DIGEST}") == f"localhost:5000/a/b@{DIGEST}"
    assert container.address("localhost:5000/a/b:1.2") == "localhost:5000/a/b:1.2"
    assert container.address(ID) == ID


def test_a_name_alone_names_no_image_exactly() -> None:
    assert container.reference({"name": "python:3.12"}) is None
    assert container.reference({"name": "python:3.12", "id": ID}) == ID


def test_a_run_that_is_told_its_image_records_its_digest(repo: Path) -> None:
    python(repo, RECORD, GITTRACK_IMAGE=f"registry.example.org/team/train:1.4@{DIGEST}")
    image = image_of(repo)
    assert (image["name"], image["digest"]) == ("registry.example.org/team/train:1.4", DIGEST)
    assert image["python"].startswith("/")
    assert "lost" not in image


def test_a_run_outside_of_containers_says_nothing_of_images(repo: Path) -> None:
    python(repo, RECORD)
    assert image_of(repo) == {}


def test_an_image_without_its_digest_is_recorded_as_such_and_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GITTRACK_IMAGE", "train:latest")
    with pytest.warns(RecordingWarning, match="'train:latest'.*NAME@sha256"):
        image = container.around()
    assert (image["name"], image["lost"]) == ("train:latest", "its digest")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert container.around() == image


def test_what_podman_tells_its_container_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "containerenv").write_text(
        f'engine="podman-4.3.1"\nname="x"\nid="{"a" * 64}"\nimage="localhost/train:1"\nimageid="{ID[7:]}"\nrootless=0\n'
    )
    image = container.around()
    assert (image["name"], image["id"]) == ("localhost/train:1", ID)


@pytest.mark.parametrize("content", ["", "\0", 'image="--privileged"\nimageid="x"\n', "\n\n="])
def test_a_file_of_podman_that_says_nothing_counts_for_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "containerenv").write_text(content)
    assert container.around() == {}


def test_another_image_is_another_environment(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project.find(repo)
    here = environment.record(project.layout, (repo,))
    monkeypatch.setenv("GITTRACK_IMAGE", ID)
    assert environment.record(project.layout, (repo,)) != here
    assert environment.capture((repo,))["image"]["id"] == ID


def test_an_image_is_read_back_as_it_was_written() -> None:
    found = {
        **environment.capture(),
        "image": {"name": "a:1", "digest": DIGEST, "id": ID, "holds": "command"},
    }
    assert formats.load_environment(formats.dump_environment(found)) == found
