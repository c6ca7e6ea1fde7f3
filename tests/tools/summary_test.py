#!/usr/bin/env python3
"""Tests summary.py: the closing line must be true."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import summary  # noqa: E402

GTEST = """<testsuites><testsuite name="Grid">
<testcase name="Exact" classname="Grid" status="run" result="completed"/>
<testcase name="Real" classname="Grid" status="run" result="skipped"><skipped message="grid_test.cc:9&#x0A;LBW_TEST_DATA is not set"/></testcase>
{failing}
</testsuite></testsuites>"""
FAILING = '<testcase name="Bad" classname="Grid" status="run" result="completed"><failure message="x"/></testcase>'
CTEST = '<testsuite><testcase name="quant" status="{status}"/><testcase name="layers" status="run"/></testsuite>'


class SummaryTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def run_summary(self):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = summary.main(["summary.py", str(self.root)])
        return status, output.getvalue().splitlines()

    def test_nothing_run_is_a_failure(self):
        self.assertEqual(self.run_summary(), (1, ["0 passed, 0 failed, 0 skipped"]))

    def test_cases_are_counted_instead_of_their_binary_and_skips_give_their_reason(self):
        self.write("checks.tsv", "layers\tpassed\nbuf lint\tpassed\n")
        self.write("release.ctest.xml", CTEST.format(status="run"))
        self.write("release/quant_test.xml", GTEST.format(failing=""))
        status, lines = self.run_summary()
        self.assertEqual((status, lines[-1]), (0, "4 passed, 0 failed, 1 skipped"))
        self.assertIn("skipped 1: LBW_TEST_DATA is not set", lines)

    def test_a_failing_case_is_one_failure(self):
        self.write("release.ctest.xml", CTEST.format(status="fail"))
        self.write("release/quant_test.xml", GTEST.format(failing=FAILING))
        status, lines = self.run_summary()
        self.assertEqual((status, lines[-1]), (1, "2 passed, 1 failed, 1 skipped"))
        self.assertIn("FAILED release: Grid.Bad", lines)

    def test_a_binary_that_fails_with_green_cases_is_a_failure(self):
        self.write("release.ctest.xml", CTEST.format(status="fail"))
        self.write("release/quant_test.xml", GTEST.format(failing=""))
        self.assertEqual(self.run_summary()[1][-1], "2 passed, 1 failed, 1 skipped")

    def test_a_binary_that_crashed_is_a_failure(self):
        self.write("release.ctest.xml", CTEST.format(status="fail"))
        self.assertEqual(self.run_summary()[1][-1], "1 passed, 1 failed, 0 skipped")
        self.write("release/quant_test.xml", "<testsuites><cut")
        self.assertEqual(self.run_summary()[1][-1], "1 passed, 1 failed, 0 skipped")

    def test_go_counts_tests_and_packages_that_do_not_build(self):
        self.write("go.json", '{"Action":"pass","Package":"p","Test":"TestA"}\n{"Action":"skip","Package":"p","Test":"TestB"}\n'
                              '{"Action":"pass","Package":"p"}\n{"Action":"fail","Package":"q"}\n'
                              '{"Action":"fail","Package":"r","Test":"TestC"}\n{"Action":"fail","Package":"r"}\nnoise\n')
        status, lines = self.run_summary()
        self.assertEqual((status, lines[-1]), (1, "1 passed, 2 failed, 1 skipped"))

    def test_end_to_end_rows(self):
        self.write("e2e.tsv", "chain_test\tpassed\nkill_test\tskipped\tneeds real data\n")
        status, lines = self.run_summary()
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed, 1 skipped"))
        self.assertIn("skipped 1: needs real data", lines)


if __name__ == "__main__":
    unittest.main()
