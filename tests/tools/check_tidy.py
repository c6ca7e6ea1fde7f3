#!/usr/bin/env python3
"""Runs clang-tidy on the C++ files that changed.

  tests/tools/check_tidy.py [--all] [--limit 12] [--build build] [--jobs 2]

Changed: not committed yet, or committed since the branch left origin/main (on main itself: in the last commit). What was
found good is not looked at again until it, a project header it includes or .clang-tidy changes. Without --all at most
--limit files are looked at, and the rest is counted aloud. Sources that include torch are left out: clang 14 cannot parse
LibTorch 1.13 with GCC 12's library as C++20.
"""

import argparse
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from sources import CHECKOUT, Cache, Sources, tracked_files  # noqa: E402

TORCH = re.compile(r'^\s*#\s*include [<"](?:torch|ATen|c10)/', re.MULTILINE)


def git(*arguments):
    """Output of git, or None where it fails."""
    result = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else None


def changed_files():
    head = git("rev-parse", "--verify", "-q", "HEAD")
    base = git("merge-base", "HEAD", "origin/main") if head else None
    if base is None or base == head:
        base = git("rev-parse", "--verify", "-q", "HEAD~1") or head
    changed = set(tracked_files()) if not head else set((git("diff", "--name-only", base) or "").splitlines())
    return changed | set((git("ls-files", "--others", "--exclude-standard") or "").splitlines())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--limit", type=int, default=12)
    parser.add_argument("--build", default=str(CHECKOUT / "build"))
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()

    sources = Sources(options.build)
    cache = Cache(Path(options.build) / "checks" / "tidy.json")
    configuration = (CHECKOUT / ".clang-tidy").read_text()
    changed = None if options.all else changed_files()
    pending, good = [], 0
    for name in tracked_files("server/*.cc", "client/cpp/*.cc", "tests/*.cc"):
        path = CHECKOUT / name
        # A changed header is looked at through the source of its name.
        mine = options.all or name in changed or str(Path(name).with_suffix(".h")) in changed
        if str(path) not in sources.commands or not mine:
            continue
        if any(TORCH.search(file.read_text(encoding="utf-8", errors="replace")) for file in sources.closure(path)):
            continue
        fingerprint = sources.fingerprint(path, configuration)
        if cache.holds(name, fingerprint):
            good += 1
        else:
            pending.append((name, fingerprint))
    left_out = 0 if options.all else max(0, len(pending) - options.limit)
    pending = pending[:len(pending) - left_out]

    def tidy(item):
        name, fingerprint = item
        # GCC's own warnings are the build's matter: the flags are GCC's.
        command = ["clang-tidy-14", "--quiet", "-p", options.build, "--extra-arg=-Wno-unknown-warning-option",
                   "--extra-arg=-Wno-error", name]
        return name, fingerprint, subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    failures = 0
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        for name, fingerprint, result in pool.map(tidy, pending):
            if result.returncode == 0:
                cache.add(name, fingerprint)
            else:
                failures += 1
                print(f"{name}\n{result.stdout.strip() or result.stderr.strip()}")
    cache.save(keep_unseen=True)
    print(f"{len(pending)} files looked at, {good} known to be good" +
          (f", {left_out} changed files left out (./dev check --all looks at every file)" if left_out else ""))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
