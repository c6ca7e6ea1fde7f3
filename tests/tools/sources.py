"""What the checks of this folder share: the list of sources, their compile flags, and a cache of what was found good."""

import hashlib
import json
import re
import shlex
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)


def tracked_files(*patterns):
    """Names, relative to the checkout, of the files that are there and that git knows or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", *patterns]
    output = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in output.split("\0") if name and (CHECKOUT / name).is_file())


class Sources:
    """The C++ files of a build folder. Cheap to make; reads each file once."""

    def __init__(self, build):
        self.build = Path(build)
        self.commands = {}  # absolute path -> list of arguments
        database = self.build / "compile_commands.json"
        for entry in json.loads(database.read_text()) if database.exists() else []:
            self.commands[str((Path(entry["directory"]) / entry["file"]).resolve())] = shlex.split(entry["command"])
        self.roots = [CHECKOUT / "server", CHECKOUT, CHECKOUT / "tests", self.build / "proto"]
        self.read = {}
        self.compiler = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True).stdout

    def includes(self, path):
        """(digest of the file's bytes, the project's files that it includes)"""
        if path not in self.read:
            data = path.read_bytes()
            found = []
            for include in INCLUDE.findall(data.decode("utf-8", "replace")):
                target = next((root / include for root in [path.parent, *self.roots] if (root / include).is_file()), None)
                if target:
                    found.append(target)
            self.read[path] = hashlib.sha256(data).hexdigest(), found
        return self.read[path]

    def closure(self, path):
        """{file: digest} of the file and the project files that it includes at any depth."""
        seen, pending = {}, [Path(path)]
        while pending:
            current = pending.pop()
            if current not in seen:
                seen[current], found = self.includes(current)
                pending.extend(found)
        return seen

    def fingerprint(self, path, *extra):
        """Changes when the file, a project file that it includes at any depth, the compiler or `extra` changes."""
        seen = self.closure(path)
        digest = hashlib.sha256("\0".join([self.compiler, *extra]).encode())
        for current in sorted(seen):
            digest.update(f"{current}\0{seen[current]}\0".encode())
        return digest.hexdigest()

    def flags(self, path):
        """Flags to parse a file with: its own, else those of a neighbour, else those of the program that uses every room."""
        path = Path(path).resolve()
        candidates = [path, path.with_suffix(".cc")]
        candidates += [Path(other) for other in sorted(self.commands) if Path(other).parent == path.parent]
        candidates += [Path(other) for other in sorted(self.commands)
                       if Path(other).is_relative_to(CHECKOUT / "tests" / "unit") and path.is_relative_to(CHECKOUT / "tests")]
        candidates.append(CHECKOUT / "server" / "main.cc")
        for candidate in candidates:
            if str(candidate) in self.commands:
                return self.only_parsing(self.commands[str(candidate)])
        return ["-std=c++20", "-I", str(CHECKOUT / "server"), "-I", str(CHECKOUT)]

    @staticmethod
    def only_parsing(command):
        kept, arguments = [], iter(command)
        for argument in arguments:
            if argument in {"-I", "-isystem", "-D"}:
                kept += [argument, next(arguments)]
            elif re.match(r"-(I|D|std=|f|W(?!p,)|isystem)", argument):
                kept.append(argument)
        return kept

    def uses_precompiled_header(self, path):
        return any("cmake_pch" in argument for argument in self.commands.get(str(path), []))


class Cache:
    """A set of fingerprints of what was found good, kept in a file between runs."""

    def __init__(self, path):
        self.path = Path(path)
        try:
            self.good = dict(json.loads(self.path.read_text()))
        except (OSError, ValueError):
            self.good = {}
        self.kept = {}

    def holds(self, name, fingerprint):
        if self.good.get(name) == fingerprint:
            self.kept[name] = fingerprint
            return True
        return False

    def add(self, name, fingerprint):
        self.kept[name] = fingerprint

    def save(self, keep_unseen=False):
        if keep_unseen:
            self.kept = {**self.good, **self.kept}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(self.kept, indent=0, sort_keys=True))
        temporary.replace(self.path)
