#!/usr/bin/env python3
"""Checks which part of the sources includes which, and how long they are.

Usage: check_layering.py [--root DIR]

Fails (exit 1) if an #include goes against the order of LAYERS, if folders
include each other in a circle, if a file lies
in a folder that LAYERS does not know, if the engine includes a header of
SQLite, or if a file is longer than MAX_FILE_LINES. Functions longer than
MAX_FUNCTION_LINES are reported; finding them is a heuristic, so they do not
fail the check.
"""

import argparse
import collections
import pathlib
import re
import sys

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60

# Lowest first. Includes go to a lower layer or stay within the own one.
# engine/options.h lies at the root of engine/ but is used by whole folders.
LAYERS = [
    ["engine/format", "engine/io", "engine/observe"],
    ["engine/wal", "engine/memtable", "engine/sstable"],
    ["engine/options"],
    ["engine/slots"],
    ["engine/manifest", "engine/snapshot", "engine/pressure",
     "engine/iterators"],
    ["engine/compaction"],
    ["engine/core", "engine/engine"],
    ["sqlite_vfs"],
    ["vtab"],
]
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
ROOTS = ["engine", "vtab", "sqlite_vfs"]
SUFFIXES = {".h", ".cc", ".c", ".hpp", ".cpp"}

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.M)


def part_of(path):
    """The layer's name of a path relative to the root: its folder, or for a
    file at the root of engine/ the file without suffix."""
    pieces = pathlib.PurePosixPath(path).parts
    if pieces[0] != "engine":
        return pieces[0]
    return f"engine/{pieces[1].split('.')[0]}"


def source_files(root):
    for top in ROOTS:
        for path in sorted((root / top).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                yield path.relative_to(root).as_posix()


def blank_out(text):
    """The text with comments, literals and preprocessor lines made blank;
    line breaks stay."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^()\s\\]*)\(.*?\)\1"'
        r'|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\''
        r'|^[ \t]*#(?:[^\n\\]|\\.)*(?:\\\n[^\n]*)*', re.S | re.M)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


NOT_A_FUNCTION = re.compile(
    r"^\s*(?:namespace|class|struct|union|enum|extern|if|for|while|switch|do)\b")


def opens_function(head):
    """Whether a brace after `head`, the text since the last statement or
    brace, opens a function's body."""
    head = re.sub(r"^\s*template\s*<[^{};]*?>\s*(?=[a-z])", "", head)
    return "(" in head and not NOT_A_FUNCTION.match(head) \
        and not re.search(r"=\s*$", head)


def functions(text):
    """Yields (first line, last line, head) of every outermost function."""
    text = blank_out(text)
    head_start, depth, start = 0, 0, None
    for match in re.finditer(r"[{};]", text):
        at, char = match.start(), match.group()
        if start is None:
            if char == "{":
                head = re.sub(r"^\s*(?:public|private|protected)\s*:", "",
                              text[head_start:at])
                if opens_function(head):
                    name_at = at - len(head.lstrip())
                    start = (name_at, " ".join(head.split()))
                    depth = 1
            head_start = at + 1
        elif char != ";":
            depth += 1 if char == "{" else -1
            if depth == 0:
                first = text.count("\n", 0, start[0]) + 1
                last = text.count("\n", 0, at) + 1
                yield first, last, start[1]
                start, head_start = None, at + 1


def check_include(path, target, system, problems):
    """Returns the part that `target` belongs to, or None if it is not ours."""
    name = pathlib.PurePosixPath(target).name
    if path.startswith("engine/") and re.match(r"sqlite3.*\.h$", name):
        problems.append(f"{path}: the engine includes {target}")
    if system or target.split("/")[0] not in ROOTS:
        return None
    here, there = part_of(path), part_of(target)
    if there not in RANK:
        problems.append(f"{path}: {target} is in no known layer")
        return None
    if here in RANK and RANK[there] > RANK[here]:
        problems.append(f"{path}: {here} includes the higher {there} ({target})")
    return there


def find_circle(graph):
    """A list of parts that include each other in a circle, or None."""
    done, stack = set(), []

    def visit(part):
        if part in stack:
            return stack[stack.index(part):] + [part]
        if part in done:
            return None
        stack.append(part)
        for target in sorted(graph.get(part, ())):
            circle = visit(target)
            if circle:
                return circle
        done.add(stack.pop())
        return None

    for part in sorted(graph):
        circle = visit(part)
        if circle:
            return circle
    return None


def check(root):
    """Returns (problems, reports, graph)."""
    problems, reports = [], []
    graph = collections.defaultdict(set)
    for path in source_files(root):
        text = (root / path).read_text(encoding="utf-8")
        here = part_of(path)
        if here not in RANK:
            problems.append(f"{path}: {here} is in no known layer")
        for quoted, angled in INCLUDE.findall(text):
            there = check_include(path, quoted or angled, not quoted, problems)
            graph[here].update({there} - {here, None})
        lines = text.count("\n") + (not text.endswith("\n"))
        if lines > MAX_FILE_LINES:
            problems.append(f"{path}: {lines} lines (limit {MAX_FILE_LINES})")
        for first, last, head in functions(text):
            if last - first + 1 > MAX_FUNCTION_LINES:
                reports.append(f"{path}:{first}: function of "
                               f"{last - first + 1} lines: {head[:60]}")
    circle = find_circle(graph)
    if circle:
        problems.append("circle of includes: " + " -> ".join(circle))
    return problems, reports, graph


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root
    if not (root / "engine").is_dir():
        sys.exit(f"{root} holds no engine/")
    problems, reports, graph = check(root)
    for part in sorted(graph, key=lambda p: (RANK.get(p, -1), p)):
        print(f"{part} -> {', '.join(sorted(graph[part])) or '(nothing)'}")
    for report in reports:
        print("long:", report)
    for problem in problems:
        print("PROBLEM:", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
