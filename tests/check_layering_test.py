#!/usr/bin/env python3
"""Tests of check_layering.py on small trees made for the purpose."""

import pathlib
import tempfile
import unittest

import check_layering


class CheckLayeringTest(unittest.TestCase):

    def check(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            return check_layering.check(root)

    def test_downward_includes_pass(self):
        problems, _, graph = self.check({
            "engine/core/a.cc": '#include "engine/io/f.h"\n#include <map>\n',
            "engine/options.h": '#include "engine/sstable/t.h"\n',
            "engine/pressure/p.h": '#include "engine/options.h"\n',
            "vtab/v.cc": '#include "engine/engine.h"\n#include "sqlite3ext.h"\n',
        })
        self.assertEqual(problems, [])
        self.assertEqual(graph["engine/core"], {"engine/io"})
        self.assertEqual(graph["engine/pressure"], {"engine/options"})

    def test_upward_include_fails(self):
        problems, _, _ = self.check(
            {"engine/io/a.cc": '#  include "engine/wal/log.h"\n'})
        self.assertEqual(len(problems), 1)
        self.assertIn("engine/io includes the higher engine/wal", problems[0])

    def test_engine_knows_no_sqlite(self):
        for line in ('#include "sqlite3.h"', "#include <sqlite3ext.h>",
                     '#include "vtab/schema.h"', '#include "sqlite_vfs/v.h"'):
            problems, _, _ = self.check({"engine/core/a.cc": line + "\n"})
            self.assertEqual(len(problems), 1, line)

    def test_unknown_folder_fails(self):
        problems, _, _ = self.check({"engine/misc/a.h": "\n"})
        self.assertEqual(problems,
                         ["engine/misc/a.h: engine/misc is in no known layer"])

    def test_circle_within_a_layer_fails(self):
        problems, _, _ = self.check({
            "engine/io/a.h": '#include "engine/format/b.h"\n',
            "engine/format/b.h": '#include "engine/io/a.h"\n'})
        self.assertEqual(len(problems), 1)
        self.assertIn("circle", problems[0])

    def test_long_file_fails(self):
        problems, _, _ = self.check({"vtab/a.h": "\n" * 600})
        self.assertEqual(problems, [])
        problems, _, _ = self.check({"vtab/a.h": "\n" * 601})
        self.assertEqual(len(problems), 1)

    def test_long_function_is_reported(self):
        body = '  int x = 0;  // }\n  const char* s = "{";\n' * 28
        files = {"vtab/a.cc": "namespace n {\nclass C {\n public:\n"
                              "  template <typename T>\n"
                              "  int Fits(int y) const {\n" + body +
                              "  }\n"
                              "  int TooLong(\n      int y) const {\n" + body +
                              "    for (;;) {\n      y = 1'000;\n    }\n  }\n};\n}\n"}
        problems, reports, _ = self.check(files)
        self.assertEqual(problems, [])
        self.assertEqual(len(reports), 1, reports)
        self.assertIn("function of 62 lines: int TooLong(", reports[0])


if __name__ == "__main__":
    unittest.main()
