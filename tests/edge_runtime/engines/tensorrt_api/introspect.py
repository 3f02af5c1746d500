"""Print the names of the TensorRT bindings that this interpreter finds; run as a script, over stub libraries.

One line a name, sorted::

    Builder                                         a class, an enum or a function of the module
    IConvolutionLayer : ILayer                      a class that has its base's members too
    Builder.create_network -> INetworkDefinition    a member that gives an object of that class
    ICudaEngine.get_tensor_name -> str              or one of Python's own
    BuilderFlag.TF32 -> BuilderFlag
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

RESULT = re.compile(r"-> (?:\w+\.)*(\w+)(?:\[.*\])?(?:\n|$)")
PYTHONS_OWN = {"bool", "bytes", "dict", "float", "int", "list", "str", "tuple"}


def lines(module: ModuleType) -> list[str]:
    """The names of a module: what its classes inherit from each other is not repeated."""
    classes = {name: value for name, value in vars(module).items() if inspect.isclass(value) and _is_public(name)}
    found = set[str]()
    for name, value in vars(module).items():
        if name in classes or not (_is_public(name) or name == "__version__") or inspect.ismodule(value):
            continue
        found.add(name + _kind(value, classes))
    for name, cls in classes.items():
        found.update(_class_lines(name, cls, classes))
    return sorted(found)


def _class_lines(name: str, cls: type, classes: dict[str, type]) -> Iterator[str]:
    base = next((base.__name__ for base in cls.__mro__[1:] if classes.get(base.__name__) is base), None)
    yield name if base is None else f"{name} : {base}"
    inherited = set(dir(classes[base])) if base else set()
    for member in filter(_is_public, dir(cls)):
        value = inspect.getattr_static(cls, member)
        if inspect.isclass(value):
            if classes.get(value.__name__) is not value and member not in inherited:
                yield from _class_lines(f"{name}.{member}", value, classes)
        elif member not in inherited:
            yield f"{name}.{member}{_kind(value, classes)}"


def _kind(value: Any, classes: dict[str, type]) -> str:
    """The class of an enum's member, of a property, or of what a function returns; empty where it is none of these."""
    if type(value).__name__ in classes:
        return f" -> {type(value).__name__}"
    described = value.fget if isinstance(value, property) else value
    named = RESULT.findall(getattr(described, "__doc__", None) or "")
    results = {name.lower() if name.lower() in PYTHONS_OWN else name for name in named} & (PYTHONS_OWN | set(classes))
    return f" -> {results.pop()}" if len(results) == 1 else ""


def _is_public(name: str) -> bool:
    return not name.startswith("_")


if __name__ == "__main__":
    import tensorrt_bindings

    sys.stdout.write("\n".join(lines(tensorrt_bindings)) + "\n")
