#!/usr/bin/env python3
"""The demo's table from the answers of `lbw --json`, and whether its figures are what they should be.

  demo_table.py FOLDER [--check]

FOLDER holds WHAT-BITS.evaluation.json and WHAT-BITS.version.json with WHAT one of float, nearest, calibrated, trained;
`float-32` is the float version. --check: exit status 1 where float is too weak or too strong to tell anything, where 4, 3 or 2 bits lie further below it
than the demo promises, or where nearest projection at 3 bits loses next to nothing.
"""

import json
import sys
from pathlib import Path

WAYS = ("nearest", "calibrated", "trained")
MOST_DROP = {4: 0.01, 3: 0.02, 2: 0.06}  # of the better of calibrated and trained
FLOAT_WITHIN = (0.80, 0.95)
LEAST_NEAREST_DROP = 0.02  # at 3 bits


def read(folder, name):
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def value(folder, name):
    evaluation = read(folder, f"{name}.evaluation")
    return None if evaluation is None else float(evaluation["value"])


def milliseconds(folder, name):
    timings = (read(folder, f"{name}.evaluation") or {}).get("timings", {})
    return sum(timings.get(key) or 0 for key in ("preprocess_ms", "compute_ms", "postprocess_ms"))


def weight_bytes(folder, name):
    totals = ((read(folder, f"{name}.version") or {}).get("report") or {}).get("totals") or {}
    return int(totals.get("bytes_after", 0)), int(totals.get("bytes_before", 0))


def text(number, digits=3):
    return "" if number is None else f"{number:.{digits}f}"


def main():
    folder = Path(sys.argv[1])
    check = "--check" in sys.argv[2:]
    widths = sorted({int(p.name.split("-")[1].split(".")[0]) for p in folder.glob("nearest-*.evaluation.json")}, reverse=True)
    floating = value(folder, "float-32")
    before = max([weight_bytes(folder, f"nearest-{bits}")[1] for bits in widths] or [0])
    print(f"   {'':8} {'tensor bytes':>12} {'ms/picture':>11}   mAP: " + "".join(f"{way:>12}" for way in WAYS))
    print(f"   {'float':8} {before:>12,} {milliseconds(folder, 'float-32'):>11.1f}        {floating:>12.3f}")
    missed = []
    for bits in widths:
        values = [value(folder, f"{way}-{bits}") for way in WAYS]
        name = f"trained-{bits}" if values[2] is not None else f"calibrated-{bits}"
        print(f"   {f'{bits} bits':8} {weight_bytes(folder, name)[0]:>12,} {milliseconds(folder, name):>11.1f}        " +
              "".join(f"{text(one):>12}" for one in values))
        best = max((one for one in values[1:] if one is not None), default=None)
        limit = MOST_DROP.get(bits)
        if limit is not None and (best is None or floating - best > limit):
            missed.append(f"{bits} bits: {text(best)} is more than {limit} below {text(floating)}")
    if not FLOAT_WITHIN[0] <= floating <= FLOAT_WITHIN[1]:
        missed.append(f"float: {text(floating)} is not within {FLOAT_WITHIN}")
    nearest = value(folder, "nearest-3")
    if nearest is None or floating - nearest < LEAST_NEAREST_DROP:
        missed.append(f"nearest projection at 3 bits: {text(nearest)} loses less than {LEAST_NEAREST_DROP}")
    if check and missed:
        sys.exit("FAILED: " + "; ".join(missed))


if __name__ == "__main__":
    main()
