#!/usr/bin/env python3
"""Checks the documents, and the words and sizes of all files.

  tests/tools/check_docs.py

Errors: a room without README.md; a relative link that leads nowhere; words that do not belong in a finished product
(places of one machine, notes to oneself). Warnings, which do not fail: sources, headers and functions over the limits.
"""

import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from sources import CHECKOUT, tracked_files  # noqa: E402

# Patterns are written so that they do not match themselves.
FORBIDDEN = [
    (re.compile(r"(?<![\w.~$}])/(?:work|root|home/[a-z]+)/"), "an absolute path of one machine"),
    (re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X]|HAC[K])\b"), "a note to oneself; do it or leave it out"),
    (re.compile(r"\b(?:in|by|for) an?(?:other|\s+later|\s+future) (?:issue|task|pull request)\b", re.IGNORECASE),
     "the tree speaks of what is there"),
    (re.compile(r"\bfor no[w]\b", re.IGNORECASE), "the tree speaks of what is there"),
]
LINES = {".cc": 400, ".h": 300, ".go": 400, ".py": 400}
FUNCTION_LINES = 60
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")


def missing_readmes():
    rooms = sorted({Path(name).parts[1] for name in tracked_files("server/*") if len(Path(name).parts) > 2})
    return [f"server/{room}: README.md is missing" for room in rooms if not (CHECKOUT / "server" / room / "README.md").is_file()]


def broken_links(name, text):
    text = re.sub(r"```.*?```", lambda match: re.sub(r"[^\n]", " ", match.group(0)), text, flags=re.DOTALL)
    for match in LINK.finditer(text):
        target = (match.group(1) or match.group(2)).split("#")[0]
        if target and not re.match(r"[a-z]+:", target) and not (CHECKOUT / name).parent.joinpath(target).exists():
            yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}: link to {target} leads nowhere"


def forbidden_words(name, text):
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, reason in FORBIDDEN:
            found = pattern.search(line)
            if found:
                yield f"{name}:{number}: '{found.group(0)}': {reason}"


def long_functions(name, text):
    """Functions at namespace level: the format puts their first line and their closing brace at column 0."""
    start = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("}"):
            if start and number - start + 1 > FUNCTION_LINES:
                yield f"{name}:{start}: {number - start + 1} lines in one function (limit {FUNCTION_LINES})"
            start = None
        elif re.match(r"(?:TEST|func |[A-Za-z_:<>*&,\s]+ [\w:~]+\()", line) and line[0] not in " \t" and " = " not in line:
            start = None if line.endswith(";") else number


def sizes(name, text):
    limit = LINES.get(Path(name).suffix)
    lines = text.count("\n")
    if limit and lines > limit:
        yield f"{name}: {lines} lines (limit {limit})"
    if name.endswith((".cc", ".go")):
        yield from long_functions(name, text)


def main():
    errors, warnings = missing_readmes(), []
    names = tracked_files()
    for name in names:
        data = (CHECKOUT / name).read_bytes()
        if b"\0" in data[:8192] or name == "LICENSE":
            continue
        text = data.decode("utf-8", "replace")
        errors += forbidden_words(name, text)
        if name.endswith(".md"):
            errors += broken_links(name, text)
        warnings += sizes(name, text)
    for warning in warnings:
        print("warning:", warning)
    for error in errors:
        print(error)
    print(f"{len(names)} files, {len(errors)} errors, {len(warnings)} warnings")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
