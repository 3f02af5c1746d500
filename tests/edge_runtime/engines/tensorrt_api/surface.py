"""What a version of the TensorRT bindings offers, read from its list (see `introspect.py` for the lines)."""

from __future__ import annotations

from tests.edge_runtime.engines.tensorrt_api.bindings import FOLDER

ANY_CLASS = "?"


class Surface:
    """The names of one version.

    Attributes:
        version: of the bindings.
        names: every name of the module, and every member of its classes that is not inherited: ``Builder.reset``.
    """

    def __init__(self, version: str, text: str) -> None:
        self.version = version
        self._results: dict[str, str] = {}
        self._bases: dict[str, str] = {}
        self.names = set[str]()
        for line in text.splitlines():
            name, *rest = line.split(" ")
            self.names.add(name)
            if rest:
                mark, value = rest
                (self._results if mark == "->" else self._bases)[name] = value
        self.members = {name.rpartition(".")[2] for name in self.names if "." in name}
        self._owners = {name.rpartition(".")[0] for name in self.names if "." in name}

    def find(self, name: str) -> str | None:
        """The line that a name stands on, be it inherited; None where there is none. ``?.reset``: of any class."""
        owner, dot, member = name.rpartition(".")
        if owner == ANY_CLASS:
            return name if member in self.members else None
        if name in self.names:
            return name
        if dot and owner in self._bases:
            return self.find(f"{self._bases[owner]}.{member}")
        return None

    def is_class(self, name: str) -> bool:
        """Whether the module has a class of that name."""
        return name in self._bases or name in self._owners

    def result(self, name: str) -> str | None:
        """Class of the object that a call, a property or a member gives; None where it is not TensorRT's."""
        found = self.find(name)
        return None if found is None else self._results.get(found)


def committed(version: str) -> Surface:
    """The list as it is committed."""
    return Surface(version, (FOLDER / f"{version}.txt").read_text(encoding="utf-8"))
