"""What is done to a job's repositories beside recording and reproducing it."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import zipfile
from typing import TYPE_CHECKING

from bench import harness
from bench.harness import JobFailed

if TYPE_CHECKING:
    from bench.repro.scene import Scene

READINGS = "\n".join(str(number * number % 17 / 4) for number in range(40)) + "\n"
_LARGE_BYTES = 12_000_000  # more than the capture of the code takes


def edit_and_add(scene: Scene) -> None:
    """Edit a tracked file, delete one, and add one that git does not know."""
    path = scene.recorded / "settings.json"
    path.write_text(path.read_text().replace("30", "25"))
    model = scene.recorded / "model.py"
    (scene.recorded / "descent.py").write_text(model.read_text())
    model.write_text('"""The model has moved."""\n\nfrom descent import train as train\n')


def work_on_a_branch(scene: Scene) -> None:
    """Commit on a branch that nobody else has."""
    scene.git("switch", "-q", "-c", "topic")
    path = scene.recorded / "settings.json"
    path.write_text(path.read_text().replace("0.002", "0.003"))
    scene.commit("try a larger rate")
    (scene.recorded / "notes.txt").write_text("better\n")
    scene.commit("note it")


def squash_and_delete(scene: Scene) -> None:
    """Squash the branch into main, delete it everywhere, and collect what nothing names."""
    scene.git("switch", "-q", "main")
    _squash_and_delete(scene)


def squash_onto_a_newer_main(scene: Scene) -> None:
    """Do the same where main has gone on: no commit has the tree that the run was made from."""
    scene.git("switch", "-q", "main")
    _describe(scene, "Say what this is")
    _squash_and_delete(scene)


def _squash_and_delete(scene: Scene) -> None:
    scene.git("merge", "-q", "--squash", "topic")
    scene.commit("a larger rate")
    path = scene.recorded / "settings.json"
    path.write_text(path.read_text().replace("30", "60"))
    scene.commit("train longer")
    scene.git("branch", "-q", "-D", "topic")
    scene.git("push", "-q", "origin", "main")
    scene.git("push", "-q", "origin", "--delete", "topic")
    _collect(scene)


def rewrite_history(scene: Scene) -> None:
    """Replace the commit that the run started from by another, on the remote too, and collect the old one."""
    kept = {path: path.read_bytes() for path in scene.recorded.glob(".gittrack/**/*") if path.is_file()}
    scene.git("switch", "-q", "--orphan", "anew")
    (scene.recorded / "README").write_text("everything is new\n")
    for path, content in kept.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    scene.commit("start again")
    scene.git("branch", "-q", "-M", "anew", "main")
    scene.git("push", "-q", "--force", "origin", "main")
    _collect(scene)


def _collect(scene: Scene) -> None:
    for place in (scene.recorded, scene.upstream):
        scene.git("reflog", "expire", "--expire=now", "--all", at=place)
        scene.git("gc", "-q", "--prune=now", at=place)


def go_on(scene: Scene) -> None:
    """Make and push five more commits that change the job."""
    path = scene.recorded / "settings.json"
    for epochs in range(31, 36):
        path.write_text(f'{{"rate": 0.004, "epochs": {epochs}}}\n')
        scene.commit(f"{epochs} epochs")
    scene.git("push", "-q", "origin", "main")


def edit_data(scene: Scene) -> None:
    """Change the data in the clone that recorded the run, where its content is kept."""
    (scene.recorded / "private" / "readings.txt").write_text("1\n2\n3\n")


def put_ignored_data(scene: Scene) -> None:
    """Put a table where git ignores it."""
    (scene.recorded / "private").mkdir(exist_ok=True)
    (scene.recorded / "private" / "readings.txt").write_text(READINGS)


def put_much_ignored_data(scene: Scene) -> None:
    """Put a table where git ignores it, larger than what is kept unasked."""
    put_ignored_data(scene)
    with (scene.recorded / "private" / "readings.txt").open("a") as file:
        file.writelines(["0" * 999 + "\n"] * (_LARGE_BYTES // 1000))


def put_data_beside(scene: Scene) -> None:
    """Put a table beside the repository."""
    (scene.beside / "readings.txt").write_text(READINGS)


def remove_data_beside(scene: Scene) -> None:
    """Remove that table."""
    shutil.rmtree(scene.beside)


def change_data_beside(scene: Scene) -> None:
    """Change one number of that table."""
    (scene.beside / "readings.txt").write_text(READINGS.replace("0.25", "0.5", 1))


def add_a_large_file(scene: Scene) -> None:
    """Add a file that is too large to be captured with the code."""
    (scene.recorded / "large.bin").write_bytes(bytes(_LARGE_BYTES))


def remove_the_large_file(scene: Scene) -> None:
    """Remove it."""
    (scene.recorded / "large.bin").unlink()


def add_submodule(scene: Scene) -> None:
    """Add a library as a submodule."""
    from bench.repro.scene import HERE

    library = scene.folder / "library"
    shutil.copytree(HERE / "library", library)
    scene.git("init", "-q", "-b", "main", at=library)
    scene.commit("a library", at=library)
    scene.git("submodule", "add", "-q", library.as_uri(), "library")


def link_a_worktree(scene: Scene) -> None:
    """Make a linked worktree with an edit of its own."""
    scene.git("worktree", "add", "-q", "-b", "side", str(scene.folder / "linked"))
    path = scene.folder / "linked" / "settings.json"
    path.write_text(path.read_text().replace("30", "20"))


def publish_a_wheel(scene: Scene) -> None:
    """Make a package that no index has."""
    scene.wheels.mkdir()
    about = "corpus_yanked-1.0.dist-info"
    files = {
        "corpus_yanked.py": "ANSWER = 42\n",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: corpus-yanked\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: corpus\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{about}/RECORD"))
    with zipfile.ZipFile(scene.wheels / "corpus_yanked-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in {**files, f"{about}/RECORD": record}.items():
            wheel.writestr(name, content)


def yank_the_wheel(scene: Scene) -> None:
    """Take the package away again."""
    shutil.rmtree(scene.wheels)


def track_with_dvc(scene: Scene) -> None:
    """Track a table as DVC 3 does, with a folder beside the repository as its remote."""
    put_ignored_data(scene)
    content = (scene.recorded / "private" / "readings.txt").read_bytes()
    digest = hashlib.md5(content).hexdigest()
    (scene.recorded / ".gitignore").unlink(missing_ok=True)
    (scene.recorded / "private" / ".gitignore").write_text("/readings.txt\n")
    (scene.recorded / "private" / "readings.txt.dvc").write_text(
        f"outs:\n- md5: {digest}\n  size: {len(content)}\n  hash: md5\n  path: readings.txt\n"
    )
    (scene.recorded / ".dvc").mkdir(exist_ok=True)
    (scene.recorded / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (scene.recorded / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {scene.beside / 'dvc'}\n"
    )
    for store in (scene.recorded / ".dvc" / "cache", scene.beside / "dvc"):
        kept = store / "files" / "md5" / digest[:2] / digest[2:]
        kept.parent.mkdir(parents=True)
        kept.write_bytes(content)


def empty_the_dvc_remote(scene: Scene) -> None:
    """Lose what DVC's remote has."""
    shutil.rmtree(scene.beside / "dvc")


