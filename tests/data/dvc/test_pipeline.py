"""The stages of a `dvc.yaml`; what is expected here is what DVC 3.67 wrote into its `dvc.lock`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.data.dvc import values
from gittrack.data.dvc.pipeline import Pipeline
from gittrack.errors import Damaged, InvalidValue, NotFound
from gittrack.record.dvc import parse
from tests.conftest import write

FILES = {
    "pipes/params.yaml": """\
lr: 1e-3
train: {epochs: 2, on: True, none: null, big: 1.0e+10, list: [1, 2]}
models: [{name: a, n: 1}, {name: b, n: 2}]
sizes: [1, 2]
""",
    "pipes/extra.json": '{"x": {"y": 3}, "z": "w"}',
    "pipes/dvc.yaml": r"""
vars:
- extra.json:x
- here: {a: "q q"}
stages:
  one:
    wdir: sub
    vars: [{v: 9}]
    cmd: echo ${lr} ${train.epochs} ${ train.on } ${train.big} ${models[0].name} ${x.y} "${here.a}" \${HOME} ${v}
    deps: [in.txt, ../../code.py, s3://bucket/x]
    params: [../params.yaml: [train], ../extra.json: ]
    outs: [out.txt, big.bin: {cache: false}]
    metrics: [m.json: {cache: false}]
    plots: [p.csv: {x: step}, p.csv]
  two:
    foreach: ${models}
    do:
      cmd: echo ${item.name} ${item.n}
      outs: ["${item.name}.txt"]
  three:
    foreach: {k: 1, l: 2}
    do:
      cmd: echo ${key} ${item}
  four:
    foreach: [x, y]
    do:
      cmd: echo ${item}
  five:
    matrix:
      s: ${sizes}
      m: ${models}
      b: [true]
    cmd: echo ${key} ${item.s} ${item.m.name} ${item.b}
""",
}


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    write(tmp_path, FILES)
    return Pipeline(tmp_path, "pipes/dvc.yaml", parse)


def of(tmp_path: Path, text: str) -> Pipeline:
    write(tmp_path, {"dvc.yaml": text})
    return Pipeline(tmp_path, "dvc.yaml", parse)


def test_what_is_filled_in_is_what_dvc_fills_in(pipeline: Pipeline) -> None:
    assert pipeline.stage("one").commands == (r'echo 0.001 2 true 10000000000.0 a 3 "q q" ${HOME} 9',)
    assert {name: pipeline.stage(name).commands[0] for name in pipeline.names[1:]} == {
        "two@0": "echo a 1",
        "two@1": "echo b 2",
        "three@k": "echo k 1",
        "three@l": "echo l 2",
        "four@x": "echo x",
        "four@y": "echo y",
        "five@1-m0-true": "echo 1-m0-true 1 a true",
        "five@1-m1-true": "echo 1-m1-true 1 b true",
        "five@2-m0-true": "echo 2-m0-true 2 a true",
        "five@2-m1-true": "echo 2-m1-true 2 b true",
    }


def test_what_a_stage_reads_and_makes_is_named_from_the_top(pipeline: Pipeline) -> None:
    stage = pipeline.stage("one")

    assert (stage.address, stage.folder) == ("pipes/dvc.yaml:one", "pipes/sub")
    assert stage.deps == ("pipes/sub/in.txt", "code.py")
    assert stage.params == {"pipes/params.yaml": ("train",), "pipes/extra.json": None}
    assert stage.outs == ("pipes/sub/out.txt", "pipes/sub/big.bin", "pipes/sub/p.csv")
    assert stage.metrics == ("pipes/sub/m.json",)


def test_the_stages_before_one_come_first(tmp_path: Path) -> None:
    text = "stages:\n  c: {cmd: c, deps: [out/b.txt]}\n  b: {cmd: b, deps: [a.txt], outs: [out]}\n"
    pipeline = of(tmp_path, text + "  a: {cmd: a, outs: [a.txt]}\n  z: {cmd: z, deps: [out]}\n")

    assert [stage.name for stage in pipeline.before(["c"])] == ["a", "b", "c"]


def test_stages_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    text = "stages:\n  a: {cmd: a, deps: [y], outs: [x]}\n  b: {cmd: b, deps: [x], outs: [y]}\n"

    assert {stage.name for stage in of(tmp_path, text).before(["a"])} == {"a", "b"}


def test_several_commands_are_several_lines(tmp_path: Path) -> None:
    pipeline = of(tmp_path, "stages:\n  a:\n    cmd: |\n      one\n\n      two\n  b: {cmd: [x, y]}\n")

    assert (pipeline.stage("a").commands, pipeline.stage("b").commands) == (("one", "two"), ("x", "y"))


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("{cmd: 'echo ${nowhere}'}", r"'\$\{nowhere\}', and neither params.yaml nor vars has it"),
        ("{cmd: 'echo ${a+b}'}", "cannot fill in"),
        ("{cmd: 'x ${list}'}", "which is a list, into a text"),
        ("{cmd: 'x ${_.__class__}'}", "has it"),
        ("{cmd: x, wdir: ../..}", "outside of the repository"),
        ("{cmd: x, vars: [../../secret.yaml]}", "outside of the repository"),
        ("{outs: [x]}", "no command"),
        ("{cmd: {x: y}}", "no command"),
        ("{foreach: 3, do: {cmd: x}}", "no command"),
    ],
)
def test_a_stage_that_cannot_be_filled_in_says_so_and_leaves_the_others(tmp_path, stage, words) -> None:
    pipeline = of(tmp_path, f"vars: [{{list: [1]}}]\nstages:\n  bad: {stage}\n  good: {{cmd: fine}}\n")

    with pytest.raises(InvalidValue, match=words):
        pipeline.stage("bad")
    assert [found.name for found in pipeline.before(["good"])] == ["good"]


def test_a_stage_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"dvc.yaml has no stage 'trian'") as caught:
        of(tmp_path, "stages:\n  train: {cmd: x}\n").stage("trian")
    assert caught.value.hint == "one of train"


@pytest.mark.parametrize("text", ["stages: [a]", "stages: {a: 3}", "x: y"])
def test_a_file_of_another_shape_has_no_stages(tmp_path: Path, text: str) -> None:
    assert of(tmp_path, text).names == []


def test_values_are_read_by_the_files_ending(tmp_path: Path) -> None:
    write(tmp_path, {"a.json": '{"a": {"b": [1]}, "e": {}}', "b.toml": "a.b = [1]", "c.yaml": "a: {b: [1]}"})
    write(tmp_path, {"d.py": "lr = 1", "deep.json": '{"a":' * 9999 + "1" + "}" * 9999, "e.json": "[1]"})

    for name in ("b.toml", "c.yaml"):
        assert dict(values.flat(values.read(tmp_path / name, parse))) == {"a.b": [1]}
    assert dict(values.flat(values.read(tmp_path / "a.json", parse))) == {"a.b": [1], "e": {}}
    (tmp_path / "endless.yaml").symlink_to("/dev/zero")
    with pytest.raises(NotFound):
        values.read(tmp_path / "endless.yaml", parse)
    with pytest.raises(InvalidValue, match="is code"):
        values.read(tmp_path / "d.py", parse)
    for name in ("deep.json", "e.json"):
        with pytest.raises(Damaged):
            values.read(tmp_path / name, parse)
