"""YAML as nodes that know their line. Scalars stay the text that was written: `007` and `no` are ids, not numbers."""

from dataclasses import dataclass
from typing import Literal

import yaml

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """What is wrong, where, and what to do. An `error` makes the file invalid."""

    line: int
    rule: str  # its name; empty for what concerns the whole file
    says: str
    level: Level = "error"

    def __str__(self) -> str:
        return f"line {self.line}" + (f", rule {self.rule!r}" if self.rule else "") + f": {self.says}"


@dataclass(frozen=True)
class Node:
    """`value`: the text of a scalar, the nodes of a list, or those of a mapping by key."""

    line: int
    value: "str | list[Node] | dict[str, Node]"

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)


class Unreadable(Exception):
    """The text is not YAML that we take; carries the one problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def read(text: str) -> Node | None:
    """The document as nodes; None where it is empty. Raises Unreadable."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        says = f"this is not YAML: {error.problem or error.context}"
        raise Unreadable(Problem(mark.line + 1 if mark else 1, "", says)) from error
    except yaml.YAMLError as error:
        raise Unreadable(Problem(1, "", f"this is not YAML: {' '.join(str(error).split())}")) from error
    return None if root is None else _node(root, ())


def _node(node: yaml.Node, inside: tuple[int, ...]) -> Node:
    line = node.start_mark.line + 1
    if id(node) in inside:
        raise Unreadable(Problem(line, "", "an alias stands inside what it names; write it out"))
    inside = (*inside, id(node))
    if isinstance(node, yaml.SequenceNode):
        return Node(line, [_node(part, inside) for part in node.value])
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if not isinstance(key, yaml.ScalarNode):
                raise Unreadable(Problem(key.start_mark.line + 1, "", "a key must be a word"))
            if name in found:
                raise Unreadable(Problem(key.start_mark.line + 1, "", f"{name!r} is given twice; keep one of them"))
            inner = _node(value, inside)
            # What is written below its key is looked for at the key.
            found[name] = Node(key.start_mark.line + 1, inner.value)
        return Node(line, found)
    return Node(line, str(node.value).strip())
