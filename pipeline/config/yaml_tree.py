"""YAML text into plain data, with the place of every value: safe tags only, no repeated keys, bounded size and depth.

Only scalars, lists and mappings with text keys come out. Timestamps and `yes`, `no`, `on`, `off` stay text. Aliases are resolved,
and what they expand to counts against the bound, so that a few lines cannot become gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from pipeline.config.checks import TreePath

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 64

_SCALARS: Final = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "timestamp"))
_MERGE: Final = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file, both counted from 1."""

    line: int
    column: int


class YamlError(Exception):
    """The text cannot be read as YAML that we accept. The message quotes nothing of it but the names of repeated keys."""

    def __init__(self, message: str, place: Place, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Tree:
    """What was read: plain data, and where each value and each key stands, by path."""

    data: Any
    values: Mapping[TreePath, Place] = field(repr=False)
    keys: Mapping[TreePath, Place] = field(repr=False)

    def place_of(self, path: TreePath, *, key: bool = False) -> Place:
        """The place of a path, or of the closest thing around it. `key` asks for the key instead of its value."""
        for length in range(len(path), -1, -1):
            found = (self.keys.get(path[:length]) if key else None) or self.values.get(path[:length])
            if found is not None:
                return found
        return Place(1, 1)

    def known_part(self, path: TreePath) -> TreePath:
        """The longest beginning of a path that stands in the document (validators add parts of their own)."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return path[:length]
        return ()


def read_tree(text: str) -> Tree:
    """Read one YAML document. Raises YamlError."""
    if len(text) > MAX_BYTES:
        raise YamlError(f"the document is larger than {MAX_BYTES} bytes", Place(1, 1), "Split it, or remove what is not configuration.")
    try:
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError:
        raise YamlError("this is not YAML text", Place(1, 1), "Save the file as UTF-8 without control characters.") from None
    try:
        root = loader.get_single_node()
        if root is None:
            return Tree({}, {(): Place(1, 1)}, {})
        reader = _Reader(loader)
        data = reader.read(root, (), 0, frozenset())
    except yaml.MarkedYAMLError as error:
        raise _fault(error) from None
    except RecursionError:
        raise YamlError("the document is nested too deeply", Place(1, 1)) from None
    finally:
        loader.dispose()
    return Tree(data, reader.values, reader.keys)


class _Reader:
    """Turns nodes into data and writes down where each stands."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self._loader = loader
        self._count = 0
        self.values: dict[TreePath, Place] = {}
        self.keys: dict[TreePath, Place] = {}

    def read(self, node: yaml.Node, path: TreePath, depth: int, above: frozenset[int]) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise YamlError(
                f"the document has more than {MAX_NODES} values once its aliases are resolved", _place(node), "Use fewer aliases."
            )
        if depth > MAX_DEPTH:
            raise YamlError(f"the document is nested deeper than {MAX_DEPTH}", _place(node))
        if id(node) in above:
            raise YamlError("an alias contains itself", _place(node), "Write the value out.")
        self.values[path] = _place(node)
        within = above | {id(node)}
        if isinstance(node, yaml.MappingNode):
            return {key: self.read(value, (*path, key), depth + 1, within) for key, value in self._pairs(node, path)}
        if isinstance(node, yaml.SequenceNode):
            return [self.read(value, (*path, index), depth + 1, within) for index, value in enumerate(node.value)]
        return self._scalar(node)

    def _pairs(self, node: yaml.MappingNode, path: TreePath) -> Iterator[tuple[str, yaml.Node]]:
        seen: dict[str, Place] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                raise YamlError(
                    "merge keys (<<) are not supported", _place(key), "Write the fields out; the document stays readable without them."
                )
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError("a key must be a plain text", _place(key))
            name = str(key.value)
            if name in seen:
                raise YamlError(f"the key {name!r} stands twice (first in line {seen[name].line})", _place(key), "Remove one of the two.")
            seen[name] = self.keys[(*path, name)] = _place(key)
            yield name, value

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag not in _SCALARS:
            raise YamlError("this YAML tag is not supported", _place(node), "Use plain texts, numbers, true/false, lists and mappings.")
        # YAML 1.2: only true and false are booleans, so that a model or a country may be called `no`.
        is_word = node.tag.endswith(":bool") and node.value.lower() not in ("true", "false")
        if is_word or node.tag.endswith((":timestamp", ":str")):
            return str(node.value)
        try:
            return self._loader.construct_object(node)
        except (ValueError, OverflowError):
            raise YamlError("this number cannot be read", _place(node), "Put quotes around it if it is a text.") from None


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _fault(error: yaml.MarkedYAMLError) -> YamlError:
    mark = error.problem_mark or error.context_mark
    place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
    problem = error.problem or "this is not valid YAML"
    # PyYAML's own sentences quote single characters and tag or anchor names only, and those only in these two kinds.
    if "'" in problem and ("alias" in problem or "tag" in problem or "anchor" in problem):
        problem = problem.split("'", 1)[0].strip() or "this is not valid YAML"
    return YamlError(problem, place, "Check indentation, quotes and colons around this place.")
