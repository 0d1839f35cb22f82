"""Data that DVC keeps comes back from its caches and remotes, byte for byte or not at all."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from gittrack.data import hashing
from gittrack.data.dvc import remotes
from gittrack.entities.record import DataFile, RunRecord
from gittrack.git.repo import Repository
from gittrack.record.project import layout_of
from gittrack.repro.dvc import DvcSource
from gittrack.repro.plan import agree
from gittrack.repro.report import Report
from gittrack.repro.reproduce import rehearse
from gittrack.repro.restore import DataLost, Returned, Sources, restore_data
from gittrack.store.objects import FileStore
from tests.conftest import commit_all, git, write
from tests.dvc_projects import dvc_add, dvc_init, md5_of, object_path, put_object
from tests.repro.helpers import again, commit, gittrack, originals, planned

FILES = {"é.txt": b"x\r\n", "sub/y.txt": b"y"}


class Place:
    """A DVC project, an empty worktree beside it, and what a run recorded."""

    def __init__(self, repo: Path) -> None:
        self.root = repo
        self.cache = repo / ".dvc/cache"
        self.target = repo.parent / "target"
        self.target.mkdir()
        self.layout = layout_of(Repository.find(repo), repo)
        self.files = FileStore(self.layout)

    def entry(self, path: str, md5: str) -> DataFile:
        found = hashing.measure(self.root / path)
        return DataFile(path, found.digest, found.size, "dvc", found.files, md5=md5)

    def restore(self, entry: DataFile, *, agreed: bool = True) -> Returned:
        repo = Repository.find(self.root)
        sources = Sources(self.target, self.files, self.root, DvcSource(repo, self.layout, agreed=agreed))
        (found,) = restore_data([entry], sources)
        assert hashing.measure(self.target / entry.path).digest == entry.digest
        return found

    def forget(self, path: str) -> None:
        """Take the data out of the working tree."""
        (self.root / path).rename(self.root.parent / f"gone-{path.replace('/', '-')}")


@pytest.fixture
def place(repo: Path) -> Place:
    dvc_init(repo)
    return Place(repo)


@pytest.fixture(params=[False, True], ids=["dvc 3", "dvc 2"])
def old(request) -> bool:
    return request.param


def test_a_file_and_a_folder_come_from_the_cache_of_either_version(place, old) -> None:
    entries = [
        place.entry("a.csv", dvc_add(place.root, "a.csv", b"a\r\n", old=old)),
        place.entry("raw", dvc_add(place.root, "raw", FILES, old=old)),
    ]
    for entry in entries:
        place.forget(entry.path)
        assert place.restore(entry).how == "DVC's cache"

    restored = place.target / "raw/sub/y.txt"
    restored.write_bytes(b"the job may write")
    assert object_path(place.cache, md5_of(b"y"), old=old).read_bytes() == b"y"


def test_a_folder_comes_back_from_dvcs_list_alone_and_is_known_from_then_on(place) -> None:
    entry = place.entry("raw", dvc_add(place.root, "raw", FILES))
    place.forget("raw")
    assert not place.files.has(entry.digest)

    write(place.target, {"raw/stranger.txt": "x"})
    place.restore(entry)

    assert place.files.has(entry.digest), "the list of digests"
    assert not (place.target / "raw/stranger.txt").exists()


@pytest.mark.parametrize("address", ["{}", "file://{}"])
def test_what_the_cache_lacks_comes_from_a_folder_as_remote(place, old, address) -> None:
    store = place.root.parent / "store"
    entries = [
        place.entry("a.csv", dvc_add(place.root, "a.csv", b"a\r\n", old=old, store=store)),
        place.entry("raw", dvc_add(place.root, "raw", FILES, old=old, store=store)),
    ]
    url = address.format(store)
    write(place.root, {".dvc/config.local": f"[core]\nremote = o\n['remote \"o\"']\nurl = {url}\n"})
    for entry in entries:
        place.forget(entry.path)
        assert place.restore(entry, agreed=False).how == "DVC's remote 'o'"

    store.rename(place.root.parent / "moved")
    (place.target / "a.csv").unlink()
    assert place.restore(entries[0]).how == "cache", "what was fetched once is kept"


def test_a_remote_that_only_a_commit_names_is_asked_after_consent_alone(place) -> None:
    store = place.root.parent / "store"
    entry = place.entry("a.csv", dvc_add(place.root, "a.csv", b"a", store=store))
    dvc_init(place.root, "[core]\nremote = o\n['remote \"o\"']\nurl = ../../store\n")
    place.forget("a.csv")

    with pytest.raises(DataLost, match="you have not agreed") as caught:
        place.restore(entry, agreed=False)
    assert caught.value.hint == "dvc pull 'a.csv'"

    assert place.restore(entry, agreed=True).how == "DVC's remote 'o'"


def test_local_settings_that_were_committed_are_a_commits_word(place) -> None:
    store = place.root.parent / "store"
    entry = place.entry("a.csv", dvc_add(place.root, "a.csv", b"a", store=store))
    settings = f"[core]\nremote = o\n['remote \"o\"']\nurl = {store}\n"
    write(place.root, {".dvc/config.local": settings})
    git(place.root, "add", "-f", ".dvc/config.local")
    place.forget("a.csv")

    with pytest.raises(DataLost, match="you have not agreed"):
        place.restore(entry, agreed=False)

    git(place.root, "rm", "-q", "--cached", ".dvc/config.local")
    write(place.root, {"evil.local": settings})
    (place.root / ".dvc/config.local").unlink()
    (place.root / ".dvc/config.local").symlink_to("../evil.local")
    with pytest.raises(DataLost, match="you have not agreed"):
        place.restore(entry, agreed=False)


def test_a_cache_that_only_a_commit_names_is_read_after_consent_alone(place) -> None:
    store = place.root.parent / "store"
    entry = place.entry("a.csv", dvc_add(place.root, "a.csv", b"a", store=store))
    dvc_init(place.root, "[cache]\ndir = ../../store\n")
    place.forget("a.csv")

    with pytest.raises(DataLost):
        place.restore(entry, agreed=False)
    assert place.restore(entry).how == "DVC's cache"


def test_a_damaged_object_counts_as_missing_and_is_named(place) -> None:
    md5 = dvc_add(place.root, "a.csv", b"good")
    entry = place.entry("a.csv", md5)
    damaged = object_path(place.cache, md5)
    damaged.chmod(0o644)
    damaged.write_bytes(b"evil")
    damaged.chmod(0o444)
    place.forget("a.csv")

    with pytest.raises(DataLost, match=f"{md5[2:]}' is damaged") as caught:
        place.restore(entry)
    assert caught.value.hint == "dvc pull 'a.csv'"
    assert not (place.target / "a.csv").exists()

    store = place.root.parent / "store"
    put_object(store, b"good")
    write(place.root, {".dvc/config.local": f"['remote \"o\"']\nurl = {store}\n"})
    assert place.restore(entry).how.startswith("DVC's remote 'o'; DVC's object")


def test_a_link_in_the_cache_is_not_followed(place) -> None:
    md5 = dvc_add(place.root, "a.csv", b"secret")
    entry = place.entry("a.csv", md5)
    (place.root.parent / "outside").write_bytes(b"secret")
    object_path(place.cache, md5).unlink()
    object_path(place.cache, md5).symlink_to(place.root.parent / "outside")
    place.forget("a.csv")

    with pytest.raises(DataLost):
        place.restore(entry)


@pytest.mark.parametrize("path", ["../../x", "/tmp/x", ".git/hooks/post-checkout"])
def test_a_list_with_a_path_that_climbs_writes_nothing(place, path) -> None:
    listing = json.dumps([{"md5": md5_of(b"y"), "relpath": path}]).encode()
    put_object(place.cache, b"y")
    md5 = put_object(place.cache, listing, name=md5_of(listing) + ".dir")
    digest = hashlib.sha256(f"{hashlib.sha256(b'y').hexdigest()}  {path}\n".encode()).hexdigest()

    with pytest.raises(DataLost, match="damaged"):
        place.restore(DataFile("raw", digest, 1, "dvc", 1, md5=md5))
    assert not list(place.target.rglob("*"))


def test_bytes_that_are_dvcs_but_not_the_records_are_not_taken(place) -> None:
    """DVC 2 has one name for two line ends; the run has read one of them."""
    md5 = dvc_add(place.root, "a.csv", b"a\n", old=True)
    write(place.root, {"a.csv": b"a\r\n"})
    entry = place.entry("a.csv", md5)
    place.forget("a.csv")

    with pytest.raises(DataLost, match="other bytes than the run read"):
        place.restore(entry)


def test_data_that_changed_before_the_run_is_not_taken_from_dvc(place) -> None:
    md5 = dvc_add(place.root, "a.csv", b"a")
    found = place.entry("a.csv", md5)
    place.forget("a.csv")
    changed = DataFile("a.csv", found.digest, 1, "cache", None, md5=md5, changed=True)

    with pytest.raises(DataLost):
        place.restore(changed)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves objects, wants a password where one is set, and misbehaves by the first part of the path."""

    objects: ClassVar[dict[str, bytes]] = {}
    seen: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        kind, _, path = self.path.lstrip("/").partition("/")
        self.seen.append((kind, self.headers.get("Authorization")))
        if kind == "redirect":
            self.answer(302, b"", Location=f"/plain/{path}")
        elif kind == "inside":
            self.answer(302, b"", Location=f"http://169.254.169.254/{path}")
        elif kind == "file":
            self.answer(302, b"", Location="file:///etc/passwd")
        elif kind == "locked" and not self.headers.get("Authorization"):
            self.answer(401, b"")
        elif kind == "login":
            self.answer(200, b"<html>please log in</html>")
        elif kind == "endless":
            self.answer(200, b"x" * 10_000)
        elif kind == "half" and path in self.objects:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.objects[path])))
            self.end_headers()
            self.wfile.write(self.objects[path][:3])
        elif path in self.objects:
            self.answer(200, self.objects[path])
        else:
            self.answer(404, b"")

    def answer(self, code: int, content: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    Server.objects, Server.seen = {}, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def from_web(place: Place, url: str, more: str = "", *, committed: bool = False) -> DataFile:
    """Return a file that is in a remote alone."""
    md5 = dvc_add(place.root, "a.csv", b"content")
    object_path(place.cache, md5).unlink()
    Server.objects[f"files/md5/{md5[:2]}/{md5[2:]}"] = b"content"
    entry = place.entry("a.csv", md5)
    place.forget("a.csv")
    address = f"[core]\nremote = o\n['remote \"o\"']\nurl = {url}\n"
    files = {".dvc/config": address, ".dvc/config.local": f"['remote \"o\"']\n{more}"}
    write(place.root, files if committed else {".dvc/config.local": address + more})
    return entry


@pytest.mark.parametrize("kind", ["plain", "redirect"])
def test_a_file_comes_from_a_web_server(place, web, kind) -> None:
    assert place.restore(from_web(place, f"{web}/{kind}")).how == "DVC's remote 'o'"


def test_a_password_goes_to_the_users_own_address_and_along_no_redirection(place, web) -> None:
    more = "auth = basic\nuser = ada\npassword = geheim\n"
    place.restore(from_web(place, f"{web}/locked", more))
    assert Server.seen[-1][1] is not None

    (place.target / "a.csv").unlink()
    (FileStore(place.layout).path(place.files.put_bytes(b"content")[0])).unlink()
    dvc = place.root / ".dvc/config.local"
    dvc.write_text(dvc.read_text().replace("/locked", "/redirect"))
    entry = DataFile("a.csv", hashlib.sha256(b"content").hexdigest(), 7, "dvc", None, md5=md5_of(b"content"))
    place.restore(entry)
    assert [(kind, bool(word)) for kind, word in Server.seen[-2:]] == [("redirect", True), ("plain", False)]


def test_a_password_is_not_sent_to_an_address_that_a_commit_names(place, web) -> None:
    more = "auth = basic\nuser = ada\npassword = geheim\n"
    entry = from_web(place, f"{web}/locked", more, committed=True)

    with pytest.raises(DataLost, match="credentials of DVC's remote 'o' were not sent") as caught:
        place.restore(entry)
    assert {word for _, word in Server.seen} == {None}
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("kind", ["inside", "file", "login", "endless", "half"])
def test_nothing_that_is_not_the_data_is_kept(place, web, kind) -> None:
    entry = from_web(place, f"{web}/{kind}")

    with pytest.raises(DataLost):
        place.restore(entry)
    assert list(place.files.all()) == []
    assert not any(place.layout.tmp.glob("*"))
    assert not (place.target / "a.csv").exists()


def test_a_server_that_is_gone_is_named(place) -> None:
    entry = from_web(place, "http://ada:geheim@127.0.0.1:1/x?sig=geheim")

    with pytest.raises(DataLost, match=r"'o' \(http://127.0.0.1:1/x\) does not answer") as caught:
        place.restore(entry)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("url = gdrive://abc", "of a kind that only DVC reads: gdrive"),
        ("url = ext::sh -c x", "is no folder here"),
        ("url = /nowhere", "is no folder here"),
        ("url = /nowhere\nversion_aware = true", "holds files by their path"),
        ("url = https://example.org\nauth = digest", "'digest', which only DVC has"),
    ],
)
def test_a_remote_that_cannot_be_read_is_named_with_dvcs_command(place, settings, words) -> None:
    entry = from_web(place, "x")
    write(place.root, {".dvc/config.local": f"['remote \"o\"']\n{settings}\n"})

    with pytest.raises(DataLost, match=words) as caught:
        place.restore(entry)
    assert caught.value.hint == "dvc pull 'a.csv'"


