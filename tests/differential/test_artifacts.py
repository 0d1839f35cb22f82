"""Artifacts: what is kept, under which path, what is listed and comes back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yaml

from tests.differential.twins import same_in_both

CLIMBING = [
    "../x",
    "a/../../x",
    "/etc/x",
    "..",
    "a/..",
    "%2e%2e/x",
    "a/%2e%2e/%2e%2e/x",
    "\\x",
    "..\\x",
    "a\0b",
]


def listing(client, run_id: str, path: str | None = None) -> list[tuple[str, bool, int | None]]:
    """Return what a client lists."""
    return [(file.path, file.is_dir, file.file_size) for file in client.list_artifacts(run_id, path)]


def everything(folder: str | Path) -> dict[str, bytes]:
    """Return the content of all files below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


@same_in_both
def test_a_file_is_kept_under_its_name(ml, see) -> None:
    Path("model.bin").write_bytes(b"weights")
    with ml.start_run() as run:
        see(ml.log_artifact("model.bin"))
        see(ml.log_artifact(Path("model.bin"), "models/best"))
        see(ml.log_artifact(str(Path("model.bin").absolute()), artifact_path="abs"))
    client = ml.MlflowClient()
    for path in (None, "", "models", "models/best", "models/best/", "model.bin", "missing"):
        see(listing(client, run.info.run_id, path))
    see(everything(client.download_artifacts(run.info.run_id, "")))


