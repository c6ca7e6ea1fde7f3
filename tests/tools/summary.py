#!/usr/bin/env python3
"""Counts every result of a ./dev run and prints one closing line; exit status 1 if anything failed or nothing ran.

  tests/tools/summary.py build/results

Reads what is there of: checks.tsv and e2e.tsv (name, passed|failed|skipped, reason), NAME.ctest.xml (ctest's JUnit file)
with NAME/ (one gtest XML file a binary: its cases are counted instead of the binary), go.json (go test -json).
"""

import collections
import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


class Tally:
    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = []  # (name, reason)

    def add(self, name, outcome, reason=""):
        if outcome == "passed":
            self.passed += 1
        elif outcome == "skipped":
            self.skips.append((name, reason))
        else:
            self.failures.append(name)

    def line(self):
        return f"{self.passed} passed, {len(self.failures)} failed, {len(self.skips)} skipped"


def read_table(path):
    tally = Tally()
    for line in path.read_text().splitlines():
        name, outcome, reason = (line.split("\t") + ["", ""])[:3]
        tally.add(name, outcome, reason)
    return tally


def read_gtest(path, tally):
    """Adds the cases of one binary; false where the file is not whole."""
    try:
        suites = ElementTree.parse(path).getroot()
    except ElementTree.ParseError:
        return False
    for case in suites.iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None:
            tally.add(name, "failed")
        elif skipped is not None or case.get("result") == "skipped":
            message = (skipped.get("message") if skipped is not None else "") or ""
            tally.add(name, "skipped", message.strip().splitlines()[-1] if message.strip() else "")
        elif case.get("status") == "notrun":
            tally.add(name, "skipped", "disabled")
        else:
            tally.add(name, "passed")
    return True


def read_ctest(path):
    tally = Tally()
    folder = path.with_name(path.name.removesuffix(".ctest.xml"))
    for entry in ElementTree.parse(path).getroot().iter("testcase"):
        name, status = entry.get("name"), entry.get("status")
        cases = folder / f"{name}_test.xml"
        if cases.is_file() and status in {"run", "fail"}:
            before = len(tally.failures)
            whole = read_gtest(cases, tally)
            # A binary can fail with all its cases green: a sanitizer's report at exit, a timeout.
            if status == "fail" and len(tally.failures) == before or not whole:
                tally.add(name, "failed")
        else:
            tally.add(name, {"run": "passed", "notrun": "skipped", "disabled": "skipped"}.get(status, "failed"))
    return tally


def read_go(path):
    tally, output, failed_packages = Tally(), collections.defaultdict(list), set()
    for line in path.read_text().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        key = (event.get("Package") or event.get("ImportPath", ""), event.get("Test"))
        action = event.get("Action")
        if action in {"output", "build-output"}:
            output[key].append(event.get("Output", ""))
        elif action in {"pass", "fail", "skip"} and key[1]:
            outcome = {"pass": "passed", "fail": "failed", "skip": "skipped"}[action]
            tally.add(f"{key[0]}.{key[1]}", outcome, "".join(output[key][-2:-1]).strip())
            if action == "fail":
                print("".join(output[key]))
                failed_packages.add(key[0])
        elif action == "fail" and key[0] not in failed_packages:
            print("".join(text for (package, _), texts in output.items() if package.startswith(key[0]) for text in texts))
            tally.add(key[0], "failed")
    return tally


def main(arguments):
    folder = Path(arguments[1])
    groups = {}
    for path, read in [(folder / "checks.tsv", read_table), *((path, read_ctest) for path in sorted(folder.glob("*.ctest.xml"))),
                       (folder / "go.json", read_go), (folder / "e2e.tsv", read_table)]:
        if path.is_file():
            groups[path.name.split(".")[0]] = read(path)
    total = Tally()
    for name, tally in groups.items():
        print(f"{name:10} {tally.line()}")
        total.passed += tally.passed
        total.failures += [f"{name}: {failure}" for failure in tally.failures]
        total.skips += tally.skips
    reasons = collections.Counter(reason or name for name, reason in total.skips)
    for reason, count in sorted(reasons.items()):
        print(f"skipped {count}: {reason}")
    for failure in total.failures:
        print("FAILED", failure)
    print(total.line())
    return 1 if total.failures or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
