"""The calls of a client that are about artifacts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from gittrack.entities.record import Artifact
from gittrack.entities.tracking import FileInfo
from gittrack.store.layout import path_on_disk
from gittrack.store.objects import FileStore
from gittrack.tracking import artifacts, open_runs
from gittrack.tracking.runs import RunCalls

if TYPE_CHECKING:
    import pandas as pd


class ArtifactCalls(RunCalls):
    """Files of runs: kept, listed, brought back."""

    def log_artifact(
        self, run_id: str, local_path: str | os.PathLike[str], artifact_path: str | None = None
    ) -> None:
        """Keep a file or folder as output of a run; see `ActiveRun.log_artifact`."""
        self._open(run_id).log_artifact(local_path, artifact_path)

    def log_artifacts(
        self, run_id: str, local_dir: str | os.PathLike[str], artifact_path: str | None = None
    ) -> None:
        """Keep all files below a folder as outputs of a run; see `ActiveRun.log_artifacts`."""
        self._open(run_id).log_artifacts(local_dir, artifact_path)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Keep text as an artifact of a run; see `ActiveRun.log_text`."""
        self._open(run_id).log_text(text, artifact_file)

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: str) -> None:
        """Keep a dictionary as an artifact of a run; see `ActiveRun.log_dict`."""
        self._open(run_id).log_dict(dictionary, artifact_file)

    def log_stream(self, run_id: str, stream: BinaryIO, artifact_file: str) -> None:
        """Keep what a binary stream holds as an artifact of a run; see `ActiveRun.log_stream`."""
        self._open(run_id).log_stream(stream, artifact_file)

    def log_figure(
        self, run_id: str, figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a figure as an artifact of a run; see `ActiveRun.log_figure`."""
        self._open(run_id).log_figure(figure, artifact_file, save_kwargs=save_kwargs)

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,
    ) -> None:
        """Keep an image as an artifact of a run; see `ActiveRun.log_image`."""
        self._open(run_id).log_image(image, artifact_file, key=key, step=step, timestamp=timestamp)

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        """Append rows to a table among a run's artifacts; see `ActiveRun.log_table`."""
        self._open(run_id).log_table(data, artifact_file)

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return the rows that runs of an experiment logged to a table, one run after the other.

        Args:
            experiment_id: The experiment.
            artifact_file: The table's path among the artifacts.
            run_ids: Only of these runs; without it of all that have the table.
            extra_columns: Columns to add: `run_id`, or attributes of the run.

        Raises:
            NotFound: No run has such a table.
        """
        chosen = run_ids or [
            run_id
            for (run_id,) in self._session().rows(
                """select run_id from runs join artifacts using (run_id)
                where experiment_id = $experiment and path = $path and not deleted
                order by start_time desc, run_id""",
                experiment=str(experiment_id),
                path=artifact_file,
            )
        ]
        return artifacts.load_tables(self, chosen, artifact_file, extra_columns)

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[FileInfo]:
        """Return the files and folders directly below a folder among a run's artifacts.

        Raises:
            NotFound: This clone knows no such run.
            InvalidValue: It cannot be the path of an artifact.
        """
        return artifacts.list_artifacts(self._artifacts(run_id), path)

    def download_artifacts(self, run_id: str, path: str, dst_path: str | None = None) -> str:
        """Write an artifact, or a folder of them, out as files; return where.

        Args:
            run_id: The run.
            path: Among its artifacts; empty for all of them.
            dst_path: An existing folder that takes them; a new temporary one without it.

        Raises:
            NotFound: There is no such run or artifact, or its content is not in this clone.
            InvalidValue: It cannot be the path of an artifact.
            Damaged: The content is not what was logged.
        """
        found = self._artifacts(run_id)
        target = path_on_disk(dst_path) if dst_path else None
        return str(artifacts.download(found, FileStore(self._project().layout), path, target))

    def _artifacts(self, run_id: str) -> list[Artifact]:
        wanted = open_runs.id_of(run_id)
        session = self._session()
        rows = session.rows(
            "select path, digest, size from artifacts where run_id = $run_id order by path", run_id=wanted
        )
        if not rows and not session.rows("select 1 from runs where run_id = $run_id", run_id=wanted):
            raise open_runs.unknown(wanted)
        return [Artifact(*row) for row in rows]
