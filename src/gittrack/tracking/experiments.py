"""The calls of a client that are about experiments."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gittrack import config
from gittrack.entities.record import ExperimentId, parse_experiment_id
from gittrack.entities.tracking import Experiment, LifecycleStage, PagedList, ViewType
from gittrack.errors import AlreadyExists, InvalidValue, NotFound, RecordingNotice
from gittrack.record import experiments as groups
from gittrack.record.experiments import DEFAULT_ID, Group
from gittrack.record.values import as_text, check_key, check_mapping
from gittrack.tracking import facts, open_runs, projects
from gittrack.tracking.connection import Connection, check_page, check_view, page
from gittrack.tracking.facts import Fact

if TYPE_CHECKING:
    from gittrack.query.session import Session
    from gittrack.query.standing import Standing


_NUMBER = re.compile(r"-?[0-9]+", re.ASCII)  # what could be an id, of MLflow's at least


class ExperimentCalls(Connection):
    """Experiments: created, found, renamed, tagged, deleted and restored."""

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: Mapping[str, Any] | None = None
    ) -> str:
        """Create an experiment; return its id, which is the same in every clone that creates this name.

        Args:
            name: Its name; that of a deleted experiment is free again.
            artifact_location: MLflow's; content is kept by digest in this clone, whatever it says.
            tags: Tags to put on it.

        Raises:
            AlreadyExists: An experiment has this name.
            InvalidValue: It cannot be a name, or a tag cannot be one.
        """
        name = groups.check_name(name)
        said = _tag_facts({} if tags is None else tags)
        if artifact_location:
            warnings.warn(
                f"gittrack keeps artifacts by digest in the repository, not in '{artifact_location}'",
                RecordingNotice,
                stacklevel=2,
            )
        project, session = self._project(), self._session()
        known = _groups(session)
        taken = groups.named(known, name)
        if taken is not None and (not taken.deleted or project.config().reserve_deleted_names):
            raise AlreadyExists(
                f"the {'deleted ' if taken.deleted else ''}experiment {taken.experiment_id} is called '{name}'",
                hint=f"gittrack.set_experiment(experiment_id='{taken.experiment_id}')",
            )
        project.init()
        experiment_id = groups.free_id(known, name)
        groups.create(project.layout, experiment_id, name, user=config.surroundings().user)
        if said:
            facts.write(project, self._session(), [experiment_id], said)
        return experiment_id

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment, deleted or not.

        Raises:
            NotFound: There is none with this id.
        """
        return self._experiment_now(experiment_id)[1]

    def _experiment_now(self, experiment_id: str) -> tuple[Standing, Experiment]:
        """Return an experiment as it is now, and what tells so."""
        wanted = str(experiment_id)
        if not _NUMBER.fullmatch(wanted):
            wanted = parse_experiment_id(experiment_id)
        known = projects.standing(self._project(), ExperimentId(wanted))
        found = known.experiment(ExperimentId(wanted))
        if found is None:
            raise NotFound(
                f"no experiment has the id '{experiment_id}'", hint="gittrack.search_experiments()"
            )
        return known, found

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Return the experiment of a name, or None; a deleted one only when no other has the name."""
        found = [one for one in _all(self._session()) if one.name == name]
        return min(found, key=lambda one: (one.lifecycle_stage, int(one.experiment_id)), default=None)

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """Return the experiments that a filter lets through.

        Args:
            view_type: Active ones, deleted ones, or all.
            max_results: At most so many, from 1 to 50,000.
            filter_string: For instance `name LIKE 'churn%' AND tags.team = 'red'`.
            order_by: For instance `["name ASC"]`; without it the newest come first.
            page_token: The `.token` of the page before.

        Raises:
            InvalidValue: The filter, the order or a number is not understood.
        """
        limit, offset = check_page(max_results, page_token)
        from gittrack.query import search

        found = search.experiments(
            self._session(),
            view_type=check_view(view_type),
            filter_string=filter_string,
            order_by=order_by,
            limit=limit + 1,
            offset=offset,
        )
        return page(found, limit, offset)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Give an experiment another name; its id stays.

        Raises:
            NotFound: There is none with this id.
            AlreadyExists: Another experiment has the name.
            InvalidValue: It cannot be a name, or the experiment is deleted.
        """
        new_name = groups.check_name(new_name)
        known, one = self._active_now(experiment_id)
        self._must_be_free(new_name, besides=one.experiment_id)
        self._say(known, one, ("rename", None, new_name))

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Put a tag on an experiment.

        Raises:
            NotFound: There is none with this id.
            InvalidValue: The key cannot be one, or the experiment is deleted.
        """
        self.set_experiment_tags(experiment_id, {check_key(key, "tag"): str(value)})

    def set_experiment_tags(self, experiment_id: str, tags: Mapping[str, Any]) -> None:
        """Put tags on an experiment; all or none.

        Raises:
            NotFound: There is none with this id.
            InvalidValue: A key cannot be one, or the experiment is deleted.
        """
        said = _tag_facts(tags)
        self._say(*self._active_now(experiment_id), *said)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Take a tag off an experiment.

        Raises:
            NotFound: There is no such experiment, or it has no such tag.
            InvalidValue: The key cannot be one, or the experiment is deleted.
        """
        check_key(key, "tag")
        known, one = self._active_now(experiment_id)
        if key not in one.tags:
            raise NotFound(f"the experiment '{one.name}' has no tag '{key}'")
        self._say(known, one, ("delete_tag", key, None))

    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment softly, with its runs; its name is free again.

        Raises:
            NotFound: There is none with this id, or it is deleted.
            InvalidValue: It is `Default`, where runs go that name no experiment.
        """
        known, one = self._experiment_now(experiment_id)
        if one.experiment_id == DEFAULT_ID:
            raise InvalidValue("the experiment 0 cannot be deleted: runs go there that name no experiment")
        if one.lifecycle_stage == LifecycleStage.DELETED:
            raise NotFound(f"the experiment '{one.name}' is deleted", hint="restore_experiment takes it back")
        self._say(known, one, ("delete", None, None))
        open_runs.deleted_with(self._project(), one.experiment_id, is_deleted=True)

    def restore_experiment(self, experiment_id: str) -> None:
        """Take back the deletion of an experiment.

        Raises:
            NotFound: There is none with this id that is deleted.
            AlreadyExists: Another experiment has its name by now.
        """
        known, one = self._experiment_now(experiment_id)
        if one.lifecycle_stage != LifecycleStage.DELETED:
            raise NotFound(f"the experiment '{one.name}' is not deleted")
        self._must_be_free(one.name, besides=one.experiment_id)
        self._say(known, one, ("restore", None, None))
        open_runs.deleted_with(self._project(), one.experiment_id, is_deleted=False)

    def _active_now(self, experiment_id: str) -> tuple[Standing, Experiment]:
        known, one = self._experiment_now(experiment_id)
        if one.lifecycle_stage == LifecycleStage.DELETED:
            raise InvalidValue(
                f"the experiment '{one.name}' is deleted", hint="restore_experiment takes it back"
            )
        return known, one

    def _must_be_free(self, name: str, *, besides: str) -> None:
        other = self.get_experiment_by_name(name)
        if (
            other is not None
            and other.experiment_id != besides
            and other.lifecycle_stage == LifecycleStage.ACTIVE
        ):
            raise AlreadyExists(
                f"the experiment {other.experiment_id} is called '{name}'", hint="rename one of the two first"
            )

    def _say(self, known: Standing, one: Experiment, *said: Fact) -> None:
        facts.write(self._project(), known, [ExperimentId(one.experiment_id)], said)


def _tag_facts(tags: Mapping[str, Any]) -> list[Fact]:
    return [
        ("set_tag", check_key(key, "tag"), as_text(value, f"the tag '{key}'"))
        for key, value in check_mapping(tags, "tag").items()
    ]


def _all(session: Session) -> list[Experiment]:
    from gittrack.query import search

    return search.experiments(session, view_type=ViewType.ALL, limit=1 << 31)


def _groups(session: Session) -> list[Group]:
    return [
        Group(ExperimentId(one.experiment_id), one.name, one.lifecycle_stage == LifecycleStage.DELETED)
        for one in _all(session)
    ]
