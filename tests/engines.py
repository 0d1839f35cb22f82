"""Container engines for tests: a real podman where one can run, and a program that only says what podman says."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[1] / "src"
ID = "sha256:" + "1" * 64
DIGEST = "sha256:" + "2" * 64
OTHER = "sha256:" + "3" * 64
IN_THE_IMAGE = "/opt/gittrack-test/in.csv"

# Runs the command plainly on this machine, with the environment that a container would have.
_PLAIN = """\
#!{python}
import json, os, pathlib, subprocess, sys
here = pathlib.Path({folder!r})
words = sys.argv[1:]
with open(here / "said.jsonl", "a") as said:
    said.write(json.dumps(words) + "\\n")
images = json.loads((here / "images.json").read_text())
def find(name):
    return next((image for image in images if name in (image["Id"], image["Id"][7:], *image["RepoDigests"],
                 *image["RepoTags"])), None)
if words[:2] == ["image", "inspect"]:
    image = find(words[2])
    if image is None or image.get("remote"):
        sys.exit(print("Error: inspecting object: " + words[2] + ": image not known", file=sys.stderr) or 125)
    print(json.dumps([image]))
elif words[0] == "pull":
    image = find(words[-1])
    if image is None:
        sys.exit(print("Trying to pull...\\nError: manifest unknown", file=sys.stderr) or 125)
    image.pop("remote", None)
    (here / "images.json").write_text(json.dumps(images))
elif words[0] == "run":
    options = []
    rest = words[1:]
    while rest and rest[0].startswith("-"):
        options.append(rest.pop(0))
    image, argv = rest[0], rest[1:]
    if find(image) is None:
        sys.exit(125)
    given = [option.partition("=")[2] for option in options if option.startswith("--env=")]
    env = {{"HOME": os.environ["HOME"], "PATH": os.environ["PATH"]}}
    for word in given:
        name, equals, value = word.partition("=")
        if equals or name in os.environ:
            env[name] = value if equals else os.environ[name]
    env["PATH"] += os.pathsep + os.environ["PATH"]
    last = lambda name: [option.partition("=")[2] for option in options if option.startswith(name + "=")][-1:]
    argv = [*last("--entrypoint"), *argv]
    os.chdir(last("--workdir")[0])
    os.execvpe(argv[0], argv, env)
"""


@dataclass(frozen=True)
class Plain:
    """An engine without containers."""

    folder: Path

    def has(self, name: str, *, remote: bool = False, **facts: Any) -> None:
        """Let it have an image, or its registry."""
        images = json.loads((self.folder / "images.json").read_text())
        image = {
            "Id": ID,
            "RepoDigests": [f"{name.partition(':')[0]}@{DIGEST}"],
            "RepoTags": [name],
            "Config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
            "remote": remote,
            **facts,
        }
        (self.folder / "images.json").write_text(json.dumps([*images, image]))

    def forget(self) -> None:
        """Let it have nothing any more."""
        (self.folder / "images.json").write_text("[]")

    @property
    def said(self) -> list[list[str]]:
        """The arguments of each time that it was started."""
        file = self.folder / "said.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def started(self) -> list[list[str]]:
        """The words with which something was run."""
        return [words for words in self.said if words[0] == "run"]


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plain:
    """A podman that runs what it is told without a container, and no other engine."""
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "images.json").write_text("[]")
    program = folder / "podman"
    program.write_text(_PLAIN.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    monkeypatch.setenv("GITTRACK_CONTAINER_ENGINE", str(program))
    return Plain(folder)


@pytest.fixture(scope="session")
def _empty_image() -> Any:
    """An image with next to nothing in it; skips where podman cannot run one."""
    podman = shutil.which("podman")
    if podman is None:
        pytest.skip("no podman")
    tag = f"localhost/gittrack-test-{os.getpid()}:1"
    made = subprocess.run([podman, "import", "-", tag], input=_empty(), capture_output=True)
    name = made.stdout.decode().strip()
    tried = subprocess.run(
        [podman, "run", "--rm", *host_mounts(), name, sys.executable, "-c", "print(1)"], capture_output=True
    )
    if made.returncode or tried.returncode:
        pytest.skip(f"podman cannot run containers here: {(made.stderr + tried.stderr).decode()[-300:]}")
    yield tag
    subprocess.run([podman, "image", "rm", "--force", name], capture_output=True, check=False)


@pytest.fixture
def podman_image(_empty_image: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an image that holds one file of data: containers of it see the system of this machine, read only."""
    monkeypatch.setenv("GITTRACK_CONTAINER_ENGINE", "podman")
    monkeypatch.setenv("GITTRACK_CONTAINER_OPTIONS", " ".join(host_mounts()))
    return _empty_image


def host_mounts() -> list[str]:
    """Return the options that show this machine's programs, and gittrack's sources, to a container."""
    system = [Path(name) for name in ("/usr", "/bin", "/lib", "/lib64", "/etc/alternatives")]
    python = [Path(sys.prefix), Path(sys.base_prefix), Path(os.path.realpath(sys.executable)).parents[1]]
    extra = [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
    there = {path for path in (*system, *python, *extra, SOURCE) if path.exists()}
    outer = sorted(path for path in there if not there & set(path.parents))
    return [f"--volume={path}:{path}:ro" for path in outer]


def _empty() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, mode in (("tmp", 0o1777), ("etc", 0o755), ("root", 0o700)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        entry = tarfile.TarInfo(IN_THE_IMAGE[1:])
        entry.size, entry.mode = 4, 0o644
        archive.addfile(entry, io.BytesIO(b"1\n2\n"))
    return content.getvalue()