@same_in_both
def test_a_listed_file_has_the_attributes_of_mlflow(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_text("text", "a/b.txt")
    see(ml.MlflowClient().list_artifacts(run.info.run_id))
    see(ml.MlflowClient().list_artifacts(run.info.run_id, "a"))
    see(ml.artifacts.list_artifacts(run_id=run.info.run_id))


@same_in_both
def test_a_folder_is_kept_with_all_in_it(ml, see) -> None:
    for name in ("out/a.txt", "out/sub/b.txt", "out/sub/deep/c.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    with ml.start_run() as run:
        see(ml.log_artifacts("out"))
        ml.log_artifacts("out", "copies")
        ml.log_artifact("out")
        ml.log_artifact("out/", "slash")
    client = ml.MlflowClient()
    for path in (None, "copies", "copies/sub", "out", "sub/deep", "slash"):
        see(listing(client, run.info.run_id, path))
    see(everything(client.download_artifacts(run.info.run_id, "")))


@same_in_both
def test_a_file_that_is_not_there_cannot_be_kept(ml, see) -> None:
    with ml.start_run() as run:
        see.refused(
            ml.log_artifact, "missing.txt", mlflow="FileNotFoundError", gittrack="RESOURCE_DOES_NOT_EXIST"
        )
        answer = see.caught(ml.log_artifacts, "missing")
        see.differs("errors", answer, mlflow=None, gittrack="error: RESOURCE_DOES_NOT_EXIST")
    see(listing(ml.MlflowClient(), run.info.run_id))


@same_in_both
def test_an_artifact_that_is_kept_again_is_the_new_one(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_text("first", "a.txt")
        ml.log_text("second", "a.txt")
    see(ml.artifacts.load_text(f"runs:/{run.info.run_id}/a.txt"))
    see(listing(ml.MlflowClient(), run.info.run_id))


@same_in_both
def test_text_is_kept_as_utf_8(ml, see) -> None:
    with ml.start_run() as run:
        see(ml.log_text("größe\n木", "notes/a.txt"))
        ml.log_text("", "empty.txt")
        ml.log_text("<b>", "page.html")
    see(everything(ml.MlflowClient().download_artifacts(run.info.run_id, "")))


@pytest.mark.parametrize("name", ["a.json", "a", "a.txt", "deep/a.json"])
def test_a_dictionary_is_kept_in_the_format_of_its_name(twins, name) -> None:
    def scenario(ml, see) -> None:
        content = {"b": [1, 2.5, None, True], "a": {"größe": "木", "path": 0.1}, "empty": {}}
        with ml.start_run() as run:
            see(ml.log_dict(content, name))
        see(everything(ml.MlflowClient().download_artifacts(run.info.run_id, "")))
        see(ml.artifacts.load_dict(f"runs:/{run.info.run_id}/{name}"))

    twins.compare(scenario)


@pytest.mark.parametrize("name", ["a.yaml", "deep/a.yml"])
def test_a_dictionary_in_yaml_keeps_its_order_and_its_letters(twins, name) -> None:
    def scenario(ml, see) -> None:
        content = {"b": [1, 2.5, None, True], "a": {"größe": "木"}}
        with ml.start_run() as run:
            ml.log_dict(content, name)
        text = ml.artifacts.load_text(f"runs:/{run.info.run_id}/{name}")
        see(yaml.safe_load(text))
        see.differs(
            "yaml",
            [text.index("b:") < text.index("a:"), "größe: 木" in text],
            mlflow=[False] * 2,
            gittrack=[True] * 2,
        )

    twins.compare(scenario)


@same_in_both
def test_a_dictionary_may_hold_what_json_does_not_know(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_dict({"path": Path("a/b"), "list": (1, 2), "nan": float("nan")}, "a.json")
        ml.log_dict([1, 2], "list.json")
    see(everything(ml.MlflowClient().download_artifacts(run.info.run_id, "")))


@same_in_both
def test_a_stream_is_kept_from_where_it_stands(ml, see) -> None:
    with ml.start_run() as run:
        see(ml.log_stream(io.BytesIO(b"bytes of a stream"), "deep/a.bin"))
        half = io.BytesIO(b"0123456789")
        half.seek(5)
        ml.log_stream(half, "half.bin")
    see(everything(ml.MlflowClient().download_artifacts(run.info.run_id, "")))


@same_in_both
def test_artifacts_can_be_kept_for_a_run_by_id(ml, see) -> None:
    Path("a.bin").write_bytes(b"a")
    Path("folder").mkdir()
    Path("folder/b.bin").write_bytes(b"b")
    with ml.start_run() as run:
        pass
    one, client = run.info.run_id, ml.MlflowClient()
    ml.log_artifact("a.bin", run_id=one)
    ml.log_artifacts("folder", run_id=one)
    ml.log_text("c", "c.txt", run_id=one)
    ml.log_dict({"d": 1}, "d.json", run_id=one)
    ml.log_stream(io.BytesIO(b"e"), "e.bin", run_id=one)
    client.log_artifact(one, "a.bin", "client")
    client.log_artifacts(one, "folder", "client")
    client.log_text(one, "c", "client/c.txt")
    client.log_dict(one, {"d": 1}, "client/d.json")
    client.log_stream(one, io.BytesIO(b"e"), "client/e.bin")
    see(everything(client.download_artifacts(one, "")))
    see(client.get_run(one).info.status)
    see(client.get_run(one).data.tags.get("mlflow.loggedArtifacts"))


@pytest.mark.parametrize("path", CLIMBING)
def test_a_path_that_leads_outside_is_refused(twins, path) -> None:
    def scenario(ml, see) -> None:
        client = ml.MlflowClient()
        Path("a.bin").write_bytes(b"a")
        with ml.start_run() as run:
            one = run.info.run_id
            answers = [
                see.caught(ml.log_text, "text", path),
                see.caught(ml.log_dict, {}, path),
                see.caught(ml.log_artifact, "a.bin", path),
                see.caught(client.list_artifacts, one, path),
                see.caught(client.download_artifacts, one, path),
                see.caught(ml.artifacts.load_text, f"runs:/{one}/{path}"),
            ]
            see.differs("paths", answers, mlflow=..., gittrack=["error: INVALID_PARAMETER_VALUE"] * 6)
            see.differs("paths", client.list_artifacts(one), mlflow=..., gittrack=[])
        see(
            sorted(
                path.name
                for path in see.root.parent.iterdir()
                if path.name not in ("mlflow", "gittrack", "home")
            )
        )

    twins.compare(scenario)


def caught_code(see, call, *args):
    """Return the code of the error that a call ends with; anything that is no error is returned as such."""
    answer = see.caught(call, *args)
    return answer if isinstance(answer, str) and answer.startswith("error") else "no error"


@same_in_both
def test_an_artifact_can_be_downloaded(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_text("text", "deep/er/a.txt")
        ml.log_text("other", "deep/b.txt")
    one, client = run.info.run_id, ml.MlflowClient()
    Path("here").mkdir()
    see(client.download_artifacts(one, "deep/er/a.txt", "here"))
    see(everything("here"))
    see(ml.artifacts.download_artifacts(run_id=one, artifact_path="deep", dst_path="there"))
    see(everything("there"))
    see(ml.artifacts.download_artifacts(artifact_uri=f"runs:/{one}/deep/b.txt", dst_path="third"))
    see(everything("third"))
    see(everything(ml.artifacts.download_artifacts(run.info.artifact_uri)))
    see(Path(client.download_artifacts(one, "deep/b.txt")).name)
    see(Path(client.download_artifacts(one, "deep/b.txt")).read_text())


@same_in_both
def test_what_was_never_kept_cannot_be_downloaded(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_text("text", "a.txt")
    one, client = run.info.run_id, ml.MlflowClient()
    for call, args in (
        (client.download_artifacts, (one, "missing.txt")),
        (ml.artifacts.load_text, (f"runs:/{one}/missing.txt",)),
        (ml.artifacts.download_artifacts, (f"runs:/{'0' * 32}/a.txt",)),
    ):
        see.error(call, *args)
    see.error(ml.artifacts.download_artifacts)
    see.error(ml.artifacts.download_artifacts, f"runs:/{one}/a.txt", run_id=one)
    see(everything(ml.artifacts.download_artifacts(run_id=one)))
    see.error(ml.artifacts.download_artifacts, artifact_path="a.txt")
    see.error(ml.artifacts.list_artifacts)
    see.refused(ml.artifacts.download_artifacts, "runs:/", mlflow="INTERNAL_ERROR")
    see.refused(ml.artifacts.download_artifacts, "nonsense://a", mlflow="INTERNAL_ERROR")


@same_in_both
def test_artifacts_can_be_listed_by_address(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_text("text", "deep/a.txt")
        ml.log_text("text", "b.txt")
    one = run.info.run_id
    for args in (
        {"run_id": one},
        {"run_id": one, "artifact_path": "deep"},
        {"artifact_uri": f"runs:/{one}/deep"},
    ):
        see([(file.path, file.is_dir) for file in ml.artifacts.list_artifacts(**args)])
    paths = [file.path for file in ml.artifacts.list_artifacts(run.info.artifact_uri)]
    see.differs(
        "artifact-addresses", paths, mlflow=["artifacts/b.txt", "artifacts/deep"], gittrack=["b.txt", "deep"]
    )
    whole = see.caught(ml.artifacts.list_artifacts, f"runs:/{one}")
    see.differs(
        "artifact-addresses",
        whole if isinstance(whole, str) else len(whole),
        mlflow="error: INTERNAL_ERROR",
        gittrack=2,
    )


@same_in_both
def test_local_files_have_addresses_too(ml, see) -> None:
    Path("a.txt").write_text("local")
    Path("a.json").write_text(json.dumps({"a": 1}))
    see(ml.artifacts.load_text("a.txt"))
    see(ml.artifacts.load_text(Path("a.txt").absolute().as_uri()))
    see(ml.artifacts.load_dict("a.json"))
    see(ml.artifacts.download_artifacts("a.txt"))
    see(ml.artifacts.download_artifacts("a.txt", dst_path="copy"))
    see.refused(ml.artifacts.load_dict, "a.txt", mlflow="BAD_REQUEST")


@same_in_both
def test_the_address_of_the_artifacts_can_be_asked_for(ml, see) -> None:
    with ml.start_run() as run:
        see(ml.get_artifact_uri())
        see(ml.get_artifact_uri("a/b.txt"))
        see.differs(
            "artifact-addresses", ml.get_artifact_uri("a").startswith("runs:/"), mlflow=False, gittrack=True
        )
        ml.log_text("text", "a/b.txt")
        see(ml.artifacts.load_text(ml.get_artifact_uri("a/b.txt")))
    see(run.info.artifact_uri)


@same_in_both
def test_a_name_is_a_file_or_a_folder(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_text("file", "a")
        see(caught_code(see, ml.log_text, "inside", "a/b").startswith("error"))
        ml.log_text("file", "c/d")
        see(caught_code(see, ml.log_text, "instead", "c").startswith("error"))
    see(everything(ml.MlflowClient().download_artifacts(run.info.run_id, "")))


@same_in_both
def test_names_may_be_unusual(ml, see) -> None:
    with ml.start_run() as run:
        for name in ("a b.txt", "größe.txt", "a+b&c=d.txt", "a'b.txt", ".hidden", "a..b", "100%.txt"):
            see(caught_code(see, ml.log_text, name, name))
    see(everything(ml.MlflowClient().download_artifacts(run.info.run_id, "")))
    see(listing(ml.MlflowClient(), run.info.run_id))


@same_in_both
def test_the_name_of_a_file_to_write_cannot_be_a_folder(ml, see) -> None:
    with ml.start_run():
        for name in ("", ".", "/"):
            answer = see.caught(ml.log_text, "text", name)
            see.differs(
                "paths", answer, mlflow="error: IsADirectoryError", gittrack="error: INVALID_PARAMETER_VALUE"
            )
        answer = see.caught(ml.log_text, "text", "a/")
        see.differs("paths", answer, mlflow=None, gittrack="error: INVALID_PARAMETER_VALUE")


@same_in_both
def test_asking_for_an_address_starts_a_run(ml, see) -> None:
    see(ml.get_artifact_uri("a"))
    see(ml.active_run() is not None)
