"""The script that finds the definitions of source files, in a process of its own.

Parsers are written in C and the sources may be anybody's: a crash, an endless loop or
gigabytes stay in here. It knows nothing else of ours. A line of JSON comes on stdin for
each file, with its language and text; one goes out for each, with its definitions.
"""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from tree_sitter import Language, Node, Parser

from crew.processes.bounds import bound

MEMORY_BYTES = 1024 * 1024 * 1024
CPU_SECONDS = 10
_MOST = 1_000  # definitions of one file
_DEPTH = 3  # classes in classes
_CHARACTERS = 160  # of a definition's first line

_FUNCTIONS = frozenset(
    (
        "function_definition", "function_declaration", "function_item",
        "function_signature_item", "generator_function_declaration",
        "method_definition", "method_declaration", "method_elem",
        "abstract_method_signature", "constructor_declaration", "macro_definition",
        "preproc_function_def", "type_alias_declaration", "type_alias", "type_item",
        "type_definition", "enum_specifier",
    )
)  # fmt: skip
_CONTAINERS = frozenset(
    (
        "class_definition", "class_declaration", "abstract_class_declaration",
        "interface_declaration", "enum_declaration", "record_declaration",
        "annotation_type_declaration", "internal_module", "module", "struct_item",
        "enum_item", "union_item", "trait_item", "impl_item", "mod_item", "type_spec",
        "struct_specifier", "union_specifier",
    )
)  # fmt: skip
_AROUND = frozenset(
    (
        "export_statement", "decorated_definition", "ambient_declaration",
        "lexical_declaration", "variable_declaration", "expression_statement",
        "type_declaration", "preproc_ifdef", "preproc_if", "enum_body_declarations",
        "linkage_specification", "declaration_list", "interface_type",
    )
)  # fmt: skip
_VALUES = frozenset(("arrow_function", "function_expression", "class"))


def _definitions(root: Node, source: bytes) -> Iterator[tuple[int, int, str, str]]:
    """Line, depth, name and first line of each definition, in order."""
    lines = source.split(b"\n")
    waiting = [(child, 0) for child in reversed(root.children)]
    while waiting:
        node, depth = waiting.pop()
        inner = depth
        body: Node | None = None
        if node.type in _AROUND:
            body = node
        elif node.type in _CONTAINERS or _is_function(node):
            name = _name(node)
            if name is not None and name.text:
                row = name.start_point[0]
                text = lines[row].decode("utf-8", errors="replace").strip()
                shown = name.text.decode("utf-8", errors="replace")
                yield row + 1, depth, shown[:_CHARACTERS], text[:_CHARACTERS]
            if node.type in _CONTAINERS and depth < _DEPTH:
                body = node.child_by_field_name("body")
                body = body or node.child_by_field_name("type")
                inner = depth + 1
        if body is not None:
            waiting += [(child, inner) for child in reversed(body.children)]


def _is_function(node: Node) -> bool:
    if node.type == "variable_declarator":
        value = node.child_by_field_name("value")
        return value is not None and value.type in _VALUES
    return node.type in _FUNCTIONS


def _name(node: Node) -> Node | None:
    """The node of a definition's name; C has it inside of its declarators."""
    for field in ("name", "declarator", "type"):
        found = node.child_by_field_name(field)
        for _ in range(_DEPTH * 3):
            inner = found and found.child_by_field_name("declarator")
            if inner is None:
                break
            found = inner
        if found is not None:
            return found
    return None


def _outline(wanted: dict[str, Any]) -> list[tuple[int, int, str, str]]:
    grammar = import_module(wanted["module"])
    parser = Parser(Language(getattr(grammar, wanted["function"])()))
    source = str(wanted["text"]).encode("utf-8", errors="replace")
    found = _definitions(parser.parse(source).root_node, source)
    return [one for one, _ in zip(found, range(_MOST), strict=False)]


def main() -> None:
    bound(memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_outline(json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
