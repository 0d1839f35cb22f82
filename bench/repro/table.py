"""The jobs, and the verdict that is right for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.repro import steps
from gittrack.repro.verify import Verdict

if TYPE_CHECKING:
    from bench.repro.scene import Scene

Step = Callable[["Scene"], None]

LEARN = ("scikit-learn==1.7.2",)
TABLE = ("measurements.csv",)
RUN = "repro_of is null"


@dataclass(frozen=True)
class Job:
    """One job of the corpus.

    Attributes:
        name: Its folder in `jobs/`, unless `folder` names another.
        what: What it is, and what is done to it, for the table.
        verdict: What `gittrack repro` must say.
        record: The commands that record it, one a line; `{beside}` is the folder of data beside the repository.
        folder: Its files.
        shared: Files of `data/` that it has below `data/`.
        packages: What it needs beside gittrack.
        fresh_packages: What the fresh environment has; None for the same versions of the same packages.
        in_place: The job is a project that is installed in place.
        large: Its packages are too large to be downloaded unasked.
        programs: Programs that must be on the machine.
        needs: Commands and options that gittrack must know: `keep`, `repro --env`.
        variables: What the environment has while it is recorded, and has no longer when it is reproduced.
        standard_input: A file that the recording command reads from its standard input.
        place: Where it is recorded, from the top of the clone.
        exit_code: What the recording command ends with.
        prepared: Done before the first commit.
        edited: Done after it, before the job is recorded.
        between: Done after the run was recorded, committed and pushed, before there is a fresh clone.
        clone: More options of `git clone`.
        same_clone: It is reproduced in the clone that recorded it.
        run: Which run is reproduced, as a condition of SQL; the latest where several are.
        options: Of `gittrack repro`.
        names: What the report must name.
    """

    name: str
    what: str
    verdict: Verdict = "identical"
    record: str = "python train.py"
    folder: str = ""
    shared: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    fresh_packages: tuple[str, ...] | None = None
    in_place: bool = False
    large: bool = False
    programs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    standard_input: str | None = None
    place: str = "."
    exit_code: int = 0
    prepared: Step | None = None
    edited: Step | None = None
    between: Step | None = None
    clone: tuple[str, ...] = ()
    same_clone: bool = False
    run: str = RUN
    options: str = ""
    names: tuple[str, ...] = ()


LEARNING = (
    Job("digits", "scikit-learn: digits by a support vector machine, model by joblib", packages=LEARN),
    Job("diabetes", "scikit-learn: paths of ridge and lasso, coefficients as CSV", packages=LEARN),
    Job("clustering", "scikit-learn: number of clusters, labels as NPY", packages=LEARN),
    Job("text_pipeline", "scikit-learn: grid search over a text pipeline", packages=LEARN),
    Job("cross_validation", "scikit-learn: forests cross-validated in two processes", packages=LEARN),
    Job("partial_fit", "scikit-learn: a network's learning curve, 200 batches", packages=LEARN),
    Job(
        "pca_plot",
        "scikit-learn and matplotlib: components as a PNG",
        packages=(*LEARN, "matplotlib==3.10.3"),
    ),
    Job("pickled_model", "scikit-learn: boosted trees, model as a pickle", packages=LEARN),
    Job("xgboost", "XGBoost, two threads, model as JSON", packages=("xgboost-cpu==3.0.2",)),
    Job(
        "lightgbm", "LightGBM in its deterministic mode", packages=("lightgbm==4.6.0", "scikit-learn==1.7.2")
    ),
    Job("torch", "PyTorch on the processor", packages=("torch",), large=True),
    Job("polars", "Polars: a summary as CSV", packages=("polars==1.31.0",), shared=TABLE),
    Job(
        "statsmodels",
        "statsmodels: plain and robust regression",
        packages=("statsmodels==0.14.5", "pandas==2.3.3"),
        shared=TABLE,
    ),
    Job("scipy_optimise", "SciPy: paths of three optimisers", packages=("scipy==1.16.0",)),
    Job("duckdb", "DuckDB: SQL over a CSV file", shared=TABLE),
    Job("parquet", "pandas: a cleaned table as Parquet", shared=TABLE),
    Job("many_points", "300,000 points logged as arrays"),
)

COMMANDS = (
    Job(
        "shell",
        "a shell script of awk and sort",
        record="gittrack run --data data/measurements.csv -- sh job.sh",
        shared=TABLE,
        programs=("sh", "awk", "sort"),
        names=("data/measurements.csv", "logs/stdout.txt"),
    ),
    Job(
        "perl",
        "a Perl script",
        record="gittrack run --data data/measurements.csv -- perl count.pl",
        shared=TABLE,
        programs=("perl",),
    ),
    Job(
        "make",
        "a Makefile of two steps",
        record="gittrack run -- make -s report.txt",
        shared=TABLE,
        programs=("make", "awk"),
    ),
    Job(
        "c_program",
        "a C program, compiled by the job",
        record="gittrack run -- sh job.sh",
        programs=("sh", "cc"),
    ),
    Job(
        "r",
        "R: a regression and a seeded bootstrap",
        record="gittrack run --data data/measurements.csv -- Rscript --vanilla fit.R",
        shared=TABLE,
        programs=("Rscript",),
    ),
    Job(
        "notebook",
        "a notebook executed by nbclient, its output declared volatile",
        record="gittrack run --volatile executed.ipynb -- python execute.py",
        shared=TABLE,
        packages=("nbclient==0.10.2", "ipykernel==6.29.5"),
    ),
    Job("module", "a module: python -m growth.train", record="python -m growth.train --rate 0.3"),
    Job(
        "console_script",
        "a program of a project installed in place",
        record="grow --rate 0.3",
        in_place=True,
    ),
    Job(
        "odd_path",
        "a script and data under names with blanks and umlauts",
        record="python 'Größe & Maß/my job.py'",
    ),
    Job(
        "fails",
        "fails by design: exit code 3",
        record="gittrack run -- python train.py",
        exit_code=3,
    ),
    Job("killed", "killed by SIGKILL in the middle", exit_code=-9),
    Job(
        "standard_input",
        "a script that came through standard input",
        "impossible",
        record="python -",
        folder="small",
        shared=TABLE,
        standard_input="train.py",
        names=("standard input", "gittrack run"),
    ),
)

MANY = (
    Job("multiprocessing", "four parts of the work in a pool of processes, one run"),
    Job("sweep", "a sweep of nine nested runs", record="python sweep.py", run="name = 'sweep'"),
    Job(
        "one_trial",
        "one nested run of a sweep",
        record="python sweep.py",
        folder="sweep",
        run="name = 'trial-5'",
    ),
    Job("asyncio_runs", "two runs at once in a loop of asyncio", run="name = 'fast'"),
    Job(
        "forked",
        "a command that starts three programs, each a part of its run",
        record="gittrack run -- python train.py",
        run="parent_run_id is null",
    ),
    Job(
        "resumed",
        "a run that a second process resumed: one process cannot make it again",
        "inconclusive",
        record="python train.py\npython train.py",
        names=("loss", "after it had ended"),
    ),
)

CODE = (
    Job("small", "a clean tree", folder="small", shared=TABLE, names=("data/measurements.csv",)),
    Job(
        "dirty_tree",
        "edited, moved and untracked files; the snapshot is not in the fresh clone",
        folder="small",
        shared=TABLE,
        edited=steps.edit_and_add,
        names=("base + patch",),
    ),
    Job(
        "squashed",
        "its branch was squashed, deleted and collected",
        folder="small",
        shared=TABLE,
        edited=steps.work_on_a_branch,
        between=steps.squash_and_delete,
        names=("base + patch",),
    ),
    Job(
        "history_rewritten",
        "the remote's history was replaced: no commit that it came from is left",
        "impossible",
        folder="small",
        shared=TABLE,
        between=steps.rewrite_history,
        names=("with the code of the run is neither here nor on a remote",),
    ),
    Job(
        "shallow_clone",
        "reproduced in a shallow clone, five commits later",
        folder="small",
        shared=TABLE,
        between=steps.go_on,
        clone=("--depth", "1"),
        names=("fetched",),
    ),
    Job(
        "linked_worktree",
        "recorded in a linked worktree with an edit of its own",
        folder="small",
        shared=TABLE,
        edited=steps.link_a_worktree,
        place="../linked",
    ),
    Job(
        "line_ends",
        "reproduced in a clone that turns line ends into those of Windows",
        folder="small",
        shared=TABLE,
        clone=("-c", "core.autocrlf=true"),
    ),
    Job(
        "submodule",
        "with a library as a submodule",
        prepared=steps.add_submodule,
        clone=("--recurse-submodules", "-c", "protocol.file.allow=always"),
    ),
    Job(
        "left_out",
        "read a file that is too large to be captured and never declared",
        "inconclusive",
        edited=steps.add_a_large_file,
        between=steps.remove_the_large_file,
        names=("large.bin",),
    ),
)

DATA = (
    Job(
        "data_gone",
        "data that git ignores, kept in the recording clone alone",
        "impossible",
        folder="ignored_data",
        edited=steps.put_ignored_data,
        names=("private/readings.txt", "sha256sum"),
    ),
    Job(
        "data_edited",
        "data that git ignores, edited since; same clone",
        folder="ignored_data",
        edited=steps.put_ignored_data,
        between=steps.edit_data,
        same_clone=True,
        names=('"how": "cache"',),
    ),
    Job(
        "outside_data",
        "data beside the repository",
        record="python train.py {beside}/readings.txt",
        edited=steps.put_data_beside,
        names=('"how": "outside"',),
    ),
    Job(
        "outside_data_gone",
        "data beside the repository, gone",
        "impossible",
        record="python train.py {beside}/readings.txt",
        folder="outside_data",
        edited=steps.put_data_beside,
        between=steps.remove_data_beside,
        names=("beside/readings.txt", "is gone"),
    ),
    Job(
        "outside_data_changed",
        "data beside the repository, one number changed",
        "impossible",
        record="python train.py {beside}/readings.txt",
        folder="outside_data",
        edited=steps.put_data_beside,
        between=steps.change_data_beside,
        names=("beside/readings.txt", "has changed"),
    ),
    Job(
        "undeclared",
        "data that git ignores, read and never declared, edited since; same clone",
        record="python train.py private/readings.txt",
        folder="reads",
        edited=steps.put_ignored_data,
        between=steps.edit_data,
        same_clone=True,
        needs=("run --trace",),
        names=("private/readings.txt",),
    ),
    Job(
        "undeclared_gone",
        "data that git ignores, read and never declared, not in the fresh clone",
        "impossible",
        record="python train.py private/readings.txt",
        folder="reads",
        edited=steps.put_ignored_data,
        needs=("run --trace",),
        names=("private/readings.txt",),
    ),
    Job(
        "undeclared_changed",
        "data beside the repository, read and never declared, one number changed",
        "impossible",
        record="python train.py {beside}/readings.txt",
        folder="reads",
        edited=steps.put_data_beside,
        between=steps.change_data_beside,
        needs=("run --trace",),
        names=("beside/readings.txt",),
    ),
    Job(
        "traced",
        "a shell script under --trace: what awk and sort read is found",
        record="gittrack run --trace -- sh job.sh",
        folder="shell",
        shared=TABLE,
        programs=("sh", "awk", "sort", "strace"),
        needs=("run --trace",),
    ),
    Job(
        "traced_gone",
        "a shell script under --trace: what it read, git ignores and nobody declared, not in the fresh clone",
        "impossible",
        record="gittrack run --trace -- sh job.sh",
        folder="ignored_shell",
        edited=steps.put_ignored_data,
        programs=("sh", "awk", "sort", "strace"),
        needs=("run --trace",),
        names=("private/readings.txt",),
    ),
    Job(
        "duckdb_reads",
        "DuckDB opens a table by itself, undeclared and edited since; same clone",
        edited=steps.put_ignored_data,
        between=steps.edit_data,
        same_clone=True,
        names=("private/readings.txt", '"how": "cache"'),
    ),
    Job(
        "dvc_data",
        "under DVC, data only in its remote",
        prepared=steps.track_with_dvc,
        needs=("doctor",),
        names=("private/readings.txt",),
    ),
    Job(
        "dvc_data_gone",
        "under DVC, data lost from its remote",
        "impossible",
        folder="dvc_data",
        prepared=steps.track_with_dvc,
        between=steps.empty_the_dvc_remote,
        needs=("doctor",),
        names=("private/readings.txt", "dvc pull"),
    ),
    Job(
        "dvc_undeclared",
        "under DVC, read and never declared, data only in its remote",
        record="python train.py private/readings.txt",
        folder="reads",
        prepared=steps.track_with_dvc,
        names=("private/readings.txt",),
    ),
    Job(
        "dvc_stages",
        "a pipeline of three DVC stages, by dvc repro",
        record="gittrack run -- dvc repro",
        shared=TABLE,
        packages=("dvc==3.60.1", "pathspec==0.12.1"),
    ),
    Job(
        "dvc_one_stage",
        "the first of three DVC stages, without dvc",
        record="gittrack run --stage clean",
        folder="dvc_stages",
        shared=TABLE,
        needs=("run --stage",),
        names=("clean.csv",),
    ),
    Job(
        "dvc_each_stage",
        "three DVC stages, one run each, the last reproduced; same clone",
        record="gittrack run --stage clean\ngittrack run --stage fit\ngittrack run --stage evaluate",
        folder="dvc_stages",
        shared=TABLE,
        same_clone=True,
        needs=("run --stage",),
        names=("mse",),
    ),
)

CHANCE = (
    Job("unseeded", "random by nature: no seed", "different", names=("length",)),
    Job(
        "unseeded_times",
        "random by nature, three times: named so",
        "different",
        folder="unseeded",
        options="--times 3",
        needs=("repro --times",),
        names=("random",),
    ),
    Job(
        "within_spread",
        "random by nature, eight times: the record lies within their spread",
        "equivalent",
        folder="noisy",
        options="--times 8 --spread",
        needs=("repro --spread",),
        names=("random",),
    ),
    Job("hash_order", "the order of a set", "different", names=("vocabulary.txt", "code")),
    Job(
        "hash_seed",
        "the order of a set, under PYTHONHASHSEED=0",
        folder="hash_order",
        variables={"PYTHONHASHSEED": "0"},
    ),
    Job(
        "threads",
        "noise by the order in which threads deliver, within a tolerance",
        "equivalent",
        options="--rtol 1e-9",
        names=("equivalent",),
    ),
    Job(
        "threads_exact",
        "the same noise, without a tolerance",
        "different",
        folder="threads",
        names=("total",),
    ),
    Job(
        "timestamp",
        "an artifact that says when it was made",
        "different",
        names=("report.json", "not in this clone"),
    ),
    Job(
        "timestamp_named",
        "the same; same clone, which has both: what differs in it is named",
        "different",
        folder="timestamp",
        same_clone=True,
        names=("report.json", "created", '"only_times": true'),
    ),
    Job(
        "variable",
        "a setting in a variable that is not recorded",
        "failed",
        variables={"CORPUS_DEPTH": "4"},
        names=("FAILED", "CORPUS_DEPTH"),
    ),
)

ENVIRONMENT = (
    Job(
        "upgraded",
        "a library upgraded since, and the result hangs on it",
        "different",
        folder="versions",
        packages=("six==1.16.0",),
        fresh_packages=("six==1.17.0",),
        names=('"six"', "1.16.0", "1.17.0", "imported by the job"),
    ),
    Job(
        "upgraded_alike",
        "a library upgraded since, and the result does not hang on it",
        folder="versions_alike",
        packages=("six==1.16.0",),
        fresh_packages=("six==1.17.0",),
        names=('"six"', "1.16.0", "1.17.0"),
    ),
    Job(
        "rebuilt",
        "a library upgraded since; the environment is rebuilt",
        folder="versions",
        packages=("six==1.16.0",),
        fresh_packages=("six==1.17.0",),
        options="--env rebuild",
        needs=("repro --env",),
        names=("rebuilt",),
    ),
    Job(
        "rebuilt_unasked",
        "a library that the job imports upgraded since; --env auto rebuilds",
        folder="versions",
        packages=("six==1.16.0",),
        fresh_packages=("six==1.17.0",),
        options="--env auto",
        needs=("repro --env",),
        names=("rebuilt",),
    ),
    Job(
        "not_rebuilt",
        "a library upgraded since that the job does not import; --env auto takes the present environment",
        folder="duckdb",
        shared=TABLE,
        packages=("six==1.16.0",),
        fresh_packages=("six==1.17.0",),
        options="--env auto",
        needs=("repro --env",),
        names=('"how": "current"', '"six"'),
    ),
    Job(
        "rebuilt_learning",
        "scikit-learn in an environment that lacks it; rebuilt",
        folder="diabetes",
        packages=LEARN,
        fresh_packages=(),
        options="--env rebuild",
        needs=("repro --env",),
        names=("rebuilt",),
    ),
    Job(
        "rebuilt_command",
        "a shell job whose environment is rebuilt",
        record="gittrack run -- sh job.sh",
        folder="shell",
        shared=TABLE,
        programs=("sh", "awk", "sort"),
        options="--env rebuild",
        needs=("repro --env",),
    ),
    Job(
        "missing",
        "a library that the fresh environment lacks",
        "failed",
        folder="versions",
        packages=("six==1.16.0",),
        fresh_packages=("packaging",),
        names=('"six"',),
    ),
    Job(
        "pin_gone",
        "a library that no index has any longer",
        "impossible",
        folder="yanked",
        packages=("corpus-yanked==1.0",),
        fresh_packages=(),
        prepared=steps.publish_a_wheel,
        between=steps.yank_the_wheel,
        options="--env rebuild",
        needs=("repro --env",),
        names=("corpus-yanked==1.0",),
    ),
)

JOBS = (*LEARNING, *COMMANDS, *MANY, *CODE, *DATA, *CHANCE, *ENVIRONMENT)