def test_a_package_that_is_missing_is_named(place, monkeypatch) -> None:
    entry = from_web(place, "s3://bucket/x")
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)

    with pytest.raises(DataLost, match=r"needs a package that is not installed: 'gittrack\[remotes\]'"):
        place.restore(entry)


def test_a_file_comes_through_fsspec(place, monkeypatch) -> None:
    fsspec = pytest.importorskip("fsspec")
    entry = from_web(place, "s3://bucket/x")
    monkeypatch.setitem(remotes._FILESYSTEMS, "s3", ("memory", "none", {}))
    memory = fsspec.filesystem("memory")
    name = f"bucket/x/files/md5/{entry.md5[:2]}/{entry.md5[2:]}"
    with pytest.raises(DataLost, match="lacks it"):
        place.restore(entry)

    memory.pipe(name, b"content")
    assert place.restore(entry).how == "DVC's remote 'o'"
    memory.rm(name)


TRAIN = """\
import pathlib, gittrack
with gittrack.start_run(run_name="trial"):
    gittrack.log_data("data/train.csv")
    gittrack.log_data("data/raw")
    gittrack.log_metric("rows", len(pathlib.Path("data/train.csv").read_text().split()))
    gittrack.log_metric("files", len(list(pathlib.Path("data/raw").rglob("*.txt"))))
"""


