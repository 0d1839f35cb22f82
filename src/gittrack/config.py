"""Settings of a project and of the environment, as one frozen `Config`; the only reader of environment variables.

`.gittrack/config.yaml` is committed and shared; it can name numbers and words, never a program. Its parsed form
is kept beside the index, because importing a YAML parser costs more than the start of a run may.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from gittrack.errors import InvalidValue, NotFound
from gittrack.store import digest as digests
from gittrack.store import durable
from gittrack.store.layout import Layout

DEFAULT_TEXT = b"""\
# gittrack: settings of this project, shared by all who clone it.
format: gittrack/config/1
# experiment: Default              # where runs go that name no experiment
# durability: second               # second: on disk within a second; strict: before each call returns; os: at flush
# reserve_deleted_names: false     # true: the name of a deleted experiment cannot be taken again, as in MLflow
# capture_max_bytes: 10000000      # larger files stay out of the code capture, and are named
# capture_reads: true              # false: only data that is declared is recorded
# capture_data_max_bytes: 10000000 # larger files that a run reads are recorded by digest, and not kept
"""
DURABILITIES = ("second", "strict", "os")


@dataclass(frozen=True)
class Config:
    """How to record.

    Attributes:
        experiment: Where runs go that name no experiment.
        durability: `second`, `strict` or `os`; see docs/architecture.md.
        capture_max_bytes: Size of the largest file that the code capture takes.
        reserve_deleted_names: Whether a deleted experiment keeps its name.
        capture_reads: Whether the files that a run reads are recorded as its data.
        capture_data_max_bytes: Size of the largest such file that is kept.
    """

    experiment: str = "Default"
    durability: str = "second"
    capture_max_bytes: int = 10_000_000
    reserve_deleted_names: bool = False
    capture_reads: bool = True
    capture_data_max_bytes: int = 10_000_000


class Surroundings(NamedTuple):
    """What the process that started this one says.

    Attributes:
        run_id: The run to log to instead of starting one, or None.
        is_named: Whether that run was given a name, which then stays.
        tracking_uri: The repository to record into, as a script for MLflow would be told; None for the one around.
        experiment_id: The experiment that new runs go to, or None.
        context: Tags for every new run.
        worktree: The working tree whose store takes the runs, when it is not the one around the current folder.
        repro: File that says which runs this process repeats, or None.
        depth: How many reproductions this process is inside of.
        user: The name of the user.
        variables: The environment variables that are recorded with a command.
    """

    run_id: str | None
    is_named: bool
    tracking_uri: str | None
    experiment_id: str | None
    context: Mapping[str, str]
    worktree: Path | None
    repro: Path | None
    depth: int
    user: str
    variables: Mapping[str, str]


def inherited(
    run_id: str,
    worktree: Path,
    variables: Mapping[str, str] = MappingProxyType({}),
    *,
    is_named: bool = False,
) -> dict[str, str]:
    """Return the environment of a command that shall log to a run of `worktree`, with `variables` set."""
    env = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_RUN}
    if is_named:
        env["GITTRACK_RUN_IS_NAMED"] = "1"
    env = {"PYTHONUNBUFFERED": "1", **env, **variables}
    if DETERMINISTIC in variables:
        env = _with_site(env)
    return {**env, "GITTRACK_RUN_ID": run_id, "GITTRACK_WORKTREE": str(worktree)}


_OF_ANOTHER_RUN = ("MLFLOW_RUN_ID", "GITTRACK_REPRO", "GITTRACK_RUN_IS_NAMED")
_RECORDED = (
    "BLIS_NUM_THREADS",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "LANG",
    "LC_ALL",
    "MKL_CBWR",
    "MKL_DYNAMIC",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_DYNAMIC",
    "OMP_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "PYTHONHASHSEED",
    "PYTHONPATH",
    "SOURCE_DATE_EPOCH",
    "TF_CUDNN_DETERMINISTIC",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TZ",
    "VECLIB_MAXIMUM_THREADS",
    "XLA_FLAGS",
)
DETERMINISTIC = "GITTRACK_DETERMINISTIC"
"""In a record, that the processes of a command were started through gittrack's `sitecustomize`."""
_SITE = str(Path(__file__).parent / "record" / "site")


