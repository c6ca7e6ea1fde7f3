#!/usr/bin/env bash
# The demo: the whole chain through the real server, on things made here or on your own detector.
#
#   demo.sh                                           coloured discs, then a ResNet-50-shaped checkpoint
#   demo.sh --onnx FILE --spec FILE IMAGE...          your detector: create, quantize, detect, draw
#
# Environment: BIN (programs), OUT (where pictures and reports go; default demo-output).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
BIN=${BIN:-$root/build/bin}
OUT=${OUT:-$root/demo-output}
# shellcheck source=tests/e2e/lib.sh
source "$root/tests/e2e/lib.sh"

onnx='' spec='' images=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --onnx) onnx=${2:?--onnx needs a file}; shift 2 ;;
    --spec) spec=${2:?--spec needs a file}; shift 2 ;;
    --out) OUT=${2:?--out needs a folder}; shift 2 ;;
    -h | --help) sed -n '2,7p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    -*) fail "unknown option $1" ;;
    *) images+=("$1"); shift ;;
  esac
done
if [[ -n $onnx$spec || ${#images[@]} -gt 0 ]]; then
  [[ -f $onnx ]] || fail "--onnx: no such file: \"$onnx\""
  [[ -f $spec ]] || fail "--spec: no such file: \"$spec\""
  [[ ${#images[@]} -gt 0 ]] || fail "give at least one picture"
fi

step=0
say() {
  step=$((step + 1))
  printf '\n\033[1m%d. %s\033[0m\n' "$step" "$*"
}
run() {
  local text="${*//$BIN\//}"
  text=${text//$OUT\//}
  printf '   $ %s\n' "${text//$WORK\//}" >&2
  "$@"
}

rm -rf "$OUT"
mkdir -p "$OUT"


say "Start lbw-server and lbw-gateway"
start_server "$WORK/data"
start_gateway
echo "   gRPC $GRPC   metrics http://$ADMIN/metrics   REST $HTTP"

if [[ -n $onnx ]]; then
  say "Create a model from $(basename "$onnx")"
  run "$BIN/lbw" model create mine --onnx "$onnx" --spec "$spec"
  say "Quantize it: 6 bits, 4 bits"
  run "$BIN/lbw" model quantize mine --bits 6
  run "$BIN/lbw" model quantize mine --bits 4
  say "Detect with each version"
  for version in 1 2 3; do
    run "$BIN/lbw" detect "mine/$version" "${images[@]}" --out "$OUT/version-$version"
  done
  say "Pictures are in $OUT"
  exit 0
fi

say "Make a detector of coloured discs (ONNX, weights set by hand) and scenes"
"$BIN/lbw-demo-assets" "$OUT/discs" 24 480 1
ls "$OUT/discs"

say "Create the model"
run "$BIN/lbw" model create discs --onnx "$OUT/discs/discs.onnx" --spec "$OUT/discs/discs.yaml"

say "Quantize it to 6 and to 4 bits"
run "$BIN/lbw" model quantize discs --bits 6
run "$BIN/lbw" model quantize discs --bits 4
run "$BIN/lbw" model get discs

say "Detect with each version over gRPC and compare with the truth"
names=([1]='float32' [2]='6 bits' [3]='4 bits')
for version in 1 2 3; do
  echo "   $ lbw --json detect discs/$version scenes/*.png --out pictures/version-$version"
  "$BIN/lbw" --json detect "discs/$version" "$OUT"/discs/scenes/*.png --out "$OUT/pictures/version-$version" \
    >"$OUT/version-$version.json"
done
echo
for version in 1 2 3; do
  python3 "$root/tests/tools/score_discs.py" "$OUT/discs/truth.json" "$OUT/version-$version.json" \
    --name "${names[$version]}" --min-recall 0.95 --max-extra 2
done

say "The same over REST: a PNG in, JSON or a picture out"
first=$OUT/discs/scenes/scene_01.png
echo "   $ curl --data-binary @scene_01.png -H 'Content-Type: image/png' $HTTP/v1/models/discs/versions/3:detect"
curl -fsS --data-binary "@$first" -H 'Content-Type: image/png' "$HTTP/v1/models/discs/versions/3:detect" >"$OUT/rest.json"
python3 - "$OUT/rest.json" "$OUT/version-3.json" <<'PYTHON'
import json, sys
rest, grpc = (json.load(open(path))["results"][0]["detections"] for path in sys.argv[1:])
flat = lambda d: [d["score"], *(d["box"][key] for key in ("x_min", "y_min", "x_max", "y_max"))]
same = [d["label"] for d in rest] == [d["label"] for d in grpc] and all(
    abs(a - b) < 1e-3 for r, g in zip(rest, grpc) for a, b in zip(flat(r), flat(g)))
assert rest and same, "REST and gRPC differ"
for d in rest:
    print("   {label:<6} {score:.3f}  {b[x_min]:6.1f} {b[y_min]:6.1f} {b[x_max]:6.1f} {b[y_max]:6.1f}".format(b=d["box"], **d))
print("   the same boxes as over gRPC")
PYTHON
curl -fsS --data-binary "@$first" -H 'Content-Type: image/png' -H 'Accept: image/jpeg' \
  "$HTTP/v1/models/discs/versions/3:detect" >"$OUT/pictures/rest.jpg"

say "Quantize a ResNet-50-shaped checkpoint and check every code that comes back"
run "$BIN/lbw-quant-oracle" make-resnet50 --seed 1 --out "$WORK/resnet50.safetensors"
run "$BIN/lbw" quantize "$WORK/resnet50.safetensors" --bits 4 --out "$WORK/resnet50-4bit.safetensors" \
  --report "$OUT/resnet50-report.json" >"$WORK/report.txt"
head -n 12 "$WORK/report.txt"
echo "   ..."
tail -n 4 "$WORK/report.txt"
run "$BIN/lbw-quant-oracle" check "$WORK/resnet50.safetensors" "$WORK/resnet50-4bit.safetensors" >"$WORK/check.txt" ||
  { cat "$WORK/check.txt" >&2; fail "the packed checkpoint is not the optimum"; }
tail -n 3 "$WORK/check.txt"
for file in "$WORK"/resnet50*.safetensors; do printf '   %11d bytes  %s\n' "$(stat -c %s "$file")" "$(basename "$file")"; done

say "What the server says of itself"
run "$BIN/lbw" status
curl -fsS "http://$ADMIN/metrics" >"$OUT/metrics.txt"
grep -E '^lbw_(rpc_requests_total|detect_pictures_total|models_loaded|quantize_tensors_total|stored_bytes)' "$OUT/metrics.txt" | head -n 16

say "Done"
cat <<TEXT
   annotated pictures     $OUT/pictures/version-{1,2,3}/
   the report as JSON     $OUT/resnet50-report.json
   the metrics            $OUT/metrics.txt
   Next: ./dev demo --onnx YOUR.onnx --spec YOUR.yaml PICTURE...      ./dev serve
TEXT