@pytest.fixture
def trained(repo: Path) -> Path:
    """A committed DVC project with one run, and a remote that has its data."""
    store = repo.parent / "store"
    dvc_init(repo, "[core]\n    remote = o\n['remote \"o\"']\n    url = ../../store\n")
    for where in (repo / ".dvc/cache", store):
        for path, content in (("data/train.csv", b"1\n2\n"), ("data/raw", FILES)):
            dvc_add(repo, path, content, store=where)
    write(repo, {"train.py": TRAIN})
    commit_all(repo, "work")
    gittrack(repo, "run", "--", "python", "train.py")
    commit(repo)
    return repo


def hows(report: Report) -> dict[str, str]:
    return {entry.path: entry.how for entry in report.restored.data}


def test_a_run_is_reproduced_in_the_clone_that_made_it(trained) -> None:
    (trained / "data/train.csv").write_text("edited since")
    (trained / "data/raw/sub/y.txt").unlink()

    report = again(trained, originals(trained)[0])

    assert (report.verdict, set(hows(report).values())) == ("identical", {"DVC's cache"})
    assert {entry.kept_by for entry in originals(trained)[0].data} == {"dvc"}
    repeat = report.comparisons[0].repeat
    assert repeat is not None
    assert repeat.data == originals(trained)[0].data, "the main working tree's cache counts in a reproduction"


