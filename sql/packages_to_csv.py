#!/usr/bin/env python3
"""Turns a Debian package index into CSV for SQLite's .import.

Usage: packages_to_csv.py FOLDER < INDEX

INDEX is what `apt-cache dumpavail` prints or /var/lib/dpkg/status holds.
Writes FOLDER/packages.csv (name, version, architecture, section, priority,
installed_kb, maintainer, summary) and FOLDER/dependencies.csv (package,
version, kind, position, depends_on, requirement, choice), without header
lines, and prints the number of rows of each.

Of paragraphs with the same name and version the first counts. `position`
numbers the package names within one field of one package from 1; those that
are alternatives of each other ("a | b") have the same `choice`.
"""

import csv
import pathlib
import re
import sys

KINDS = ["Pre-Depends", "Depends", "Recommends", "Suggests", "Conflicts",
         "Breaks"]
# name[:architecture] [(requirement)] [anything else]
RELATION = re.compile(r"\s*([^\s:(\[<]+)(?::\S+)?\s*(?:\(([^)]*)\))?")


def paragraphs(lines):
    """Yields each paragraph as a dict of field name to its first line, or to
    all lines joined for the fields that are lists."""
    fields, name = {}, None
    for line in lines:
        line = line.rstrip("\n")
        if not line:
            if fields:
                yield fields
            fields, name = {}, None
        elif line[0] in " \t":
            if name in KINDS:
                fields[name] += " " + line.strip()
        else:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    if fields:
        yield fields


def dependencies(fields):
    """Yields (kind, position, name, requirement, choice)."""
    for kind in KINDS:
        position = 0
        groups = [g for g in fields.get(kind, "").split(",") if g.strip()]
        for choice, group in enumerate(groups, 1):
            for relation in group.split("|"):
                match = RELATION.match(relation)
                if match:
                    position += 1
                    yield (kind, position, match[1],
                           (match[2] or "").strip(), choice)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    seen = set()
    dependency_count = 0
    with open(folder / "packages.csv", "w", encoding="utf-8",
              newline="") as packages_file, \
         open(folder / "dependencies.csv", "w", encoding="utf-8",
              newline="") as dependencies_file:
        packages = csv.writer(packages_file, lineterminator="\n")
        relations = csv.writer(dependencies_file, lineterminator="\n")
        for fields in paragraphs(sys.stdin):
            key = fields.get("Package", ""), fields.get("Version", "")
            if not all(key) or key in seen:
                continue
            seen.add(key)
            packages.writerow([
                *key, fields.get("Architecture", ""),
                fields.get("Section", ""), fields.get("Priority", ""),
                fields.get("Installed-Size", "0"),
                fields.get("Maintainer", ""), fields.get("Description", "")])
            for relation in dependencies(fields):
                relations.writerow([*key, *relation])
                dependency_count += 1
    print(len(seen), dependency_count)


if __name__ == "__main__":
    main()
