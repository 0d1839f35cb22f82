"""A run as a client hands it out: MLflow's attributes, and the tags that MLflow would have set."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from gittrack.entities.record import RunRecord, UsedDataset, UsedModel
from gittrack.entities.tracking import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
)
from gittrack.record.experiments import id_of
from gittrack.record.system_tags import (
    BRANCH,
    COMMIT,
    PARENT_RUN_ID,
    RUN_NAME,
    SOURCE_NAME,
    SOURCE_TYPE,
    USER,
)


def info(run: RunRecord, *, deleted: bool) -> RunInfo:
    """Return a run's id, name, experiment, status and times."""
    return RunInfo(
        run_id=run.run_id,
        experiment_id=run.experiment_id or id_of(run.experiment),
        user_id=run.user,
        status=run.status,
        start_time=run.start_time,
        end_time=run.end_time,
        lifecycle_stage=LifecycleStage.DELETED if deleted else LifecycleStage.ACTIVE,
        artifact_uri=artifact_uri(run.run_id),
        run_name=run.name,
    )


def run(recorded: RunRecord, *, deleted: bool) -> Run:
    """Return a recorded run with all that a client asks for."""
    return Run(
        info=info(recorded, deleted=deleted),
        data=RunData(
            metrics={key: summary.last for key, summary in recorded.metrics.items()},
            params={key: str(value) for key, value in recorded.params.items()},
            tags={**_derived(recorded), **recorded.tags},
        ),
        inputs=RunInputs([_input(used) for used in recorded.datasets], model_inputs(recorded.models)),
        outputs=RunOutputs(model_outputs(recorded.models)),
    )


def model_inputs(models: Iterable[UsedModel]) -> list[LoggedModelInput]:
    """Return the models that a run used, out of all that its record names."""
    return [LoggedModelInput(used.model_id) for used in models if used.role == "input"]


def model_outputs(models: Iterable[UsedModel]) -> list[LoggedModelOutput]:
    """Return the models that a run made, out of all that its record names."""
    return [LoggedModelOutput(used.model_id, used.step or 0) for used in models if used.role == "output"]


def artifact_uri(run_id: str, path: str = "") -> str:
    """Return the address of a run's artifacts, or of one of them."""
    return f"runs:/{run_id}/{path}" if path else f"runs:/{run_id}"


def source_name(command: str | None) -> str | None:
    """Return the script that a command runs: its first word that ends in `.py`, else all of it."""
    if command is None:
        return None
    return next((word for word in command.split() if word.endswith(".py")), command)


def _derived(run: RunRecord) -> dict[str, str]:
    """Return the tags that say what the record says elsewhere."""
    code = run.code
    tags = {
        RUN_NAME: run.name,
        USER: run.user,
        SOURCE_NAME: source_name(None if run.command is None else shlex.join(run.command.argv)),
        SOURCE_TYPE: "LOCAL",
        PARENT_RUN_ID: run.parent_run_id,
        COMMIT: None if code is None else code.commit,
        BRANCH: None if code is None else code.branch,
    }
    return {key: value for key, value in tags.items() if value is not None}


def _input(used: UsedDataset) -> DatasetInput:
    dataset = Dataset(used.name, used.digest, used.source_type, used.source, used.schema, used.profile)
    return DatasetInput(dataset, [InputTag(key, value) for key, value in used.tags.items()])