def test_a_run_is_reproduced_in_a_fresh_clone_from_dvcs_remote(trained) -> None:
    clone = trained.parent / "clone"
    git(trained.parent, "clone", "-q", str(trained), str(clone))
    run = originals(clone)[0]

    before = rehearse(planned(clone, run))
    assert before.verdict == "impossible"
    assert before.problem is not None
    assert "you have not agreed" in before.problem.what
    assert before.problem.hint == "dvc pull 'data/raw'"

    report = again(clone, run)
    assert (report.verdict, set(hows(report).values())) == ("identical", {"DVC's remote 'o'"})
    assert rehearse(agree(planned(clone, run))).verdict is None


READ = """\
import pathlib, gittrack
with gittrack.start_run(run_name="reading"):
    gittrack.log_metric("rows", len(pathlib.Path("data/train.csv").read_text().split()))
    gittrack.log_metric("chars", sum(len(file.read_bytes()) for file in pathlib.Path("data/raw").{}))
"""


@pytest.fixture(params=["rglob('*.txt')", "glob('sub/*.txt')"], ids=["all of a folder", "some of it"])
def read(trained: Path, request) -> tuple[Path, RunRecord]:
    """The project, and a run that has declared nothing."""
    write(trained, {"read.py": READ.format(request.param)})
    commit_all(trained, "reading")
    gittrack(trained, "run", "--", "python", "read.py")
    commit(trained)
    return trained, next(run for run in originals(trained) if run.name == "reading")


