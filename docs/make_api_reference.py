"""Write `docs/api.md` from the docstrings of the public names: `python docs/make_api_reference.py`."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("api.md")
WIDTH = 100
HEAD = """\
# The Python API

*Made from the docstrings by `docs/make_api_reference.py`; do not edit.*

`import gittrack` is what a training script needs, and `import gittrack as mlflow` what a script written for MLflow
needs: names, arguments and answers are MLflow's. Times are milliseconds since 1970-01-01 UTC where nothing else is
said. An error that a user can act on is a `GittrackError`: one sentence, a `hint`, and MLflow's `error_code`.
"""

# Each name of `gittrack.__all__` belongs to one subject; within it the order is that of `__all__`.
SUBJECTS = {
    "Runs": """start_run end_run active_run last_active_run get_run get_parent_run delete_run restore_run
        set_volatile seed_all flush""",
    "Params, metrics and tags": """log_param log_params log_metric log_metrics log_points set_tag set_tags
        delete_tag""",
    "Artifacts": """log_artifact log_artifacts log_text log_dict log_stream log_figure log_image log_table
        load_table get_artifact_uri Image""",
    "Inputs and models": "log_data log_input log_inputs log_outputs",
    "Experiments": """create_experiment set_experiment get_experiment get_experiment_by_name search_experiments
        delete_experiment restore_experiment set_experiment_tag set_experiment_tags delete_experiment_tag""",
    "Queries": "search_runs runs points sql",
    "Settings": """set_tracking_uri get_tracking_uri is_tracking_uri_set set_registry_uri get_registry_uri
        enable_system_metrics_logging
        disable_system_metrics_logging set_system_metrics_sampling_interval
        set_system_metrics_samples_before_logging set_system_metrics_node_id flush_async_logging
        flush_artifact_async_logging""",
    "The active run": "ActiveRun",
    "The client": "Client MlflowClient",
    "Errors and warnings": "GittrackError RecordingWarning RecordingNotice",
}

# The modules whose names scripts import from their MLflow twins, each with what it is for.
MODULES = {
    "gittrack.artifacts": "Artifacts of any run, read.",
    "gittrack.data": "Datasets: what a run was trained on, named, with a digest over all of the content.",
    "gittrack.entities": "What the client and the search hand out, under MLflow's attribute names.",
    "gittrack.exceptions": "The errors, by category, and under the names that scripts for MLflow catch.",
    "gittrack.tracking": "Names that scripts for MLflow import from here.",
}

# How gittrack itself opens and ends a run; scripts call `start_run` and `end_run`.
INTERNAL = {
    f"gittrack.ActiveRun.{name}"
    for name in """__init__ begin attach resume leave end_with before_end next_step mark_deleted set_status log_dataset
        log_batch experiment_group is_amended is_mine is_of""".split()
}

_SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises):$")
_ENTRY = re.compile(r"(\*{0,2}[\w., ]+): (.*)", re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_KINDS = (classmethod, staticmethod, property)


@dataclass(frozen=True)
class Name:
    """A public name: where it is imported from and what it is.

    Attributes:
        full: The name with its module.
        thing: What it names.
        members: The names inside, if it is a class.
        same_as: The name under which the same thing is described, when that is not this one.
    """

    full: str
    thing: Any
    members: tuple[Name, ...] = ()
    same_as: Name | None = None

    @property
    def short(self) -> str:
        """The name without its module."""
        return self.full.rpartition(".")[2]

    @property
    def heading(self) -> str:
        """What stands above it; a member has a colon, or `Dataset.source` and `DatasetSource` had one anchor."""
        home, _, short = self.full.rpartition(".")
        return f"{home}: {short}" if home.rpartition(".")[2][:1].isupper() else self.full

    @property
    def anchor(self) -> str:
        """The link to it, as Markdown viewers make it from the heading."""
        return "#" + re.sub(r"[.:]", "", self.heading).replace(" ", "-").lower()


@dataclass
class Chapter:
    """A part of the page."""

    title: str
    about: str
    names: list[Name] = field(default_factory=list)


def chapters() -> list[Chapter]:
    """Return what the page has to show.

    Raises:
        LookupError: A public name has no subject, or a name that is foreseen does not exist.
    """
    found = [*_subjects(), *_modules()]
    classes = {name.thing for chapter in found for name in chapter.names if inspect.isclass(name.thing)}
    heirs = Counter(base for thing in classes for base in _bases(thing))
    shared = {base for base, count in heirs.items() if count > 1} - classes
    homes = _homes(found)
    for chapter in found:
        chapter.names = list(_with_members(chapter.names, homes, classes, shared))
    return found


def _homes(found: list[Chapter]) -> dict[Any, Name]:
    """Return for each thing the name under which it is described: its own, where it is public under that one."""
    homes: dict[Any, Name] = {}
    for name in (name for chapter in found for name in chapter.names):
        home = homes.setdefault(name.thing, name)
        own = getattr(name.thing, "__name__", "")
        if home.short != own == name.short:
            homes[name.thing] = name
    return homes


def _subjects() -> Iterator[Chapter]:
    import gittrack

    subject_of = {name: title for title, names in SUBJECTS.items() for name in names.split()}
    modules = {module.rpartition(".")[2] for module in MODULES}
    listed = [name for name in gittrack.__all__ if name not in modules]
    if strange := [name for name in listed if name not in subject_of]:
        raise LookupError(f"gittrack.{strange[0]} has no subject in SUBJECTS")
    if missing := subject_of.keys() - set(listed):
        raise LookupError(f"SUBJECTS has '{min(missing)}', which is not in gittrack.__all__")
    for title in SUBJECTS:
        names = [Name(f"gittrack.{n}", getattr(gittrack, n)) for n in listed if subject_of[n] == title]
        if names:
            yield Chapter(title, "", names)


def _modules() -> Iterator[Chapter]:
    for path, about in MODULES.items():
        module = importlib.import_module(path)
        yield Chapter(path, about, [Name(f"{path}.{name}", getattr(module, name)) for name in module.__all__])


def _with_members(
    names: Iterable[Name], homes: dict[Any, Name], classes: set[type], shared: set[type]
) -> Iterator[Name]:
    """Yield the names with what is inside them; a base that several share comes before its first heir."""
    for name in names:
        if homes[name.thing] != name:
            yield Name(name.full, name.thing, same_as=homes[name.thing])
        elif not inspect.isclass(name.thing):
            yield name
        else:
            for base in _bases(name.thing):
                if base in shared and base not in homes:
                    homes[base] = Name(f"{base.__module__}.{base.__name__}", base)
                    yield _class(homes[base], classes | shared)
            yield _class(name, classes | shared)


def _class(name: Name, shown: set[type]) -> Name:
    """Return a class with its members, also those of bases that the page does not show."""
    members: dict[str, Name] = {}
    for owner in [name.thing, *(base for base in _bases(name.thing) if base not in shown)]:
        for member, thing in vars(owner).items():
            if not member.startswith("_") and (inspect.isfunction(thing) or isinstance(thing, _KINDS)):
                members.setdefault(member, Name(f"{name.full}.{member}", thing))
    public = tuple(member for member in members.values() if member.full not in INTERNAL)
    return Name(name.full, name.thing, public)


def _bases(thing: type) -> list[type]:
    return [base for base in thing.__mro__[1:] if base.__module__.split(".")[0] == "gittrack"]


def docstring(name: Name) -> str:
    """Return the docstring of a name, cleaned; a method without one has that of the method it overrides.

    Raises:
        LookupError: It has none.
    """
    thing = name.thing
    text = (
        inspect.cleandoc(thing.__doc__ or "") if inspect.isclass(thing) else inspect.getdoc(_function(thing))
    )
    if not text or (inspect.isclass(thing) and text.startswith(f"{thing.__name__}(")):  # made by dataclass
        raise LookupError(f"{name.full} has no docstring")
    return text


def _function(thing: Any) -> Any:
    if isinstance(thing, property):
        return thing.fget
    return thing.__func__ if isinstance(thing, classmethod | staticmethod) else thing


def signature(name: Name) -> str:
    """Return how a name is written down: a call with its parameters, or an attribute with its type."""
    thing, short = name.thing, name.full.removeprefix("gittrack.")
    if isinstance(thing, property):
        return f"{short}: {_source(inspect.signature(_function(thing)).return_annotation)}"
    if inspect.isclass(thing):
        maker = next((owner for owner in [thing, *_bases(thing)] if "__init__" in vars(owner)), None)
        if maker is None or f"{name.full}.__init__" in INTERNAL:
            return f"class {short}"
        return _call(f"class {short}", inspect.signature(vars(maker)["__init__"]), "")
    found = inspect.signature(_function(thing))
    answer = "" if found.return_annotation is found.empty else f" -> {_source(found.return_annotation)}"
    return _call(short, found, answer)


def _call(name: str, found: inspect.Signature, answer: str) -> str:
    parts = list(_parameters([p for p in found.parameters.values() if p.name not in ("self", "cls")]))
    line = f"{name}({', '.join(parts)}){answer}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){answer}"])


def _parameters(parameters: list[inspect.Parameter]) -> Iterator[str]:
    starred = False
    for before, parameter in pairwise([None, *parameters, None]):
        kind = None if parameter is None else parameter.kind
        if before is not None and before.kind == before.POSITIONAL_ONLY != kind:
            yield "/"
        if parameter is None:
            return
        if parameter.kind == parameter.KEYWORD_ONLY and not starred:
            yield "*"
        starred = starred or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        yield _parameter(parameter)


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "*" * (parameter.kind == parameter.VAR_POSITIONAL) + "**" * (
        parameter.kind == parameter.VAR_KEYWORD
    )
    typed = "" if parameter.annotation is parameter.empty else f": {_source(parameter.annotation)}"
    if parameter.default is parameter.empty:
        return f"{stars}{parameter.name}{typed}"
    default = repr(parameter.default)
    if default.startswith("<"):
        default = "..."  # made anew for each call; or nothing that a reader could type
    return f"{parameter.name}{typed} = {default}" if typed else f"{parameter.name}={default}"


def _source(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def reference() -> str:
    """Return the page."""
    found = chapters()
    links = _links(found)
    parts = [HEAD, _contents(found)]
    for chapter in found:
        parts.append(f"## {chapter.title}\n")
        if chapter.about:
            parts.append(f"{chapter.about}\n")
        for name in chapter.names:
            parts.append(f"### {name.full}\n")
            if name.same_as is not None:
                parts.append(f"The same as {_link(name.same_as)}.\n")
                continue
            parts += _entry(name, links)
            for member in name.members:
                parts += [f"#### {member.heading}\n", *_entry(member, links)]
    return "\n".join(parts)


def _contents(found: list[Chapter]) -> str:
    lines = []
    for chapter in found:
        names = ", ".join(f"[{name.short}]({name.anchor})" for name in chapter.names)
        lines.append(f"- **{chapter.title}**: {names}")
    return "\n".join(lines) + "\n"


def _links(found: list[Chapter]) -> dict[str, Name]:
    """Return the names by what docstrings call them; what could be two of them is none."""
    links: dict[str, Name] = {}
    doubtful = set()
    for name in (name for chapter in found for name in chapter.names):
        calls = {name.full.removeprefix("gittrack."): name, name.short: name}
        for member in name.members:
            calls[".".join(member.full.split(".")[-2:])] = member
        for call, target in calls.items():
            if links.setdefault(call, target).thing is not target.thing:
                doubtful.add(call)
    return {call: target for call, target in links.items() if call not in doubtful}


def _link(name: Name) -> str:
    return f"[`{name.full.removeprefix('gittrack.')}`]({name.anchor})"


def _entry(name: Name, links: dict[str, Name]) -> Iterator[str]:
    yield f"```python\n{signature(name)}\n```\n"
    for part in _markdown(docstring(name)):
        yield _CODE.sub(lambda match: _linked(match[1], name, links), part)
    if inspect.isclass(name.thing):
        yield from _about_class(name, links)


def _linked(code: str, here: Name, links: dict[str, Name]) -> str:
    target = links.get(code)
    if target is None or target.thing is here.thing:
        return f"`{code}`"
    return f"[`{code}`]({target.anchor})"


def _about_class(name: Name, links: dict[str, Name]) -> Iterator[str]:
    """Yield the bases of a class that say something to a reader, and its constants."""
    pages = {target.thing: target for target in links.values() if target.same_as is None}
    bases = [
        _link(pages[base]) if base in pages else f"`{base.__name__}`"
        for base in name.thing.__bases__
        if base in pages or (base.__module__ == "builtins" and base is not object)
    ]
    if bases:
        yield f"Is a kind of {' and '.join(bases)}.\n"
    fields = getattr(name.thing, "__dataclass_fields__", {})
    constants = [
        f"{key} = {value!r}"
        for key, value in vars(name.thing).items()
        if not key.startswith("_") and key not in fields and isinstance(value, int | str)
    ]
    if constants:
        yield "\n".join(["```python", *constants, "```\n"])


def _markdown(text: str) -> Iterator[str]:
    """Yield a docstring as Markdown: its sections become lists under a bold word."""
    for title, lines in _sections(text):
        body = textwrap.dedent("\n".join(lines)).strip()
        if title in ("Returns", "Yields"):
            yield f"**{title}**: {_joined(body)}\n"
        elif title:
            yield f"**{title}**\n"
            yield from (_item(title, entry) for entry in re.split(r"\n(?=\S)", body))
            yield ""
        elif body:
            yield f"{body}\n"


def _sections(text: str) -> list[tuple[str, list[str]]]:
    """Return the parts of a docstring in order; what stands outside a section has no title."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines():
        if heading := _SECTION.match(line):
            found.append((heading[1], []))
        elif found[-1][0] and line and not line.startswith(" "):
            found.append(("", [line]))
        else:
            found[-1][1].append(line)
    return found


def _item(title: str, entry: str) -> str:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise LookupError(f"'{_joined(entry)}' is no entry of {title}, which has 'name: text'")
    return f"- `{match[1]}`: {_joined(match[2])}"


def _joined(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
