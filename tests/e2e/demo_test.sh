#!/usr/bin/env bash
# The demo as a test: it checks its own results and exits other than 0 when one is not met.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
BIN=${1:-$root/build/bin}
export BIN
OUT=$(mktemp -d)
trap 'rm -rf "$OUT"' EXIT
"$root/tests/e2e/demo.sh" --out "$OUT" >"$OUT.log" 2>&1 || { cat "$OUT.log" >&2; rm -f "$OUT.log"; exit 1; }
grep -E 'found|the same boxes|tensors failed' "$OUT.log"
rm -f "$OUT.log"
[[ -s $OUT/pictures/rest.jpg ]] || { echo "FAILED: no picture over REST" >&2; exit 1; }
[[ $(find "$OUT/pictures" -name '*.jpg' | wc -l) -eq 73 ]] || { echo "FAILED: not 73 pictures" >&2; exit 1; }
