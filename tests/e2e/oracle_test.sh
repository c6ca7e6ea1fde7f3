#!/usr/bin/env bash
# `lbw quantize` of every weight file of the test data, at every bit-width, code book and granularity, checked tensor by tensor against
# an independent brute force. Needs LBW_TEST_DATA; skips visibly without.
#
#   oracle_test.sh [BIN [BITS]]
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
BIN=${1:-$root/build/bin}
# shellcheck source=tests/e2e/lib.sh
source "$root/tests/e2e/lib.sh"
if [[ -z ${LBW_TEST_DATA:-} ]]; then
  echo "LBW_TEST_DATA is not set"
  exit 77
fi
bits=${2:-2 3 4 5 6}
start_server "$WORK/data"
checked=0
while read -r file; do
  for book in paper full; do
    for granularity in tensor channel; do
      for b in $bits; do
        if ! "$BIN/lbw" quantize "$file" --bits "$b" --code-book "$book" --granularity "$granularity" \
          --out "$WORK/packed.safetensors" >"$WORK/report.txt" 2>&1; then
          # A file that this version does not read must say so; anything else is a failure.
          grep -q '^INVALID_ARGUMENT' "$WORK/report.txt" || { cat "$WORK/report.txt" >&2; fail "$file"; }
          echo "  refused: $(basename "$file"): $(tail -n 1 "$WORK/report.txt" | cut -c1-140)"
          break 3
        fi
        "$BIN/lbw-quant-oracle" check "$file" "$WORK/packed.safetensors" >"$WORK/check.txt" 2>&1 ||
          { cat "$WORK/check.txt" >&2; fail "$(basename "$file") bits=$b $book $granularity"; }
        checked=$((checked + 1))
      done
    done
  done
  echo "  $(basename "$file"): $(tail -n 1 "$WORK/check.txt")"
done < <(find "$LBW_TEST_DATA" -path '*/weights_*' \( -name '*.safetensors' -o -name '*.onnx' \) | sort)
echo "$checked packed files equal the brute force"
