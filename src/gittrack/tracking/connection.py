"""What every call of a client needs: the project, and one view of what its clone knows."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gittrack import config
from gittrack.entities.tracking import PagedList, RunOperations, ViewType
from gittrack.errors import InvalidValue
from gittrack.record.project import Project
from gittrack.record.values import as_list
from gittrack.tracking import projects

if TYPE_CHECKING:
    from gittrack.query.session import Session

T = TypeVar("T")

MAX_PAGE = 50_000


class Connection:
    """The repository that a client speaks to, looked up at each call: the current folder may change."""

    def __init__(self, tracking_uri: str | Path | None = None) -> None:
        self._uri = None if tracking_uri is None else str(tracking_uri)
        if self._uri:
            projects.current(uri=self._uri)

    @property
    def tracking_uri(self) -> str:
        """The working tree that is recorded into, as a `file:` URI."""
        return self._project().home.as_uri()

    def _project(self) -> Project:
        return projects.current(uri=self._uri)

    def _session(self) -> Session:
        return projects.session(self._project())


def check_view(view_type: object) -> int:
    """Return `view_type` if it is one.

    Raises:
        InvalidValue: It is none.
    """
    if view_type not in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL):
        raise InvalidValue(
            f"{view_type!r:.80} is no view type", hint="ViewType.ACTIVE_ONLY, DELETED_ONLY or ALL"
        )
    return int(str(view_type))


def check_page(max_results: object, page_token: object) -> tuple[int, int]:
    """Return how many results are asked for, and after how many.

    Raises:
        InvalidValue: The number is none from 1 to 50,000, or the token is no page's.
    """
    if not isinstance(max_results, int) or isinstance(max_results, bool) or not 0 < max_results <= MAX_PAGE:
        raise InvalidValue(f"max_results is {max_results!r:.80}", hint=f"a number from 1 to {MAX_PAGE}")
    return max_results, 0 if not page_token else _offset(page_token)


def several(given: object, what: str) -> list[str]:
    """Return one text, or several, as a list.

    Raises:
        InvalidValue: It is neither.
    """
    if isinstance(given, str | int):
        return [str(given)]
    return [str(one) for one in as_list(given, what)]


def page(found: list[T], limit: int, offset: int) -> PagedList[T]:
    """Return the first `limit` of what was found; one more than that says that there is a next page."""
    token = None
    if len(found) > limit:
        token = base64.b64encode(json.dumps({"offset": offset + limit}).encode()).decode()
    return PagedList(found[:limit], token)


def _offset(token: object) -> int:
    try:
        offset = json.loads(base64.b64decode(str(token), validate=True))["offset"]
        if type(offset) is int and offset >= 0:
            return offset
    except (ValueError, KeyError, TypeError):
        pass
    raise InvalidValue(f"{token!r:.80} is no page token", hint="take the .token of the page before")


def operations(synchronous: bool | None) -> RunOperations | None:
    """Return what an asynchronous call answers; None for any other."""
    return None if config.is_waited_for(synchronous) else RunOperations()


def all_of(kind: type[T], given: object, what: str) -> list[T]:
    """Return what was given as a list, if all of it is of one kind.

    Raises:
        InvalidValue: Something of it is not.
    """
    items: list[Any] = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    for one in items:
        if not isinstance(one, kind):
            raise InvalidValue(
                f"{what} has {one!r:.80}, which is no {kind.__name__}",
                hint=f"gittrack.entities.{kind.__name__}(...)",
            )
    return items
