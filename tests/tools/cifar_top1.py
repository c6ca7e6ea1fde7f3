#!/usr/bin/env python3
"""Top-1 accuracy of a served CIFAR-10 classifier, over `lbw detect --json`.

  cifar_top1.py TEST_BATCH.bin MODEL [--lbw build/bin/lbw] [--server HOST:PORT]

TEST_BATCH.bin holds records of 1 label byte and 3072 pixel bytes (red, green, blue planes of 32 x 32). The class index must be the label.
"""
import argparse
import json
import os
import struct
import subprocess
import tempfile
import zlib

RECORD = 1 + 3072


def png(planes):
    rows = b"".join(b"\0" + bytes(planes[c * 1024 + y * 32 + x] for x in range(32) for c in range(3)) for y in range(32))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("batch")
    parser.add_argument("model")
    parser.add_argument("--lbw", default="build/bin/lbw")
    parser.add_argument("--server", default="")
    arguments = parser.parse_args()
    with open(arguments.batch, "rb") as file:
        data = file.read()
    labels = [data[i] for i in range(0, len(data), RECORD)]
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i in range(len(labels)):
            paths.append(os.path.join(folder, f"{i:05d}.png"))
            with open(paths[-1], "wb") as file:
                file.write(png(data[i * RECORD + 1:(i + 1) * RECORD]))
        command = [arguments.lbw] + (["--server", arguments.server] if arguments.server else [])
        command += ["--json", "detect", arguments.model, "--top-k", "1", *paths]
        results = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["results"]
    right = sum(1 for label, r in zip(labels, results) if r["classifications"][0]["class_index"] == label)
    print(f"{arguments.model:<24} top-1 {right / len(labels):.4f}   pictures {len(labels)}")


if __name__ == "__main__":
    main()
