#!/usr/bin/env python3
"""Checks that every file of server/ and client/cpp includes only what its room may include.

  tests/tools/check_layers.py [CHECKOUT]     prints FILE:LINE: what is wrong; exit status 1 if anything is

The tables below are the rule. A room is a folder of server/; a subfolder that is a library of its own (graph/onnx) is a
room of its own. Comments and string literals are not looked at.
"""

import re
import sys
from pathlib import Path

# Room, and the rooms that it may include. Every room may include itself and base; `*` = every room except app.
ROOMS = """
base          |
config        |
quant         | quant/kernels
quant/kernels |
store         |
detect        |
detect/image  | detect
metrics       |
tensorfile    | quant
graph         | quant tensorfile
graph/onnx    | graph quant tensorfile
graph/build   | graph quant tensorfile
model         | graph graph/onnx graph/build quant tensorfile detect
engine        | graph quant
engine/torch  | engine graph quant
engine/lowbit | engine graph quant
dataset       | detect detect/image
eval          | detect
registry      | model store
jobs          | store
serving       | registry model engine detect detect/image store
train         | model engine engine/torch graph dataset eval quant detect
tasks         | train model engine graph dataset eval quant detect detect/image tensorfile store registry jobs
rpc           | *
app           | *
main.cc       | app config
client/cpp    |
"""

# Third party, how its includes begin, and the rooms that may include them (`*` = all).
THIRD_PARTIES = """
abseil      | absl/                           | *
gRPC        | grpc/ grpcpp/ grpc++/           | rpc app client/cpp
protobuf    | google/ lbw/ inference/         | rpc app client/cpp graph/onnx
ONNX        | onnx/                           | graph/onnx
torch       | torch/ ATen/ c10/ caffe2/       | engine/torch train
oneDNN      | dnnl oneapi/dnnl                | engine/lowbit
OpenCV      | opencv2/                        | detect/image dataset
libjpeg     | jpeglib.h jerror.h turbojpeg.h  | detect/image
Prometheus  | prometheus/                     | metrics
SQLite      | sqlite3.h                       | store
libpqxx     | pqxx/ libpq-fe.h                | store
spdlog      | spdlog/ fmt/                    | base
OpenSSL     | openssl/                        | base
ISA-L       | isa-l.h isa-l/ crc.h            | base
yaml-cpp    | yaml-cpp/                       | config model client/cpp
JSON        | nlohmann/                       | config tensorfile graph model registry jobs dataset tasks rpc app client/cpp
tinyxml2    | tinyxml2.h                      | dataset
libarchive  | archive.h archive_entry.h       | dataset client/cpp
cairo       | cairo                           | client/cpp
httplib     | httplib.h                       | app
CLI11       | CLI/                            | app client/cpp
"""

# Third parties that stay out of headers: a translation unit that includes torch takes 16 s to compile.
NEVER_IN_HEADERS = {"torch"}
# The headers that hide a library's versions from the rest of their room are included by that room's sources only.
VERSION_HEADERS = {"engine/torch/torch_version.h"}

# What is reached through one room only: pattern, the rooms that may, what to use instead.
RESERVED = [
    (r"\b(?:secure_)?getenv\s*\(", {"config"}, "the environment is read by config only"),
    # jobs hands it on, unread, to the processes that it starts.
    (r"\benviron\b", {"config", "jobs"}, "the environment is read by config only"),
    (r"\b(?:steady|system|high_resolution)_clock::now\b|\babsl::Now\s*\(|\bclock_gettime\b|\bgettimeofday\b|\bstd::time\s*\(",
     {"base"}, "clocks come from base/clock.h only"),
    (r"\brandom_device\b|\babsl::(?:Insecure)?BitGen\b|\bgetrandom\b|\bs?rand\s*\(",
     {"base"}, "randomness comes from base only"),
]

# C and POSIX headers; names without a dot and a slash (vector, cstdint) are the C++ library.
SYSTEM = re.compile(
    r"[a-z_0-9]+|(?:sys|linux|arpa|netinet|net|bits|asm)/[\w./-]+\.h|"
    r"(?:assert|cpuid|dirent|dlfcn|errno|fcntl|fenv|ftw|getopt|glob|immintrin|arm_neon|inttypes|limits|locale|malloc|math|"
    r"netdb|omp|poll|pthread|pwd|sched|signal|spawn|stdarg|stddef|stdint|stdio|stdlib|string|strings|syscall|termios|time|"
    r"ucontext|unistd|utime|wait|zlib)\.h")

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)


def parse_rooms(text):
    """{room: set of rooms it may include}, base and itself among them."""
    listed = {}
    for line in text.strip().splitlines():
        room, allowed = line.split("|")
        listed[room.strip()] = allowed.split()
    every = {room for room in listed if "/" not in room or room.split("/")[0] in listed} - {"app", "main.cc"}
    return {room: {room, "base"} | (every if allowed == ["*"] else set(allowed)) for room, allowed in listed.items()}


