"""Collects from source what it uses of TensorRT: module attributes, enum members, methods and properties of objects.

An expression's class follows from what stands in the source: ``trt.Builder(logger)`` is a Builder, what its
``create_network`` gives is told by the bindings' own signatures, ``network: trt.INetworkDefinition`` by the annotation,
``engine: Any`` by the name (`NAMED`). Of an object of TensorRT's whose class nobody tells (``?``) an attribute must be
some class's.

What is asked for by name (``hasattr(trt, "X")``, ``getattr(config, "x", None)``) may be missing, and is marked so.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.edge_runtime.engines.tensorrt_api.surface import ANY_CLASS, Surface

MODULE_NAMES = ("trt", "tensorrt")
# What an object that is declared as `Any` is, by its name, leading underscores aside.
NAMED = {
    "builder": "Builder",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "runtime": "Runtime",
    "engine": "ICudaEngine",
    "context": "IExecutionContext",
    "profile": "IOptimizationProfile",
    "inspector": "EngineInspector",
    "timing_cache": "ITimingCache",
    "config": "IBuilderConfig",
    "error": "ParserError",
    "layer": "ILayer",
    "tensor": "ITensor",
}
PYTHONS_OWN = {"bool", "bytes", "dict", "float", "int", "list", "str", "tuple"}
OURS = ("ours", "many")
MANY = ("list", "tuple", "Sequence", "Iterable", "Iterator")


@dataclass(frozen=True)
class Use:
    """One place that uses a name.

    Attributes:
        name: as the lists have it: ``BuilderFlag.TF32``, ``Builder.reset``; ``?.reset`` of an object of unknown class.
        where: ``file.py:Class.function``.
        line: in the file.
        asked: the code asks whether the name is there.
    """

    name: str
    where: str
    line: int
    asked: bool = False


@dataclass(frozen=True)
class _Value:
    """What an expression is: the module, its member, an object of one of its classes, many such, an object of ours."""

    kind: Literal["module", "member", "object", "many", "ours"]
    name: str = ""


@dataclass
class _Known:
    """What the files say of themselves, for all of them: results of functions, attributes of classes."""

    results: dict[str, _Value] = field(default_factory=dict)
    attributes: dict[tuple[str, str], _Value] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)


MODULE = _Value("module")
UNKNOWN = _Value("object", ANY_CLASS)


def uses(sources: dict[str, str], surfaces: Sequence[Surface]) -> list[Use]:
    """What files use of TensorRT.

    Args:
        sources: text by file name.
        surfaces: that say what calls give.
    """
    known = _Known()
    trees = {name: ast.parse(text, name) for name, text in sources.items()}
    known.classes = {node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    found = list[Use]()
    for _ in range(3):  # a class of one file may hold what a function of another gives
        found = [use for name, tree in trees.items() for use in _Reader(name, known, surfaces).read(tree)]
    return sorted(set(found), key=lambda use: (use.where, use.line, use.name))


class _Reader(ast.NodeVisitor):
    def __init__(self, file: str, known: _Known, surfaces: Sequence[Surface]) -> None:
        self._file, self._known, self._surfaces = file, known, surfaces
        self._path = list[str]()
        self._class: str | None = None
        self._scopes: list[dict[str, _Value | None]] = [{}]
        self._found = list[Use]()

    def read(self, tree: ast.Module) -> list[Use]:
        self.visit(tree)
        return self._found

    # What stands where -------------------------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name == "tensorrt":
                self._scopes[-1][alias.asname or alias.name] = MODULE

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        bases = [base for base in map(self._value, node.bases) if base is not None and base.kind == "member"]
        for child in node.body:
            if isinstance(child, ast.FunctionDef) and not child.name.startswith("_"):
                for base in bases:  # TensorRT calls these by name: a misspelt one is never called
                    self._use(f"{base.name}.{child.name}", child)
        outer, self._class = self._class, node.name
        self._within(node.name, node.bases + node.decorator_list + node.body)
        self._class = outer

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        result = None if node.returns is None else self._annotated(node.returns)
        if result is not None and result != UNKNOWN:  # of `Any`, what is returned tells
            self._known.results[node.name] = result
            marks = {_last(mark) for mark in node.decorator_list}
            if marks & {"property", "cached_property"}:
                self._known.attributes[self._class or "", node.name] = result
        arguments = {
            argument.arg: self._parameter(argument)
            for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        }
        if self._class is not None and node.args.args and node.args.args[0].arg == "self":
            arguments["self"] = _Value("ours", self._class)
        self._within(node.name, [*node.decorator_list, *node.args.defaults, *node.body], arguments)

    def visit_Return(self, node: ast.Return) -> None:
        self.generic_visit(node)
        value = None if node.value is None else self._value(node.value)
        if value is not None and value != UNKNOWN and self._path:
            self._known.results.setdefault(self._path[-1], value)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._within("<lambda>", [node.body], {argument.arg: None for argument in node.args.args})

    def _within(self, name: str, nodes: Sequence[ast.AST], names: dict[str, _Value | None] | None = None) -> None:
        self._path.append(name)
        self._scopes.append(dict(names or {}))
        for node in nodes:
            self.visit(node)
        self._scopes.pop()
        self._path.pop()

    # What is what ------------------------------------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._bind(target, self._value(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
        value = self._annotated(node.annotation)
        if value == UNKNOWN:
            value = (self._value(node.value) if node.value is not None else None) or self._by_name(_last(node.target))
        if isinstance(node.target, ast.Name) and self._path and self._path[-1] == self._class:  # a field
            self._attribute(self._class, node.target.id, value)
        self._bind(node.target, value)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._bind(node.target, self._value(node.value))

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self._bind(item.optional_vars, self._value(item.context_expr))
        for child in node.body:
            self.visit(child)

    def visit_For(self, node: ast.For) -> None:
        self._bind(node.target, self._element(node.iter, node.target))
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self._scopes.append({})
        for loop in node.generators:  # before what stands in front of them
            self._bind(loop.target, self._element(loop.iter, loop.target))
        self.generic_visit(node)
        self._scopes.pop()

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def _element(self, many: ast.expr, target: ast.expr) -> _Value | None:
        value = self._value(many)
        if value is None or value.kind != "many":
            return None
        return self._by_name(_last(target)) if value.name == ANY_CLASS else _Value("object", value.name)

    def _bind(self, target: ast.expr, value: _Value | None) -> None:
        if isinstance(target, ast.Name):
            self._scopes[-1][target.id] = value
        elif isinstance(target, ast.Attribute):
            owner = self._value(target.value)
            if owner is not None and owner.kind == "ours":
                self._attribute(owner.name, target.attr, value)
            else:
                self.visit(target)

    def _attribute(self, owner: str, name: str, value: _Value | None) -> None:
        if value is not None:
            self._known.attributes[owner, name] = value

    def _parameter(self, argument: ast.arg) -> _Value | None:
        value = UNKNOWN if argument.annotation is None else self._annotated(argument.annotation)
        return self._by_name(argument.arg) if value == UNKNOWN else value

    def _by_name(self, name: str) -> _Value | None:
        """What a thing of type `Any` is."""
        bare = name.strip("_")
        if bare in MODULE_NAMES:
            return MODULE
        return _Value("object", NAMED[bare]) if bare in NAMED else None

    def _annotated(self, node: ast.expr) -> _Value | None:
        """What is declared; UNKNOWN for `Any`."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._annotated(ast.parse(node.value, mode="eval").body)
        if isinstance(node, ast.BinOp):  # X | None
            return self._annotated(node.left) or self._annotated(node.right)
        if isinstance(node, ast.Name) and node.id == "Any":
            return UNKNOWN
        if isinstance(node, ast.Subscript) and _last(node.value) in MANY:
            of = self._annotated(node.slice)
            return None if of is None or of.kind != "object" else _Value("many", of.name)
        if isinstance(node, ast.Name) and node.id in self._known.classes:
            return _Value("ours", node.id)
        value = self._value(node)
        return _Value("object", value.name) if value is not None and value.kind == "member" else None

    def _value(self, node: ast.expr) -> _Value | None:
        """What an expression gives; None: nothing of TensorRT's."""
        if isinstance(node, ast.Name):
            for scope in reversed(self._scopes):
                if node.id in scope:
                    return scope[node.id]
            return MODULE if node.id in MODULE_NAMES else None
        if isinstance(node, ast.Attribute):
            return self._attribute_value(node)
        if isinstance(node, ast.Call):
            return self._call_value(node)
        if isinstance(node, ast.IfExp):
            return self._value(node.body) or self._value(node.orelse)
        if isinstance(node, ast.BoolOp):
            return next((value for value in map(self._value, node.values) if value is not None), None)
        if isinstance(node, ast.NamedExpr):
            return self._value(node.value)
        return None

    def _attribute_value(self, node: ast.Attribute) -> _Value | None:
        owner = self._value(node.value)
        if owner is None or owner.kind == "many":
            return MODULE if node.attr.strip("_") == "trt" else None
        if owner.kind == "ours":
            default = MODULE if node.attr.strip("_") == "trt" else None
            return self._known.attributes.get((owner.name, node.attr), default)
        if owner.kind == "module":
            return self._object(node.attr) if self._result(node.attr) else _Value("member", node.attr)
        if owner == UNKNOWN:
            return None
        name = f"{owner.name}.{node.attr}"
        if owner.kind == "member":  # an enum's member is an object, a nested class is none
            return self._object(name) if self._result(name) else _Value("member", name)
        return self._object(name)

    def _call_value(self, node: ast.Call) -> _Value | None:
        function = node.func
        if isinstance(function, ast.Name) and function.id in self._known.classes:
            return _Value("ours", function.id)
        called = self._value(function)
        if called is not None and called.kind == "member":
            is_class = any(surface.is_class(called.name) for surface in self._surfaces)
            return _Value("object", called.name) if is_class else self._object(called.name)
        if called is not None:
            return called  # of a method: what it gives, which is what its name stands for here
        name = _last(function)
        return self._known.results.get(name)

    def _object(self, name: str) -> _Value | None:
        result = self._result(name)
        if result in PYTHONS_OWN:
            return None
        return UNKNOWN if result is None else _Value("object", result)

    def _result(self, name: str) -> str | None:
        return next(filter(None, (surface.result(name) for surface in self._surfaces)), None)

    # What is used ------------------------------------------------------------------------------------------------

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit(node.value)
        owner = self._value(node.value)
        if owner is not None and owner.kind not in OURS:
            self._use(node.attr if owner.kind == "module" else f"{owner.name}.{node.attr}", node)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if _last(node.func) not in ("hasattr", "getattr") or len(node.args) < 2:
            return
        owner, name = self._value(node.args[0]), node.args[1]
        if owner is not None and owner.kind not in OURS and isinstance(name, ast.Constant):
            asked = _last(node.func) == "hasattr" or len(node.args) == 3
            full = str(name.value) if owner.kind == "module" else f"{owner.name}.{name.value}"
            self._use(full, node, asked=asked)

    def _use(self, name: str, node: ast.AST, *, asked: bool = False) -> None:
        if not name.rpartition(".")[2].startswith("__") or name == "__version__":
            where = f"{self._file}:{'.'.join(self._path)}"
            self._found.append(Use(name, where, getattr(node, "lineno", 0), asked))


def _last(node: ast.AST) -> str:
    """The name that an expression ends with."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def missing(found: Sequence[Use], surface: Surface) -> Iterator[Use]:
    """The uses that a version has not; those that ask are none."""
    return (use for use in found if not use.asked and surface.find(use.name) is None)
