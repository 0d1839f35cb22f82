"""Doing something to a module once it has been imported, without importing it."""

import sys

TYPE_CHECKING = False  # typing itself would cost each start of Python some milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Act = Callable[[ModuleType], None]


class _Finder:
    """Sees a module when it is about to be imported; finds none itself."""

    def __init__(self) -> None:
        self.acts: "dict[str, list[Act]]" = {}  # noqa: UP037 - older Pythons evaluate it

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Return the spec that the other finders have, with a loader that calls what waits for the module."""
        acts = self.acts.pop(name, None)  # gone meanwhile: another finder of this kind asks this one in turn
        if acts is None:
            return None
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    _call_after_loading(spec, acts)
                    return spec
        self.acts[name] = acts
        return None


def _call_after_loading(spec: "ModuleSpec", acts: "list[Act]") -> None:
    loader = spec.loader
    if loader is None or not hasattr(loader, "exec_module") or not hasattr(loader, "__dict__"):
        return
    load = loader.exec_module

    def exec_module(module: "ModuleType") -> None:
        del loader.exec_module  # the loader is as it was
        load(module)
        for act in acts:
            act(module)

    loader.exec_module = exec_module  # type: ignore[method-assign]


_finder = _Finder()


def after_import(name: str, act: "Act") -> None:
    """Call `act` with a module when it is imported, once; now when it is there already."""
    if name in sys.modules:
        act(sys.modules[name])
        return
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    acts = _finder.acts.setdefault(name, [])
    if act not in acts:
        acts.append(act)
