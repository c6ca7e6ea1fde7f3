#!/usr/bin/env python3
"""Checks that every header compiles on its own and has the house's include guard.

  tests/tools/check_headers.py [--build build] [--jobs 2]

A header that a source of the build includes first is proved by that build; the others are compiled here, and not again
until they, a project header they include, their flags or the compiler change.
"""

import argparse
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from sources import CHECKOUT, INCLUDE, Cache, Sources, tracked_files  # noqa: E402


def guard_problem(name, text):
    """server/quant/grid.h must be guarded by LBW_QUANT_GRID_H_; client/cpp/table.h by a name that ends in _TABLE_H_."""
    stem = re.sub(r"[^A-Za-z0-9]", "_", name.removeprefix("server/").removesuffix(".h")).upper()
    wanted = f"LBW_{stem}_H_"
    found = re.search(r"^#ifndef (\w+)\n#define (\w+)$", text, re.MULTILINE)
    if not found or found.group(1) != found.group(2):
        return f"{name}:1: no include guard; {wanted} is expected"
    if name.startswith("server/") and found.group(1) != wanted:
        return f"{name}:1: include guard {found.group(1)}; {wanted} is expected"
    return None


def proved_by_the_build(sources):
    """Headers that some source of the build includes before anything else."""
    proved = set()
    for source in sources.commands:
        path = Path(source)
        if not path.is_file() or sources.uses_precompiled_header(path):
            continue
        first = INCLUDE.search(path.read_text(encoding="utf-8", errors="replace"))
        if first:
            proved.update(str(root / first.group(1)) for root in sources.roots if (root / first.group(1)).is_file())
    return proved


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(CHECKOUT / "build"))
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()

    sources = Sources(options.build)
    cache = Cache(Path(options.build) / "checks" / "headers.json")
    headers = tracked_files("server/*.h", "client/cpp/*.h", "tests/*.h")
    proved = proved_by_the_build(sources)
    problems = [problem for name in headers if (problem := guard_problem(name, (CHECKOUT / name).read_text(encoding="utf-8")))]

    pending = []
    for name in headers:
        path = CHECKOUT / name
        flags = sources.flags(path)
        fingerprint = sources.fingerprint(path, *flags)
        if str(path) not in proved and not cache.holds(name, fingerprint):
            pending.append((name, flags, fingerprint))

    def compile_alone(item):
        name, flags, fingerprint = item
        result = subprocess.run(["g++", *flags, "-fsyntax-only", "-x", "c++", str(CHECKOUT / name)],
                                capture_output=True, text=True, check=False)
        return name, fingerprint, result

    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        for name, fingerprint, result in pool.map(compile_alone, pending):
            if result.returncode == 0:
                cache.add(name, fingerprint)
            else:
                problems.append(f"{name} does not compile on its own:\n" + "\n".join(result.stderr.splitlines()[:12]))
    cache.save()
    print("\n".join(problems) or f"{len(headers)} headers, {len(pending)} compiled now")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
