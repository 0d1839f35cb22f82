"""What may be behind a difference is named, the most likely first."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.entities.record import Command, Digest, LeftOut, Process, RunId, RunRecord
from gittrack.repro.code_facts import CodeFacts, code_facts, distributions_of, needed_by
from gittrack.repro.contents.finding import ArtifactDiff
from gittrack.repro.differences import Difference
from gittrack.repro.report import Report, Restored
from gittrack.repro.suspects import LIKELY, Evidence, Suspect, rank
from gittrack.repro.verify import ArtifactResult, Comparison
from tests.conftest import write
from tests.repro.helpers import again, job, originals

RUN = RunRecord(
    run_id=RunId("0" * 32), experiment="e", name="n", status="FINISHED", start_time=0, end_time=1, user="ada", host={},
    process=Process("p", 1), code=None, command=Command(("python", "train.py"), ".", {"TZ": "UTC"}), environment=None,
)  # fmt: skip


def environment(name: str, old: str | None = "1.0", new: str | None = "2.0") -> Difference:
    return Difference("environment", name, old, new)


def names(*found: Suspect) -> list[str]:
    return [suspect.name for suspect in found]


def test_what_the_job_imports_comes_first_then_what_that_needs() -> None:
    differences = [
        environment(name)
        for name in ("black", "joblib", "platform release", "python version", "scikit-learn")
    ]
    found = rank(Evidence(RUN, differences, facts=CodeFacts(frozenset({"sklearn"}))))

    assert names(*found) == ["scikit-learn", "python version", "joblib", "black", "platform release"]
    assert found[0].why == "imported by the job"
    assert found[2].why == "needed by scikit-learn, which the job imports"
    assert found[0].weight >= LIKELY > found[3].weight
    assert names(
        rank(Evidence(RUN, [environment("python version", "3.11.4", "3.11.7"), environment("joblib")]))[0]
    ) == ["python version"]


def test_threads_count_only_where_the_record_does_not_set_them() -> None:
    cores = Difference("hardware", "cores", "64", "2")
    free = rank(Evidence(RUN, [cores]))[0]
    command = replace(RUN.command or Command((), "."), env={"OMP_NUM_THREADS": "1"})
    fixed = rank(Evidence(replace(RUN, command=command), [cores]))[0]

    assert free.weight > fixed.weight
    assert "OMP_NUM_THREADS" in str(free.why)
    assert "set by OMP_NUM_THREADS" in str(fixed.why)


def test_a_gpu_counts_more_where_the_job_uses_it() -> None:
    gpus = Difference("hardware", "gpus", "A100", "none")
    with_torch = Evidence(RUN, [gpus], facts=CodeFacts(frozenset({"torch"})))
    assert rank(with_torch)[0].weight > rank(Evidence(RUN, [gpus]))[0].weight


def test_files_left_out_and_variables_that_were_not_kept_are_suspects() -> None:
    left = LeftOut("secret.pem", 3, "secret")
    facts = CodeFacts(variables=frozenset({"DATA_DIR", "TZ", "HOME", "GITTRACK_X"}))
    found = rank(Evidence(replace(RUN, lost=("data: big.csv",)), left_out=[left], facts=facts))

    assert [(suspect.kind, suspect.name) for suspect in found] == [
        ("code", "secret.pem"),
        ("record", "data: big.csv"),
        ("variable", "DATA_DIR"),
    ]


def test_an_artifact_that_holds_the_time_explains_all_where_nothing_else_differs() -> None:
    digest = Digest("0" * 64)
    timed = ArtifactResult("a.json", "different", digest, digest, ArtifactDiff("JSON", only_times=True))
    other = ArtifactResult("b.json", "different", digest, digest, ArtifactDiff("JSON"))

    alone = rank(Evidence(RUN, comparisons=[Comparison(RUN, RUN, "different", artifacts=(timed,))]))
    beside = rank(Evidence(RUN, comparisons=[Comparison(RUN, RUN, "different", artifacts=(timed, other))]))

    assert alone[0].weight > LIKELY > beside[0].weight


def test_the_report_calls_a_likely_suspect_the_most_likely() -> None:
    likely = rank(Evidence(RUN, [environment("numpy")], facts=CodeFacts(frozenset({"numpy"}))))
    words = Report(RUN, "different", Restored(), suspects=likely).lines()
    unlikely = Report(
        RUN, "different", Restored(), suspects=rank(Evidence(RUN, [environment("black")]))
    ).lines()

    assert "  most likely  numpy: 1.0 in the record, 2.0 here, imported by the job" in words
    assert "  suspect      black: 1.0 in the record, 2.0 here" in unlikely


def facts_of(top: Path, files: dict[str, str | bytes], *argv: str) -> CodeFacts:
    write(top, files)
    return code_facts(top, top, argv)


def test_a_script_is_followed_into_its_own_modules_only(tmp_path: Path) -> None:
    found = facts_of(
        tmp_path,
        {
            "wandb/run.txt": "",
            "train.py": "import numpy as np, own.deep.part, wandb\nfrom src_only import x\nif 0:\n    import torch\n",
            "own/__init__.py": "from . import beside\n",
            "own/beside.py": "import pandas\nfrom .deep import part as again\n",
            "own/deep/part.py": "from sklearn.linear_model import Ridge\n",
            "own/unused.py": "import tensorflow\n",
            "src/src_only.py": "import yaml\nx = 1\n",
            "other.py": "import jax\n",
        },
        "python",
        "train.py",
    )
    assert found.modules == {"numpy", "torch", "pandas", "sklearn", "wandb", "yaml"}


def test_a_module_that_is_run_and_a_command_that_names_none_are_read_too(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "pkg/__init__.py": "",
        "pkg/main.py": "import numpy\n",
        "b.py": "import pandas\n",
        ".venv/x.py": "import jax\n",
    }
    assert facts_of(tmp_path, files, "python", "-m", "pkg.main").modules == {"numpy"}
    assert facts_of(tmp_path, files, "make", "all").modules == {"numpy", "pandas"}


def test_variables_that_are_read_by_name_are_found(tmp_path: Path) -> None:
    code = (
        "import os\nfrom os import environ, getenv\n"
        "os.environ['A']; os.environ.get('B', 1); os.getenv('C'); environ['D']; getenv('E')\n"
        "os.environ['SET'] = '1'; {}.get('F'); os.environ[name]\n"
    )
    assert facts_of(tmp_path, {"t.py": code}, "python", "t.py").variables == {"A", "B", "C", "D", "E"}


@pytest.mark.parametrize(
    "code",
    [
        b"def (",
        b"\0",
        b"\xff\xfe",
        b"(" * 10_000,
        b"-" * 100_000 + b"1",
        b"x = '\\d'",
        b"import a\n" * 200_000,
    ],
)
def test_code_that_cannot_be_read_says_nothing_and_raises_nothing(tmp_path: Path, code: bytes) -> None:
    assert facts_of(tmp_path, {"t.py": code}, "python", "t.py").modules <= {"a"}


def test_what_a_job_left_in_place_of_its_code_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.py")
    (tmp_path / "u.py").symlink_to("/dev/zero")
    assert code_facts(tmp_path, tmp_path, ("python", "t.py", "u.py")) == CodeFacts()


def test_modules_are_known_by_their_distribution() -> None:
    assert distributions_of({"sklearn", "cv2", "no_such_module"}) == {
        "scikit-learn",
        "opencv-python",
        "no-such-module",
    }
    assert needed_by({"scikit-learn"})["numpy"] == "scikit-learn"
    assert needed_by({"no-such-distribution"}) == {}


def test_a_distribution_that_the_job_imports_is_the_most_likely(repo: Path) -> None:
    code = """\
import ghost, gittrack, os
with gittrack.start_run():
    gittrack.log_metric("x", os.getpid(), step=int(os.getenv("GHOSTS", 0)))
"""
    write(
        repo,
        {
            "train.py": code,
            "lib/ghost.py": "",
            "lib/ghost-1.0.dist-info/RECORD": "ghost.py,sha256=abc,0\n",
            "lib/spook-1.0.dist-info/METADATA": "",
        },
    )
    job(repo, "python", "train.py", env={"PYTHONPATH": str(repo / "lib")})

    report = again(repo, originals(repo)[-1])

    assert names(*report.suspects) == ["ghost", "GHOSTS", "spook"]
    (line,) = [line for line in report.lines() if "most likely" in line]
    assert line.endswith("ghost: 1.0 in the record, missing here, imported by the job")
    assert report.document()["suspects"][0] == {
        "kind": "environment", "name": "ghost", "recorded": "1.0", "present": None, "weight": 0.75,
        "why": "imported by the job",
    }  # fmt: skip