def parse_third_parties(text):
    """[(name, prefixes, rooms)]"""
    rows = []
    for line in text.strip().splitlines():
        name, prefixes, rooms = (part.strip() for part in line.split("|"))
        rows.append((name, tuple(prefixes.split()), set(rooms.split())))
    return rows


def blank_noise(text, keep_includes=True):
    """The text with comments and literals replaced by spaces, lines kept."""
    def blank(match):
        literal = match.group(0)
        line_start = text.rfind("\n", 0, match.start()) + 1
        if keep_includes and re.match(r"\s*#\s*include", text[line_start:match.start()]):
            return literal
        return re.sub(r"[^\n]", " ", literal)
    return NOISE.sub(blank, text)


def find_cycle(edges):
    """One cycle of a graph {node: nodes} as a list that ends where it begins, or None."""
    done, path, on_path = set(), [], set()

    def visit(node):
        path.append(node)
        on_path.add(node)
        for following in sorted(edges.get(node, ())):
            if following in on_path:
                return path[path.index(following):] + [following]
            if following not in done:
                cycle = visit(following)
                if cycle:
                    return cycle
        on_path.discard(path.pop())
        done.add(node)
        return None

    for start in sorted(edges):
        if start not in done:
            cycle = visit(start)
            if cycle:
                return cycle
    return None


class Checker:
    def __init__(self, checkout, rooms=ROOMS, third_parties=THIRD_PARTIES):
        self.checkout = Path(checkout)
        self.server = self.checkout / "server"
        self.rooms = parse_rooms(rooms)
        self.third_parties = parse_third_parties(third_parties)
        self.problems = []
        self.file_edges = {}

    def run(self):
        """Problems as `FILE:LINE: message`, in file order."""
        table = {room: allowed - {room} for room, allowed in self.rooms.items()}
        cycle = find_cycle(table)
        if cycle:
            self.problems.append("check_layers.py:1: the table of rooms has a cycle: " + " -> ".join(cycle))
        for folder in (self.server, self.checkout / "client" / "cpp"):
            for path in sorted(folder.rglob("*")):
                if path.suffix in {".h", ".cc", ".cpp", ".inc", ".hpp"} and path.is_file():
                    self.check_file(path)
        cycle = find_cycle(self.file_edges)
        if cycle:
            self.problems.append(f"server/{cycle[0]}:1: headers include each other: " + " -> ".join(cycle))
        return self.problems

    def room_of(self, relative):
        """The room that a path relative to server/ (or client/cpp/...) belongs to, or None."""
        folder = str(relative)
        while folder not in ("", "."):
            if folder in self.rooms:
                return folder
            folder = str(Path(folder).parent)
        return None

    def check_file(self, path):
        in_server = path.is_relative_to(self.server)
        relative = path.relative_to(self.server if in_server else self.checkout)
        room = self.room_of(relative)
        where = path.relative_to(self.checkout)
        if room is None:
            self.problems.append(f"{where}:1: {relative.parts[0]} is no room; add it to the table in check_layers.py")
            return
        text = blank_noise(path.read_text(encoding="utf-8"))
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start(1) if match.group(1) else match.start(2)) + 1
            message = self.check_include(relative, room, match.group(1) or match.group(2), bool(match.group(1)))
            if message:
                self.problems.append(f"{where}:{line}: {message}")
        code = re.sub(r"^\s*#\s*include[^\n]*", "", text, flags=re.MULTILINE)
        for pattern, owners, advice in RESERVED:
            if room in owners or not in_server:
                continue
            for match in re.finditer(pattern, code):
                line = code.count("\n", 0, match.start()) + 1
                self.problems.append(f"{where}:{line}: {match.group(0).strip(' (')}: {advice}")

    def check_include(self, relative, room, include, quoted):
        for name, prefixes, owners in self.third_parties:
            if include.startswith(prefixes) and not (self.server / include).exists():
                if "*" not in owners and room not in owners:
                    return f"{room} may not include {name} ({include}); only {', '.join(sorted(owners))} may"
                if name in NEVER_IN_HEADERS and relative.suffix == ".h" and str(relative) not in VERSION_HEADERS:
                    return f"{name} ({include}) may not be included by a header"
                return None
        target = self.server / include
        if target.exists() and "/" in include:
            other = self.room_of(include)
            self.file_edges.setdefault(str(relative), set()).add(include)
            if other is None:
                return f"{include} belongs to no room of the table"
            if not quoted:
                return f"write it with quotes: #include \"{include}\""
            if include in VERSION_HEADERS and (other != room or relative.suffix == ".h"):
                return f"{include} is for the sources of {other} only"
            if other not in self.rooms[room]:
                return f"{room} may not include {other} ({include})"
            return None
        if room == "client/cpp" and include.startswith("client/cpp/") and (self.checkout / include).exists():
            return None
        if quoted:
            return f'"{include}" is not found; includes are relative to server/ (client/cpp: to the checkout)'
        if not SYSTEM.fullmatch(include):
            return f"<{include}> is no known third party; add it to the table in check_layers.py"
        return None


def main(arguments):
    checkout = Path(arguments[1]) if len(arguments) > 1 else Path(__file__).resolve().parents[2]
    problems = Checker(checkout).run()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