def test_what_a_run_read_by_itself_comes_back_from_dvcs_cache(read) -> None:
    root, run = read
    (root / "data/train.csv").write_text("edited since")
    (root / "data/raw/sub/y.txt").unlink()

    report = again(root, run)

    assert (report.verdict, set(hows(report).values())) == ("identical", {"DVC's cache"})
    repeat = report.comparisons[0].repeat
    assert repeat is not None
    assert [replace(entry, how="read") for entry in repeat.data] == list(run.data)


def test_what_a_run_read_by_itself_comes_to_a_fresh_clone_from_dvcs_remote(read) -> None:
    root, run = read
    clone = root.parent / "clone"
    git(root.parent, "clone", "-q", str(root), str(clone))

    report = again(clone, run)

    assert (report.verdict, set(hows(report).values())) == ("identical", {"DVC's remote 'o'"})
    assert again(clone, run).verdict == "identical", "and is kept from then on"


def test_a_record_that_names_anything_but_an_md5_is_damaged(trained) -> None:
    (path,) = (trained / ".gittrack/runs").rglob("run.yaml")
    text = path.read_text()
    assert "md5: " in text
    path.write_text(text.replace("md5: ", "md5: ../../"))

    assert "digest-mismatch" in gittrack(trained, "fsck", check=False)


PIPELINE = """\
stages:
  train:
    wdir: src
    cmd: python train.py ${lr}
    deps: [train.py, ../data/train.csv]
    params: [../params.yaml: [lr]]
    outs: [model.bin]
    metrics: [scores.json: {cache: false}]
"""
STAGE = """\
import json, pathlib, sys
rows = pathlib.Path("../data/train.csv").read_text().split()
pathlib.Path("model.bin").write_text("weights")
pathlib.Path("scores.json").write_text(json.dumps({"rows": len(rows), "lr": float(sys.argv[1])}))
"""


def test_a_stage_is_reproduced_as_a_stage(trained) -> None:
    write(
        trained,
        {
            "dvc.yaml": PIPELINE,
            "params.yaml": "lr: 0.5\n",
            "src/train.py": STAGE,
            "src/.gitignore": "*.bin\n*.json\n",
        },
    )
    commit_all(trained, "pipeline")
    gittrack(trained, "run", "--name", "stage", "--stage", "train")
    run = next(run for run in originals(trained) if run.name == "stage")
    assert {kept.path for kept in run.artifacts} == {"src/model.bin"}
    write(trained, {"params.yaml": "lr: 0.7\n", "src/model.bin": "other"})

    report = again(trained, run)

    assert (report.verdict, report.reason) == ("identical", None)
    repeat = report.comparisons[0].repeat
    assert repeat is not None
    assert (repeat.params, repeat.tags["gittrack.stage"]) == ({"lr": 0.5}, "dvc.yaml:train")
    assert not (trained / "dvc.lock").exists(), "nothing of DVC's is written"


def test_dvc_itself_is_reproduced_with_what_its_stages_read(trained, monkeypatch) -> None:
    """A program of that name stands in for DVC: what is asked for is what counts."""
    write(trained, {"dvc.yaml": PIPELINE, "params.yaml": "lr: 0.5\n", "src/train.py": STAGE})
    write(
        trained,
        {"src/.gitignore": "*.bin\n*.json\n", "bin/dvc": "#!/bin/sh\ncd src && python train.py 0.5\n"},
    )
    (trained / "bin/dvc").chmod(0o755)
    commit_all(trained, "pipeline")
    monkeypatch.setenv("PATH", str(trained / "bin"), prepend=":")
    gittrack(trained, "run", "--name", "dvc", "--", "dvc", "repro", "train")
    run = next(run for run in originals(trained) if run.name == "dvc")

    assert {entry.path for entry in run.data} == {"data/train.csv", "src/train.py"}
    assert (run.params, set(run.metrics)) == ({"lr": 0.5}, {"rows", "lr"})
    assert again(trained, run).verdict == "identical"