def _with_site(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Python finds gittrack's `sitecustomize` first, and says where that is.

    The folder is another on each machine, so a record has a word instead; see `_recorded`.
    """
    path = env.get("PYTHONPATH")
    others = [entry for entry in path.split(os.pathsep) if entry != _SITE] if path else []
    return {**env, DETERMINISTIC: _SITE, "PYTHONPATH": os.pathsep.join([_SITE, *others])}


def _recorded() -> dict[str, str]:
    """Return the variables that are recorded with a command."""
    found = {name: os.environ[name] for name in _RECORDED if name in os.environ}
    site = os.environ.get(DETERMINISTIC)
    path = found.get("PYTHONPATH", "").split(os.pathsep)
    if not site or site not in path:
        return found
    rest = {"PYTHONPATH": os.pathsep.join(entry for entry in path if entry != site)}
    return {DETERMINISTIC: "1", **{name: value for name, value in {**found, **rest}.items() if value}}


# Where things are on this machine, and who works here. Not what lets somebody in (keys, tokens, sockets of agents,
# proxies with a password), nor what changes how programs run (LD_PRELOAD, PYTHONSTARTUP, GIT_SSH_COMMAND).
_OF_THE_MACHINE = (
    *("HOME", "LOGNAME", "PATH", "SHELL", "TEMP", "TMP", "TMPDIR", "USER", "USERNAME"),
    *("CONDA_PREFIX", "VIRTUAL_ENV", "CUDA_HOME", "CUDA_PATH", "JAVA_HOME", "R_HOME", "ROCM_PATH"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_DIR", "SSL_CERT_FILE"),
    *("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM"),
    *("APPDATA", "COMSPEC", "LOCALAPPDATA", "PATHEXT", "PROGRAMDATA", "SYSTEMROOT", "USERPROFILE", "WINDIR"),
)


def handed_down(names: Iterable[str]) -> dict[str, str]:
    """Return the variables that the user wants a repeated command to have besides.

    Raises:
        NotFound: One is not set here.
        InvalidValue: One is the record's to say, or gittrack's.
    """
    found = {}
    for name in names:
        if name in _RECORDED or name.startswith("GITTRACK_"):
            raise InvalidValue(
                f"{name} is as the record says, it cannot be passed on", hint="gittrack show RUN"
            )
        if name not in os.environ:
            raise NotFound(f"there is no variable '{name}' to pass on", hint=f"export {name}=...")
        found[name] = os.environ[name]
    return found


def repeated(
    recorded: Mapping[str, str],
    *,
    program: str,
    pairs: Path,
    worktree: Path,
    depth: int,
    experiment: str,
    passed: Mapping[str, str] = MappingProxyType({}),
    here: bool = True,
) -> dict[str, str]:
    """Return the environment of a command that repeats a recorded one.

    It has what is recorded, a short list of variables that say where things are on this machine, and what the user
    hands down by name; nothing else of this process. A name that gittrack would not have recorded is not taken from
    the record.

    Args:
        recorded: The variables of the record.
        program: The Python interpreter, whose folder comes first in PATH.
        pairs: The file that says which runs are repeated.
        worktree: The working tree whose store takes the new runs.
        depth: How many reproductions the command is inside of.
        experiment: Where runs go that name no experiment.
        passed: What the user hands down; see `handed_down`.
        here: False for a command in a container, where nothing is where it is on this machine.
    """
    env = {name: os.environ[name] for name in _OF_THE_MACHINE if here and name in os.environ}
    env |= {**passed, **{name: value for name, value in recorded.items() if name in _RECORDED}}
    if here:
        env["PATH"] = os.pathsep.join([os.path.dirname(program), env.get("PATH", os.defpath)])  # noqa: PTH120
    if DETERMINISTIC in recorded:
        env = _with_site(env)
    return {
        **env,
        "GITTRACK_REPRO": str(pairs),
        "GITTRACK_WORKTREE": str(worktree),
        "GITTRACK_REPRO_DEPTH": str(depth),
        "GITTRACK_EXPERIMENT": experiment,
    }


def surroundings() -> Surroundings:
    """Return what the environment variables say now."""
    env = os.environ
    return Surroundings(
        run_id=_said("RUN_ID"),
        is_named=bool(env.get("GITTRACK_RUN_IS_NAMED")),
        tracking_uri=_said("TRACKING_URI"),
        experiment_id=_said("EXPERIMENT_ID"),
        context=_context(),
        worktree=Path(env["GITTRACK_WORKTREE"]) if env.get("GITTRACK_WORKTREE") else None,
        repro=_taken("GITTRACK_REPRO"),
        depth=_depth(env.get("GITTRACK_REPRO_DEPTH") or "0"),
        user=env.get("LOGNAME") or env.get("USER") or env.get("USERNAME") or _login(),
        variables=_recorded(),
    )


def _said(name: str) -> str | None:
    """Return what a variable says under our name, or else under MLflow's."""
    return os.environ.get(f"GITTRACK_{name}") or os.environ.get(f"MLFLOW_{name}") or None


def pass_on(name: str, value: str | None) -> None:
    """Tell the processes that this one starts from now on."""
    os.environ.pop(f"MLFLOW_{name}", None)
    if value is None:
        os.environ.pop(f"GITTRACK_{name}", None)
    else:
        os.environ[f"GITTRACK_{name}"] = value


def _depth(text: str) -> int:
    if not text.isdecimal():
        raise InvalidValue(
            f"GITTRACK_REPRO_DEPTH is {text!r:.80}, not a number", hint="unset GITTRACK_REPRO_DEPTH"
        )
    return int(text)


def _context() -> dict[str, str]:
    text = _said("RUN_CONTEXT")
    if text is None:
        return {}
    try:
        tags = json.loads(text)
        return {str(key): str(value) for key, value in tags.items()}
    except (ValueError, AttributeError) as error:
        raise InvalidValue(
            f"MLFLOW_RUN_CONTEXT is {text!r:.80}, not a JSON object of tags", hint='{"team": "red"}'
        ) from error


def captures_reads() -> bool:
    """Whether the environment lets gittrack note which files a process opens."""
    return os.environ.get("GITTRACK_CAPTURE_READS", "1").lower() not in ("0", "false", "no")


def reads_for() -> tuple[str, ...]:
    """Return the live folders of the runs that this process reads for: those of the processes that started it."""
    return tuple(filter(None, os.environ.get("GITTRACK_READS", "").split(os.pathsep)))


def image() -> str | None:
    """Return how the one who started this process's container names its image, or None."""
    return os.environ.get("GITTRACK_IMAGE") or None


def container_engine() -> str | None:
    """Return the program that shall run containers, or None for the usual ones."""
    return os.environ.get("GITTRACK_CONTAINER_ENGINE") or None


def container_options() -> list[str]:
    """Return the options that the user wants every container to be started with.

    Raises:
        InvalidValue: A quote in them is not closed.
    """
    text = os.environ.get("GITTRACK_CONTAINER_OPTIONS", "")
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InvalidValue(
            f"GITTRACK_CONTAINER_OPTIONS is {text!r:.80}: {error}", hint="--shm-size=8g"
        ) from error


# Whose engine it is, and where it has its images; not for what runs in a container.
_OF_ENGINES = (
    *("GITTRACK_CONTAINER_ENGINE", "GITTRACK_CONTAINER_OPTIONS"),
    *("CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINER_HOST"),
    *("DBUS_SESSION_BUS_ADDRESS", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"),
    *("DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST", "DOCKER_TLS_VERIFY"),
)


def of_engines() -> dict[str, str]:
    """Return the variables that podman and docker need from the user to find their images."""
    return {name: os.environ[name] for name in _OF_ENGINES if name in os.environ}


def beside_engine(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that an engine is started in, from which it hands `variables` to a container."""
    return {**os.environ, **variables}


def handed_into(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the variables that a command's container gets: recorded ones, and gittrack's own."""
    own = (name for name in env if name.startswith("GITTRACK_") and name not in _OF_ENGINES)
    return tuple(sorted({*own, *(name for name in (*_RECORDED, "PYTHONUNBUFFERED") if name in env)}))


def site() -> Path:
    """Return the folder that goes before all others on the path of a Python process that shall be deterministic."""
    return Path(_SITE)


def temporary_folder() -> str:
    """Return where programs put temporary files; `tempfile` takes 5 ms to import."""
    return os.environ.get("TMPDIR") or os.environ.get("TEMP") or os.environ.get("TMP") or "/tmp"  # noqa: S108


def dvc_files() -> tuple[Path, ...]:
    """Return where DVC has the settings of the system and of the user."""
    mac = Path("Library", "Application Support") if sys.platform == "darwin" else None
    system = Path("/", mac) if mac else Path((os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")[0])
    user = Path.home() / mac if mac else Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return (
        Path(os.environ.get("DVC_SYSTEM_CONFIG_DIR") or system / "dvc", "config"),
        Path(os.environ.get("DVC_GLOBAL_CONFIG_DIR") or user / "dvc", "config"),
    )


def shell() -> str:
    """Return the user's shell, which DVC runs the commands of stages with."""
    return os.environ.get("SHELL") or "/bin/sh"


def system_metrics() -> dict[str, Any]:
    """Return how the environment wants the machine to be watched.

    Returns:
        `enabled`, `interval_s` (seconds between two samples), `samples` (that are averaged into one point) and
        `node_id` (the name of this machine in the keys, or None).

    Raises:
        InvalidValue: A number is none, or not positive.
    """
    return {
        "enabled": _switch("ENABLE_SYSTEM_METRICS_LOGGING"),
        "interval_s": _positive("SYSTEM_METRICS_SAMPLING_INTERVAL", 10.0),
        "samples": int(_positive("SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", 1)),
        "node_id": _said("SYSTEM_METRICS_NODE_ID"),
    }


def _switch(name: str) -> bool:
    return (_said(name) or "false").lower() in ("1", "true", "yes")


def _positive(name: str, default: float) -> float:
    text = _said(name)
    try:
        number = default if text is None else float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise InvalidValue(f"MLFLOW_{name} is {text!r:.80}, not a positive number")
    return number


def enable_async_logging(enable: bool = True) -> None:
    """Make calls that log answer with something to wait for, unless they are told `synchronous=True`.

    It changes nothing else: no call waits for the disk, and what it logs is recorded when it returns. The processes
    that this one starts do the same.
    """
    global _asynchronous
    _asynchronous = bool(enable)
    pass_on(_ASYNCHRONOUS, "true" if enable else "false")


def is_waited_for(synchronous: bool | None) -> bool:
    """Whether a call answers as one that was waited for; None for what holds in this process."""
    return not _asynchronous if synchronous is None else bool(synchronous)


_ASYNCHRONOUS = "ENABLE_ASYNC_LOGGING"
# Looked up as a run is opened: one look at the environment costs as much as logging a point.
_asynchronous = _switch(_ASYNCHRONOUS)


def _login() -> str:
    try:
        import pwd  # POSIX only, so not at module level

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return "unknown"


def _taken(name: str) -> Path | None:
    """Take a path that is meant for this process alone out of the environment of those that it starts."""
    if name in os.environ:
        _for_this_process[name] = Path(os.environ.pop(name))
    return _for_this_process.get(name)


_for_this_process: dict[str, Path] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_for_this_process.clear)  # a forked child is another process


def load(layout: Layout, parse: Callable[[bytes], dict[str, Any]]) -> Config:
    """Return the project's settings, overruled by the environment.

    Args:
        layout: Where the store is.
        parse: Reads YAML; called only for a file that was not seen before.

    Raises:
        InvalidValue: A setting has a value that it cannot have.
    """
    global _asynchronous
    _asynchronous = _switch(_ASYNCHRONOUS)
    config = _from_file(layout, parse)
    experiment = os.environ.get("GITTRACK_EXPERIMENT") or _said("EXPERIMENT_NAME")
    durability = os.environ.get("GITTRACK_DURABILITY")
    return _checked(
        replace(
            config, experiment=experiment or config.experiment, durability=durability or config.durability
        )
    )


def _from_file(layout: Layout, parse: Callable[[bytes], dict[str, Any]]) -> Config:
    try:
        content = layout.config.read_bytes()
    except OSError:
        return Config()
    if content == DEFAULT_TEXT:
        return Config()
    cache = layout.index / f"config-{digests.of_bytes(content)}.json"
    try:
        fields = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        fields = parse(content)
        with suppress(OSError):  # a read-only disk: parsed again next time
            durable.replace_file(cache, json.dumps(fields).encode(), tmp=layout.tmp)
    known = {name: fields[name] for name in Config.__dataclass_fields__ if name in fields}
    return _checked(Config(**known))


def _checked(config: Config) -> Config:
    if config.durability not in DURABILITIES:
        raise InvalidValue(
            f"durability is {config.durability!r} in .gittrack/config.yaml or GITTRACK_DURABILITY",
            hint=f"one of {', '.join(DURABILITIES)}",
        )
    for name in ("capture_max_bytes", "capture_data_max_bytes"):
        size = getattr(config, name)
        if not isinstance(size, int) or size < 0:
            raise InvalidValue(f"{name} is {size!r} in .gittrack/config.yaml, not a size")
    for name in ("reserve_deleted_names", "capture_reads"):
        value = getattr(config, name)
        if not isinstance(value, bool):
            raise InvalidValue(f"{name} is {value!r} in .gittrack/config.yaml, not true or false")
    if not isinstance(config.experiment, str) or not config.experiment:
        raise InvalidValue(f"experiment is {config.experiment!r} in .gittrack/config.yaml, not a name")
    return config
