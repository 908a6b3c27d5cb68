#!/usr/bin/env python3
"""Runs the snippets of README.md and checks its options table.

Usage: readme_test.py BUILD_FOLDER

Snippets run in the order of the text, in one temporary folder in which
`build` and the source folders are links to the real ones:
  sh   each block by bash -e; not if the line before the fence is the comment
       <!-- not run by the test -->
  sql  all blocks in one session of the stock sqlite3 shell on my.db, with the
       extension loaded, stopping at the first error; a block whose line before
       the fence is <!-- refused: TEXT --> runs alone in a copy of the database
       and must fail with a message that holds TEXT
  cpp  written to the file that the comment on its first line names, for the sh
       blocks after it to compile and run
  text directly after an sql or sh block: exactly what that block prints
Blocks of other kinds are only for reading. Ends with 'N passed, N failed'.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
NOT_RUN = "<!-- not run by the test -->"
REFUSED = re.compile(r"<!-- refused: (.*) -->$")
MARK = "==== end of block"
SECONDS = 300

passed, failed = 0, 0


def check(name, good, detail=""):
    global passed, failed
    if good:
        passed += 1
        print(f"ok   {name}")
    else:
        failed += 1
        print(f"FAIL {name}\n{detail}")


class Block:
    def __init__(self, kind, text, line, comment):
        self.kind, self.text, self.line, self.comment = kind, text, line, comment
        self.expected = None  # the text block that follows
        self.name = f"README.md:{line} {kind}"

    def compare(self, output):
        if self.expected is None:
            check(self.name, True)
        else:
            check(self.name, output.strip() == self.expected.strip(),
                  f"expected:\n{self.expected}\nprinted:\n{output}")


def read_blocks(text):
    blocks = []
    end = 0
    for match in FENCE.finditer(text):
        between = text[end:match.start()].strip()
        end = match.end()
        if match[1] == "text" and blocks and not between:
            blocks[-1].expected = match[2]
            continue
        comment = between.rpartition("\n")[2]
        blocks.append(Block(match[1], match[2],
                            text.count("\n", 0, match.start()) + 1, comment))
    return blocks


def sqlite(database, script, folder):
    return subprocess.run(
        ["sqlite3", "-batch", "-bail", database], input=script, cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=SECONDS, check=False)


def run_sql(blocks, folder, build):
    """All blocks in one session; then those that must be refused."""
    plain = [b for b in blocks if not REFUSED.match(b.comment)]
    script = "".join(f"{b.text}\n.print '{MARK}'\n" for b in plain)
    run = sqlite("my.db", script, folder)
    outputs = run.stdout.split(MARK + "\n")
    for i, block in enumerate(plain):
        if i < len(outputs) - 1:
            block.compare(outputs[i])
        else:
            check(block.name, False,
                  outputs[-1] if i == len(outputs) - 1 else "not reached")
    for block in blocks:
        refused = REFUSED.match(block.comment)
        if not refused:
            continue
        copy = pathlib.Path(tempfile.mkdtemp(dir=folder))
        for path in folder.glob("my.db*"):
            (shutil.copytree if path.is_dir() else shutil.copy)(
                path, copy / path.name)
        run = sqlite("my.db", f".load {build}/nori_lsm\n{block.text}", copy)
        check(block.name, run.returncode != 0 and refused[1] in run.stdout,
              f"expected a refusal with: {refused[1]}\nprinted:\n{run.stdout}")


def run_sh(block, folder):
    run = subprocess.run(
        ["bash", "-e"], input=block.text, cwd=folder, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False)
    if run.returncode != 0:
        check(block.name, False, run.stdout)
    else:
        block.compare(run.stdout)


def write_cpp(block, folder):
    match = re.match(r"// (\S+\.cc)\b", block.text)
    check(block.name, match is not None, "the first line names no file")
    if match:
        (folder / match[1]).write_text(block.text, encoding="utf-8")


# ---- The options table ----

UNITS = {"kKiB": "KiB", "kMiB": "MiB", "kGiB": "GiB", "kTiB": "TiB"}
SHIFTS = {"10": "KiB", "20": "MiB", "30": "GiB", "40": "TiB"}


def limit_text(expression):
    """'4 * kKiB' as '4 KiB', '3600 * 1000' as '3600000'."""
    expression = expression.strip()
    for constant, unit in UNITS.items():
        if expression == constant:
            return f"1 {unit}"
        if expression.endswith(f"* {constant}"):
            return f"{expression.split()[0]} {unit}"
    return f"{eval(expression, {}):.10g}"  # only digits and * of our own source


def source_options():
    """name -> (default, range) as the README words them."""
    source = (ROOT / "engine/options.cc").read_text(encoding="utf-8")
    header = (ROOT / "engine/options.h").read_text(encoding="utf-8")
    settings = source[source.index("kSettings[] = {"):]
    settings = settings[:settings.index("\n};")]
    compressions = re.search(r'kCompressions\[\] = "([^"]*)"', source)[1]
    options = {}
    for name, kind, arguments in re.findall(
            r'\{"(\w+)",\s*(?:"[^"]*"\s*)+,\s*(\w+)\{([^}]*)\}\}', settings):
        parts = re.split(r",\s*", arguments, maxsplit=1)
        if kind == "CompressionChoice":
            limits = compressions.replace("|", ", ")
        elif kind == "Choice":
            limits = parts[1].strip().strip('"').replace("|", ", ")
        else:
            low, high = parts[1].split(",")
            limits = f"{limit_text(low)} to {limit_text(high)}"
        default = re.search(rf"\b{name} =\s*([^;]+);", header)[1]
        options[name] = (default_text(default), limits)
    return options


def default_text(text):
    text = " ".join(text.split())
    if match := re.match(r"uint64_t\{(\d+)\} << (\d+)$", text):
        return f"{match[1]} {SHIFTS[match[2]]}"
    if match := re.match(r"Compression::k(\w+)$", text):
        return match[1].lower()
    if text.startswith('"'):
        return text.strip('"')
    return f"{float(text):.10g}"


def check_options(text):
    """Rows of the README's table: | `name` | default | range | meaning |"""
    table = {m[1]: (m[2].strip(), m[3].strip()) for m in re.finditer(
        r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|[^|]+\|$", text, re.M)}
    options = source_options()
    check("README.md: options are found in the source", len(options) > 10,
          f"only {sorted(options)}")
    for name in sorted(options.keys() | table.keys()):
        check(f"README.md: option {name}", options.get(name) == table.get(name),
              f"source: {options.get(name)}\nREADME: {table.get(name)}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = read_blocks(text)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "build").symlink_to(build)
        for source in ["engine", "sql", "vtab"]:
            (folder / source).symlink_to(ROOT / source)
        run_sql([b for b in blocks if b.kind == "sql"], folder, build)
        for block in blocks:
            if block.kind == "cpp":
                write_cpp(block, folder)
            elif block.kind == "sh" and block.comment != NOT_RUN:
                run_sh(block, folder)
    check_options(text)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
