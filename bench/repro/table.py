"""The jobs, what is asked about each, and the answer that is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.repro import steps
from bench.repro.questions import (
    Question,
    attest,
    bisect,
    junit_says,
    moved,
    repro,
    repro_all,
    verify,
    why,
)

if TYPE_CHECKING:
    from bench.repro.scene import Scene

Step = Callable[["Scene"], None]

LEARN = ("scikit-learn==1.7.2",)
TABLE = ("measurements.csv",)
RUN = "repro_of is null"
GOOD = "gittrack run --name good -- python train.py"
BAD = "gittrack run --name bad -- python train.py"
CERTIFICATE = "{beside}/certificate.json"
KNOWN_SIGNERS = ("-c", "gpg.ssh.allowedSignersFile={beside}/signers")
SIGNING = ("-c", "gpg.format=ssh", "-c", "user.signingkey={beside}/key")


@dataclass(frozen=True)
class Job:
    """One job of the corpus.

    Attributes:
        name: Its folder in `jobs/`, unless `folder` names another.
        what: What it is, and what is done to it, for the table.
        questions: What is asked in the clone that reproduces it, one after another.
        record: What records it: commands, in which `{beside}` is the folder of data beside the repository, and what is
            done between them.
        folder: Its files.
        shared: Files of `data/` that it has below `data/`.
        packages: What it needs beside gittrack.
        fresh_packages: What the fresh environment has; None for the same versions of the same packages.
        in_place: The job is a project that is installed in place.
        installs: What records it changes the environment that it is recorded in.
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
        clone: More options of `git clone`; `{beside}` as in `record`.
        same_clone: It is reproduced in the clone that recorded it.
        run: Which run is asked about, as a condition of SQL; the latest where several are.
    """

    name: str
    what: str
    questions: tuple[Question, ...] = (repro(),)
    record: tuple[str | Step, ...] = ("python train.py",)
    folder: str = ""
    shared: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    fresh_packages: tuple[str, ...] | None = None
    in_place: bool = False
    installs: bool = False
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
        "lightgbm",
        "LightGBM in its deterministic mode",
        packages=("lightgbm==4.6.0", "scikit-learn==1.7.2"),
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
        (repro(names=("data/measurements.csv", "logs/stdout.txt")),),
        record=("gittrack run --data data/measurements.csv -- sh job.sh",),
        shared=TABLE,
        programs=("sh", "awk", "sort"),
    ),
    Job(
        "perl",
        "a Perl script",
        record=("gittrack run --data data/measurements.csv -- perl count.pl",),
        shared=TABLE,
        programs=("perl",),
    ),
    Job(
        "make",
        "a Makefile of two steps",
        record=("gittrack run -- make -s report.txt",),
        shared=TABLE,
        programs=("make", "awk"),
    ),
    Job(
        "c_program",
        "a C program, compiled by the job",
        record=("gittrack run -- sh job.sh",),
        programs=("sh", "cc"),
    ),
    Job(
        "r",
        "R: a regression and a seeded bootstrap",
        record=("gittrack run --data data/measurements.csv -- Rscript --vanilla fit.R",),
        shared=TABLE,
        programs=("Rscript",),
    ),
    Job(
        "notebook",
        "a notebook executed by nbclient, its output declared volatile",
        record=("gittrack run --volatile executed.ipynb -- python execute.py",),
        shared=TABLE,
        packages=("nbclient==0.10.2", "ipykernel==6.29.5"),
    ),
    Job("module", "a module: python -m growth.train", record=("python -m growth.train --rate 0.3",)),
    Job(
        "console_script",
        "a program of a project installed in place",
        record=("grow --rate 0.3",),
        in_place=True,
    ),
    Job(
        "odd_path",
        "a script and data under names with blanks and umlauts",
        record=("python 'Größe & Maß/my job.py'",),
    ),
    Job(
        "fails",
        "fails by design: exit code 3",
        record=("gittrack run -- python train.py",),
        exit_code=3,
    ),
    Job("killed", "killed by SIGKILL in the middle", exit_code=-9),
    Job(
        "standard_input",
        "a script that came through standard input",
        (repro("impossible", names=("standard input", "gittrack run")),),
        record=("python -",),
        folder="small",
        shared=TABLE,
        standard_input="train.py",
    ),
)

MANY = (
    Job("multiprocessing", "four parts of the work in a pool of processes, one run"),
    Job("sweep", "a sweep of nine nested runs", record=("python sweep.py",), run="name = 'sweep'"),
    Job(
        "one_trial",
        "one nested run of a sweep",
        record=("python sweep.py",),
        folder="sweep",
        run="name = 'trial-5'",
    ),
    Job("asyncio_runs", "two runs at once in a loop of asyncio", run="name = 'fast'"),
    Job(
        "forked",
        "a command that starts three programs, each a part of its run",
        record=("gittrack run -- python train.py",),
        run="parent_run_id is null",
    ),
    Job(
        "resumed",
        "a run that a second process resumed: one process cannot make it again",
        (repro("inconclusive", names=("loss", "after it had ended")),),
        record=("python train.py", "python train.py"),
    ),
)

CODE = (
    Job("small", "a clean tree", (repro(names=("data/measurements.csv",)),), folder="small", shared=TABLE),
    Job(
        "dirty_tree",
        "edited, moved and untracked files; the snapshot is not in the fresh clone",
        (repro(names=("base + patch",)),),
        folder="small",
        shared=TABLE,
        edited=steps.edit_and_add,
    ),
    Job(
        "squashed",
        "its branch was squashed, deleted and collected; the squashed commit has the same tree",
        (repro(names=("same tree",)),),
        folder="small",
        shared=TABLE,
        edited=steps.work_on_a_branch,
        between=steps.squash_and_delete,
    ),
    Job(
        "squashed_later",
        "its branch was squashed onto a newer main, deleted and collected",
        (repro(names=("base + patch",)),),
        folder="small",
        shared=TABLE,
        edited=steps.work_on_a_branch,
        between=steps.squash_onto_a_newer_main,
    ),
    Job(
        "history_rewritten",
        "the remote's history was replaced: no commit that it came from is left",
        (repro("impossible", names=("with the code of the run is neither here nor on a remote",)),),
        folder="small",
        shared=TABLE,
        between=steps.rewrite_history,
    ),
    Job(
        "shallow_clone",
        "reproduced in a shallow clone, five commits later",
        (repro(names=("fetched",)),),
        folder="small",
        shared=TABLE,
        between=steps.go_on,
        clone=("--depth", "1"),
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
        (repro("inconclusive", names=("large.bin",)),),
        edited=steps.add_a_large_file,
        between=steps.remove_the_large_file,
    ),
)

DATA = (
    Job(
        "data_gone",
        "data that git ignores, kept in the recording clone alone",
        (repro("impossible", names=("private/readings.txt", "sha256sum")),),
        folder="ignored_data",
        edited=steps.put_ignored_data,
    ),
    Job(
        "data_edited",
        "data that git ignores, edited since; same clone",
        (repro(names=('"how": "cache"',)),),
        folder="ignored_data",
        edited=steps.put_ignored_data,
        between=steps.edit_data,
        same_clone=True,
    ),
    Job(
        "outside_data",
        "data beside the repository",
        (repro(names=('"how": "outside"',)),),
        record=("python train.py {beside}/readings.txt",),
        edited=steps.put_data_beside,
    ),
    Job(
        "outside_data_gone",
        "data beside the repository, gone",
        (repro("impossible", names=("beside/readings.txt", "is gone")),),
        record=("python train.py {beside}/readings.txt",),
        folder="outside_data",
        edited=steps.put_data_beside,
        between=steps.remove_data_beside,
    ),
    Job(
        "outside_data_changed",
        "data beside the repository, one number changed",
        (repro("impossible", names=("beside/readings.txt", "has changed")),),
        record=("python train.py {beside}/readings.txt",),
        folder="outside_data",
        edited=steps.put_data_beside,
        between=steps.change_data_beside,
    ),
    Job(
        "undeclared",
        "data that git ignores, read and never declared, edited since; same clone",
        (repro(names=("private/readings.txt",)),),
        record=("python train.py private/readings.txt",),
        folder="reads",
        edited=steps.put_ignored_data,
        between=steps.edit_data,
        same_clone=True,
        needs=("run --trace",),
    ),
    Job(
        "undeclared_gone",
        "data that git ignores, read and never declared, not in the fresh clone",
        (repro("impossible", names=("private/readings.txt",)),),
        record=("python train.py private/readings.txt",),
        folder="reads",
        edited=steps.put_ignored_data,
        needs=("run --trace",),
    ),
    Job(
        "undeclared_changed",
        "data beside the repository, read and never declared, one number changed",
        (repro("impossible", names=("beside/readings.txt",)),),
        record=("python train.py {beside}/readings.txt",),
        folder="reads",
        edited=steps.put_data_beside,
        between=steps.change_data_beside,
        needs=("run --trace",),
    ),
    Job(
        "large_undeclared",
        "much data that git ignores, read and never declared, edited since; same clone",
        (repro("impossible", names=("private/readings.txt",)),),
        record=("python train.py private/readings.txt",),
        folder="reads",
        edited=steps.put_much_ignored_data,
        between=steps.edit_data,
        same_clone=True,
    ),
    Job(
        "large_kept",
        "the same, kept by gittrack keep before it was edited",
        (repro(names=("private/readings.txt", '"how": "cache"')),),
        record=("python train.py private/readings.txt", "gittrack keep private/readings.txt"),
        folder="reads",
        edited=steps.put_much_ignored_data,
        between=steps.edit_data,
        same_clone=True,
        needs=("keep",),
    ),
    Job(
        "traced",
        "a shell script under --trace: what awk and sort read is found",
        record=("gittrack run --trace -- sh job.sh",),
        folder="shell",
        shared=TABLE,
        programs=("sh", "awk", "sort", "strace"),
        needs=("run --trace",),
    ),
    Job(
        "traced_gone",
        "a shell script under --trace: what it read, git ignores and nobody declared, not in the fresh clone",
        (repro("impossible", names=("private/readings.txt",)),),
        record=("gittrack run --trace -- sh job.sh",),
        folder="ignored_shell",
        edited=steps.put_ignored_data,
        programs=("sh", "awk", "sort", "strace"),
        needs=("run --trace",),
    ),
    Job(
        "duckdb_reads",
        "DuckDB opens a table by itself, undeclared and edited since; same clone",
        (repro(names=("private/readings.txt", '"how": "cache"')),),
        edited=steps.put_ignored_data,
        between=steps.edit_data,
        same_clone=True,
    ),
    Job(
        "dvc_data",
        "under DVC, data only in its remote",
        (repro(names=("private/readings.txt",)),),
        prepared=steps.track_with_dvc,
        needs=("doctor",),
    ),
    Job(
        "dvc_data_gone",
        "under DVC, data lost from its remote",
        (repro("impossible", names=("private/readings.txt", "dvc pull")),),
        folder="dvc_data",
        prepared=steps.track_with_dvc,
        between=steps.empty_the_dvc_remote,
        needs=("doctor",),
    ),
    Job(
        "dvc_undeclared",
        "under DVC, read and never declared, data only in its remote",
        (repro(names=("private/readings.txt",)),),
        record=("python train.py private/readings.txt",),
        folder="reads",
        prepared=steps.track_with_dvc,
    ),
    Job(
        "dvc_stages",
        "a pipeline of three DVC stages, by dvc repro",
        record=("gittrack run -- dvc repro",),
        shared=TABLE,
        packages=("dvc==3.60.1", "pathspec==0.12.1"),
    ),
    Job(
        "dvc_one_stage",
        "the first of three DVC stages, without dvc",
        (repro(names=("clean.csv",)),),
        record=("gittrack run --stage clean",),
        folder="dvc_stages",
        shared=TABLE,
        needs=("run --stage",),
    ),
    Job(
        "dvc_each_stage",
        "three DVC stages, one run each, the last reproduced; same clone",
        (repro(names=("mse",)),),
        record=("gittrack run --stage clean", "gittrack run --stage fit", "gittrack run --stage evaluate"),
        folder="dvc_stages",
        shared=TABLE,
        same_clone=True,
        needs=("run --stage",),
    ),
)

CHANCE = (
    Job("unseeded", "random by nature: no seed", (repro("different", names=("length",)),)),
    Job(
        "unseeded_times",
        "random by nature, three times: named so",
        (repro("different", "--times 3", names=("random",)),),
        folder="unseeded",
        needs=("repro --times",),
    ),
    Job(
        "within_spread",
        "random by nature, eight times: the record lies within their spread",
        (
            repro("equivalent", "--times 8 --spread", names=("random", '"within": true')),
            repro("different", "--times 8", names=("random", '"within": true')),
        ),
        folder="noisy",
        needs=("repro --spread",),
    ),
    Job("hash_order", "the order of a set", (repro("different", names=("vocabulary.txt", "code")),)),
    Job(
        "hash_seed",
        "the order of a set, under PYTHONHASHSEED=0",
        folder="hash_order",
        variables={"PYTHONHASHSEED": "0"},
    ),
    Job(
        "threads",
        "noise by the order in which threads deliver",
        (
            repro("equivalent", "--rtol 1e-9", names=("equivalent",)),
            repro("equivalent", "--rtol total=1e-9"),
            repro("equivalent", "--rtol 0 --rtol tot*=1e-9"),
            repro("different", "--rtol 1e-9 --rtol total=0", names=("total",)),
            repro("different", "--rtol loss=1e-9"),
            repro("different", names=("total",)),
        ),
    ),
    Job(
        "chance",
        "the order of a set and of eight threads, both by chance",
        (repro("different", names=("code", "total")),),
        record=("gittrack run -- python train.py",),
    ),
    Job(
        "chance_deterministic",
        "the same, recorded under --deterministic",
        record=("gittrack run --deterministic -- python train.py",),
        folder="chance",
        needs=("run --deterministic",),
    ),
    Job(
        "chance_threads",
        "the same under --deterministic --threads 4: the threads race again, the set keeps its order",
        (
            repro("different", names=("total",)),
            repro("equivalent", "--rtol total=1e-9"),
        ),
        record=("gittrack run --deterministic --threads 4 -- python train.py",),
        folder="chance",
        needs=("run --deterministic",),
    ),
    Job(
        "timestamp",
        "an artifact that says when it was made",
        (repro("different", names=("report.json", "not in this clone")),),
    ),
    Job(
        "timestamp_named",
        "the same; same clone, which has both: what differs in it is named",
        (repro("different", names=("report.json", "created", '"only_times": true')),),
        folder="timestamp",
        same_clone=True,
    ),
    Job(
        "variable",
        "a setting in a variable that is not recorded",
        (repro("failed", names=("FAILED", "CORPUS_DEPTH")),),
        variables={"CORPUS_DEPTH": "4"},
    ),
)

ENVIRONMENT = (
    Job(
        "upgraded",
        "a library upgraded since, and the result hangs on it",
        (repro("different", names=('"six"', "1.16.0", "1.17.0", "imported by the job")),),
        folder="versions",
        packages=("six==1.16.0",),
        fresh_packages=("six==1.17.0",),
    ),
    Job(
        "upgraded_alike",
        "a library upgraded since, and the result does not hang on it",
        (repro(names=('"six"', "1.16.0", "1.17.0")),),
        folder="versions_alike",
        packages=("six==1.16.0",),
        fresh_packages=("six==1.17.0",),
    ),
    Job(
        "rebuilt",
        "a library upgraded since; the environment is rebuilt",
        (repro(options="--env rebuild", names=("rebuilt",)),),
        folder="versions",
        packages=("six==1.16.0",),
        fresh_packages=("six==1.17.0",),
        needs=("repro --env",),
    ),
    Job(
        "rebuilt_unasked",
        "a library that the job imports upgraded since; --env auto rebuilds",
        (repro(options="--env auto", names=("rebuilt",)),),
        folder="versions",
        packages=("six==1.16.0",),
        fresh_packages=("six==1.17.0",),
        needs=("repro --env",),
    ),
    Job(
        "not_rebuilt",
        "a library upgraded since that the job does not import; --env auto takes the present environment",
        (repro(options="--env auto", names=('"how": "current"', '"six"')),),
        folder="duckdb",
        shared=TABLE,
        packages=("six==1.16.0",),
        fresh_packages=("six==1.17.0",),
        needs=("repro --env",),
    ),
    Job(
        "rebuilt_learning",
        "scikit-learn in an environment that lacks it; rebuilt",
        (repro(options="--env rebuild", names=("rebuilt",)),),
        folder="diabetes",
        packages=LEARN,
        fresh_packages=(),
        needs=("repro --env",),
    ),
    Job(
        "rebuilt_command",
        "a shell job whose environment is rebuilt",
        (repro(options="--env rebuild"),),
        record=("gittrack run -- sh job.sh",),
        folder="shell",
        shared=TABLE,
        programs=("sh", "awk", "sort"),
        needs=("repro --env",),
    ),
    Job(
        "missing",
        "a library that the fresh environment lacks",
        (repro("failed", names=('"six"',)),),
        folder="versions",
        packages=("six==1.16.0",),
        fresh_packages=("packaging",),
    ),
    Job(
        "pin_gone",
        "a library that no index has any longer",
        (repro("impossible", "--env rebuild", names=("corpus-yanked==1.0",)),),
        folder="yanked",
        packages=("corpus-yanked==1.0",),
        fresh_packages=(),
        prepared=steps.publish_a_wheel,
        between=steps.yank_the_wheel,
        needs=("repro --env",),
    ),
)

SEVERAL = (
    Job(
        "releases",
        "code, data and a library changed between two runs: which of them moved the metric, and how far",
        (
            # 10 final releases, 4 pre-releases, and 3 words that the older library takes for releases: 17. The code
            # leaves the 4 out, the data has 20 more, the newer library knows none of the 3: 30.
            why(
                "code, data, environment",
                a="before",
                b="after",
                names=("--swap code=", "--swap data=", "--swap env="),
            ),
            repro("different", "--swap code=after", of="before", names=(moved(17, 13, 30),)),
            repro("different", "--swap data=after", of="before", names=(moved(17, 37, 30),)),
            repro("different", "--swap env=after", of="before", names=(moved(17, 14, 30), "rebuilt")),
            repro(
                "different",
                "--swap code=after --swap data=after --swap env=after",
                of="before",
                names=(moved(17, 30, 30),),
            ),
            why(
                "code, data, environment",
                a="before",
                b="after",
                names=(
                    '"untested": []',
                    '"kind": "code", "moved": -4.0',
                    '"kind": "data", "moved": 20.0',
                    '"kind": "env", "moved": -3.0',
                ),
            ),
        ),
        record=(
            "gittrack run --name before -- python count.py",
            steps.change_everything,
            "uv pip install -q packaging==24.2",
            "gittrack run --name after -- python count.py",
        ),
        packages=("packaging==21.3",),
        fresh_packages=("packaging==21.3",),
        installs=True,
        needs=("repro --swap", "why"),
    ),
    Job(
        "swapped_readings",
        "data that git ignores changed between two runs; same clone, which has both",
        (
            why("data", a="before", b="after", names=("--swap data=",)),
            repro("different", "--swap data=after", of="before", names=(moved(2, 3, 3),)),
            repro("different", "--swap data=before", of="after", names=(moved(3, 2, 2),)),
            repro("identical", "--swap code=after", of="before", names=(moved(2, 2, 3),)),
        ),
        record=(
            "gittrack run --name before -- python train.py",
            steps.edit_data,
            "gittrack run --name after -- python train.py",
        ),
        folder="ignored_data",
        edited=steps.put_ignored_data,
        same_clone=True,
        needs=("repro --swap", "why"),
    ),
    Job(
        "why_chance",
        "two runs of a random job",
        (why("nothing", a="one", b="other", names=('"key": "length"',)),),
        record=("gittrack run --name one -- python train.py", "gittrack run --name other -- python train.py"),
        folder="unseeded",
        needs=("why",),
    ),
    Job(
        "why_params",
        "two runs under different arguments",
        (
            why("params, command", a="slow", b="fast", names=("0.1", "0.3")),
            repro(of="slow"),
        ),
        record=(
            "gittrack run --name slow -- python -m growth.train --rate 0.1",
            "gittrack run --name fast -- python -m growth.train --rate 0.3",
        ),
        folder="module",
        needs=("why",),
    ),
    Job(
        "bisected",
        "eight commits, three of which cannot be run: the seventh moved the metric",
        (
            bisect("Leave the width out", "mse --good good --bad bad", names=('"skipped"',)),
            bisect("Leave the width out", "mse --good good --bad bad", names=('"known"',)),
            bisect("Leave the width out", "mse --good HEAD~9 --bad bad"),
        ),
        record=(GOOD, steps.slip_after_a_break, BAD),
        folder="small",
        shared=TABLE,
        needs=("bisect",),
    ),
    Job(
        "bisected_open",
        "five commits: the one that moved the metric cannot be run, nor can those beside it",
        (bisect("one of 3 commits", "mse --good good --bad bad", exit_code=10, names=('"skipped"',)),),
        record=(GOOD, steps.slip_in_a_break, BAD),
        folder="small",
        shared=TABLE,
        needs=("bisect",),
    ),
    Job(
        "bisected_branch",
        "a commit on a merged branch moved the metric",
        (
            bisect("Leave the width out", "mse --good good --bad bad"),
            bisect("Merge the topic", "mse --good good --bad bad --first-parent"),
        ),
        record=(GOOD, steps.slip_on_a_branch, BAD),
        folder="small",
        shared=TABLE,
        needs=("bisect",),
    ),
    Job(
        "bisected_data",
        "it was the data that moved the metric; the code of one commit changed too",
        (
            bisect(
                "conflict", "mse --good good --bad bad", exit_code=4, names=("the code is not what moved it",)
            ),
            repro("different", "--swap data=bad", of="good", names=("mse",)),
            why("code, data", a="good", b="bad", names=('"kind": "code", "moved": 0.0', '"untested": []')),
        ),
        record=(GOOD, steps.halve_the_data, BAD),
        folder="small",
        shared=TABLE,
        needs=("bisect", "why"),
    ),
    Job(
        "checked",
        "all runs of a history, each with another verdict",
        (
            repro_all(
                "1 different, 1 failed, 1 identical, 1 impossible",
                "--junit {beside}/verdicts.xml",
                worst="impossible",
                names=("private/readings.txt",),
                left=junit_says(
                    "verdicts.xml", steady=None, chance="failure", setting="failure", private="error"
                ),
            ),
            repro_all(
                "1 different, 1 failed, 1 identical, 1 impossible",
                "--skip-verified -j 2",
                worst="impossible",
                names=("was reproduced here before",),
            ),
            repro_all("1 identical", "--filter \"run_name = 'steady'\"", worst="identical"),
        ),
        record=tuple(
            f"gittrack run --name {name} -- python {name}.py"
            for name in ("steady", "chance", "setting", "private")
        ),
        edited=steps.put_ignored_data,
        variables={"CORPUS_DEPTH": "4"},
        needs=("repro --all",),
    ),
    Job(
        "checked_since",
        "two runs, the second of which came with the last commit",
        (
            repro_all("1 different", "--since HEAD~1", worst="different"),
            repro_all("1 different, 1 identical", worst="different"),
        ),
        record=(
            "gittrack run --name old -- python steady.py",
            "gittrack commit",
            "gittrack run --name new -- python chance.py",
        ),
        folder="checked",
        needs=("repro --all",),
    ),
    Job(
        "attested",
        "reproduced and signed in one clone, verified in another; then its signer is unknown, then it is forged",
        (
            verify("verified", CERTIFICATE, names=("identical: compared once more", "ada@example.org")),
            verify("unproven", CERTIFICATE, before=steps.forget_the_signer),
            verify("differs", CERTIFICATE, before=steps.forge_the_certificate),
        ),
        record=(
            "gittrack run --name fit -- python train.py",
            "gittrack repro fit",
            f"gittrack attest fit -o {CERTIFICATE}",
        ),
        folder="small",
        shared=TABLE,
        programs=("ssh-keygen",),
        edited=steps.make_a_key,
        clone=KNOWN_SIGNERS,
        needs=("attest", "verify"),
    ),
    Job(
        "attested_chance",
        "a random run, reproduced and signed in the fresh clone: what is signed is that it differs",
        (
            attest("different", f"--repro -o {CERTIFICATE}"),
            verify("verified", CERTIFICATE, names=("different: compared once more",)),
        ),
        folder="unseeded",
        programs=("ssh-keygen",),
        edited=steps.make_a_key,
        clone=(*KNOWN_SIGNERS, *SIGNING),
        needs=("attest", "verify"),
    ),
)

JOBS = (*LEARNING, *COMMANDS, *MANY, *CODE, *DATA, *CHANCE, *ENVIRONMENT, *SEVERAL)