def change_everything(scene: Scene) -> None:
    """Change code and data of the releases: leave four out, and list twenty more."""
    rules = scene.recorded / "rules.py"
    rules.write_text(rules.read_text().replace("bool(str(version))", "not version.is_prerelease"))
    scene.commit("Leave pre-releases out")
    with (scene.recorded / "data" / "releases.txt").open("a") as file:
        file.writelines(f"3.{number}\n" for number in range(20))
    scene.commit("List what came since")


def halve_the_data(scene: Scene) -> None:
    """Note something, and take half of the table away."""
    _describe(scene, "Say what this is")
    path = scene.recorded / "data" / "measurements.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))
    scene.commit("Keep the newer measurements")


def slip_after_a_break(scene: Scene) -> None:
    """Make eight commits: three in the middle cannot be run, and the seventh moves the metric."""
    _describe(scene, "Say what this is")
    _describe(scene, "Say who uses it")
    _change(scene, "import model\n", "import features\nimport model\n", "Name the features in one place")
    _describe(scene, "Say how it is trained")
    _describe(scene, "Say what it is good for")
    _add_features(scene)
    _leave_the_width_out(scene)
    _describe(scene, "Say what it is bad at")


def slip_in_a_break(scene: Scene) -> None:
    """Make five commits: the third moves the metric, when the job cannot be run."""
    _describe(scene, "Say what this is")
    _change(scene, "import model\n", "import features\nimport model\n", "Name the features in one place")
    _leave_the_width_out(scene)
    _add_features(scene)
    _describe(scene, "Say what it is good for")


def slip_on_a_branch(scene: Scene) -> None:
    """Merge a branch of three commits, the second of which moves the metric."""
    scene.git("switch", "-q", "-c", "topic")
    _describe(scene, "Say what this is")
    _leave_the_width_out(scene)
    _describe(scene, "Say what it is good for")
    scene.git("switch", "-q", "main")
    _change(scene, "epochs = list", "\n    epochs = list", "Part reading from training")
    scene.git("merge", "-q", "--no-ff", "-m", "Merge the topic", "topic")
    _describe(scene, "Say what it is bad at")


def _leave_the_width_out(scene: Scene) -> None:
    _change(scene, '"length", "width", "height"', '"length", "height"', "Leave the width out")


def _add_features(scene: Scene) -> None:
    (scene.recorded / "features.py").write_text('"""What the model learns from."""\n')
    scene.commit("Add what was forgotten")


def _describe(scene: Scene, text: str) -> None:
    with (scene.recorded / "README").open("a") as file:
        file.write(f"{text}.\n")
    scene.commit(text)


def _change(scene: Scene, old: str, new: str, subject: str) -> None:
    path = scene.recorded / "train.py"
    text = path.read_text()
    if old not in text:
        raise JobFailed(f"'{old}' is not in {path}")
    path.write_text(text.replace(old, new, 1))
    scene.commit(subject)


def make_a_key(scene: Scene) -> None:
    """Make a key for signatures, which the recording clone signs with, and the file of those who may."""
    key = scene.beside / "key"
    harness.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", key], scene.folder)
    know_the_signer(scene)
    scene.git("config", "gpg.format", "ssh")
    scene.git("config", "user.signingkey", str(key))


def forge_the_certificate(scene: Scene) -> None:
    """Say of the run that something else was executed, under the signature that is there."""
    path = scene.beside / "certificate.json"
    envelope = json.loads(path.read_text())
    said = base64.b64decode(envelope["payload"]).replace(b"train.py", b"other.py")
    path.write_text(json.dumps({**envelope, "payload": base64.b64encode(said).decode()}))


def forget_the_signer(scene: Scene) -> None:
    """Take the key out of the file of those who may sign."""
    (scene.beside / "signers").write_text("")


def know_the_signer(scene: Scene) -> None:
    """Name the key in the file of those who may sign."""
    public = (scene.beside / "key.pub").read_text()
    (scene.beside / "signers").write_text(f'ada@example.org namespaces="gittrack" {public}')
