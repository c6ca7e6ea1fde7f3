#!/usr/bin/env bash
# A few steps of everything that the demo does: it checks its own results and exits other than 0 when one is not met. What its
# figures should be is checked by the whole demo alone.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
BIN=${1:-$root/build/bin}
export BIN
OUT=$(mktemp -d)
trap 'rm -rf "$OUT"' EXIT
"$root/tests/e2e/demo.sh" --quick --out "$OUT" >"$OUT.log" 2>&1 || { cat "$OUT.log" >&2; rm -f "$OUT.log"; exit 1; }
grep -E 'found|the same boxes|bits  |float  ' "$OUT.log"
rm -f "$OUT.log"
[[ -s $OUT/pictures/rest.jpg ]] || { echo "FAILED: no picture over REST" >&2; exit 1; }
# Twelve scenes by three versions, twelve of discs, one over REST.
[[ $(find "$OUT/pictures" -name '*.jpg' | wc -l) -eq 49 ]] || { echo "FAILED: not 49 pictures" >&2; exit 1; }
[[ $(find "$OUT/pictures" -name '*.png' | wc -l) -eq 6 ]] || { echo "FAILED: not 6 plots and sheets" >&2; exit 1; }
