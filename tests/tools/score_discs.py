#!/usr/bin/env python3
"""Scores `lbw detect --json` on the demo's scenes against their truth.

  score_discs.py TRUTH.json DETECT.json [--min-recall R] [--max-extra N] [--name NAME]

A disc is found by a box of its class with IoU >= 0.5. Prints one line; exits 1 when a bar is missed.
"""
import argparse
import json
import sys


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def score(truth, results):
    found = total = extra = 0
    overlap = 0.0
    for scene, result in zip(truth, results):
        left = [(d["label"], [d["box"][k] for k in ("x_min", "y_min", "x_max", "y_max")]) for d in result["detections"]]
        for disc in scene["boxes"]:
            total += 1
            best = max(((iou(disc["box"], box), i) for i, (label, box) in enumerate(left) if label == disc["label"]),
                       default=(0.0, -1))
            if best[0] >= 0.5:
                found += 1
                overlap += best[0]
                del left[best[1]]
        extra += len(left)
    return found, total, extra, overlap / max(found, 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("truth")
    parser.add_argument("detections")
    parser.add_argument("--min-recall", type=float, default=0.0)
    parser.add_argument("--max-extra", type=int, default=10**9)
    parser.add_argument("--name", default="")
    arguments = parser.parse_args()
    with open(arguments.truth, encoding="utf-8") as file:
        truth = json.load(file)
    with open(arguments.detections, encoding="utf-8") as file:
        results = json.load(file)["results"]
    if len(truth) != len(results):
        sys.exit(f"{len(truth)} scenes but {len(results)} results")
    found, total, extra, overlap = score(truth, results)
    print(f"{arguments.name:<16} found {found:3d} of {total:3d} discs   {extra:2d} false   mean IoU {overlap:.3f}")
    if found < arguments.min_recall * total or extra > arguments.max_extra:
        sys.exit(f"bar missed: recall {found / total:.3f} (at least {arguments.min_recall}), "
                 f"false {extra} (at most {arguments.max_extra})")


if __name__ == "__main__":
    main()
