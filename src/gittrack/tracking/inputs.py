"""Recording which datasets and models a run used, and which models it made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from gittrack.entities.record import UsedDataset, UsedModel
from gittrack.entities.tracking import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput
from gittrack.errors import GittrackError, InvalidValue
from gittrack.record.run import ActiveRun
from gittrack.record.warning import warn
from gittrack.tracking.connection import all_of


def log(run: ActiveRun, dataset: Any, tags: Mapping[str, str]) -> None:
    """Record the use of a dataset by a run; the local file or folder that it came from is recorded by digest too.

    Raises:
        InvalidValue: It is no dataset.
    """
    from gittrack import data  # loads what only those who log datasets need

    entity = data.as_entity(dataset, tags, context=run.data.tags)
    run.log_dataset(used(entity))
    source = dataset.source
    if isinstance(source, data.LocalArtifactDatasetSource) and source.path.exists():
        try:
            run.log_data(source.path)
        except GittrackError as error:  # a path that a run's file cannot have; the dataset has its own digest
            warn(f"gittrack recorded the dataset '{entity.dataset.name}', not '{source.path}': {error}")


def measured(run: ActiveRun, dataset: Any, model_id: str | None) -> None:
    """Record what a metric was measured on as inputs of its run, unless they are known to it.

    Raises:
        InvalidValue: It is no dataset, or the id cannot be that of a model.
    """
    if model_id and not (isinstance(model_id, str) and run.knows_model(model_id)):
        run.log_models([UsedModel(model_id, "input")])
    if dataset is None or run.knows_dataset(getattr(dataset, "name", ""), getattr(dataset, "digest", "")):
        return
    if isinstance(dataset, Dataset):
        run.log_dataset(used(DatasetInput(dataset)))
    else:
        log(run, dataset, {})


def check_measured(name: str | None, digest: str | None) -> None:
    """Check that a metric which names a dataset names it whole.

    Raises:
        InvalidValue: Its name comes without its digest, or its digest without its name.
    """
    if (name is None) != (digest is None):
        raise InvalidValue(
            f"a metric's dataset has the name {name!r:.80} and the digest {digest!r:.80}",
            hint="give both, or neither",
        )


def used(entity: DatasetInput) -> UsedDataset:
    """Return what a run's file says of the use of a dataset.

    Raises:
        InvalidValue: The entity has something else than a dataset and tags in it.
    """
    if not isinstance(entity.dataset, Dataset) or not all(isinstance(tag, InputTag) for tag in entity.tags):
        raise InvalidValue(
            f"{entity!r:.80} is no use of a dataset",
            hint="DatasetInput(Dataset(...), [InputTag('key', 'value')])",
        )
    said = {field.name: getattr(entity.dataset, field.name) for field in fields(Dataset)}
    return UsedDataset(**said, tags={tag.key: tag.value for tag in entity.tags})


def used_models(models: Sequence[LoggedModelInput]) -> list[UsedModel]:
    """Return what a run's file says of models that the run used.

    Raises:
        InvalidValue: One of them is no `LoggedModelInput`.
    """
    return [UsedModel(one.model_id, "input") for one in all_of(LoggedModelInput, models, "models")]


def made_models(models: Sequence[LoggedModelOutput]) -> list[UsedModel]:
    """Return what a run's file says of models that the run made.

    Raises:
        InvalidValue: One of them is no `LoggedModelOutput`.
    """
    return [
        UsedModel(one.model_id, "output", one.step) for one in all_of(LoggedModelOutput, models, "models")
    ]
