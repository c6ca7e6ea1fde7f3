#!/usr/bin/env bash
# The demo: the whole story through the real server. Synthetic scenes, a small detector trained on them in float, projected,
# calibrated and fine-tuned at 6, 4, 3 and 2 bits, every version scored on scenes that none was trained on, detection over
# gRPC and REST.
#
#   demo.sh                                           all of it, about ten minutes on two cores
#   demo.sh --quick                                   a few steps of everything; the figures mean nothing
#   demo.sh --onnx FILE --spec FILE IMAGE...          your detector: create, quantize, detect, draw
#
# Environment: BIN (programs), OUT (where pictures and reports go; default demo-output).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
BIN=${BIN:-$root/build/bin}
OUT=${OUT:-$root/demo-output}
# shellcheck source=tests/e2e/lib.sh
source "$root/tests/e2e/lib.sh"

onnx='' spec='' quick='' images=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --onnx) onnx=${2:?--onnx needs a file}; shift 2 ;;
    --spec) spec=${2:?--spec needs a file}; shift 2 ;;
    --out) OUT=${2:?--out needs a folder}; shift 2 ;;
    --quick) quick=yes; shift ;;
    -h | --help) sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
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
  printf '\n\033[1m%d. %s\033[0m   [%d s]\n' "$step" "$*" "$SECONDS"
}
run() {
  local text="${*//$BIN\//}"
  text=${text//$OUT\//}
  printf '   $ %s\n' "${text//$WORK\//}" >&2
  "$@"
}
# answer FILE COMMAND...: the command with its answer as JSON in a file.
answer() {
  local file=$1
  shift
  local text="lbw $*"
  printf '   $ %s\n' "${text//$OUT\//}" >&2
  "$BIN/lbw" --json "$@" >"$file" || fail "lbw $*"
}

rm -rf "$OUT"
mkdir -p "$OUT/figures" "$OUT/pictures"
SECONDS=0

say "Start lbw-server and lbw-gateway"
threads=(--threads 2)  # a training has the same bits for the same number
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

# What is scored was never trained on; what is drawn was never scored on. Scenes are plenty, so none is changed by chance.
train=8000 val=1000 epochs=8 images64=64 tune=(--epochs 1 --steps 150) tune2=(--epochs 2 --steps 300)
if [[ -n $quick ]]; then
  train=64 val=24 epochs=1 images64=8 tune=(--epochs 1 --steps 4) tune2=(--epochs 1 --steps 4)
fi
scenes=(--width 128 --height 128 --max-shapes 3 --min-size 0.2 --max-size 0.6 --occlusion 0.2 --noise 5 --clutter 0.2)

say "Make scenes: $train to train on, $val to score on, 12 to look at"
run "$BIN/lbw-make-scenes" --out "$WORK/scenes" --train "$train" --val "$val" --seed 1 "${scenes[@]}"
run "$BIN/lbw-make-scenes" --out "$OUT/fresh" --train 0 --val 12 --seed 2 "${scenes[@]}"
run "$BIN/lbw" dataset create scenes "$WORK/scenes"
run "$BIN/lbw" dataset show scenes --out "$OUT/pictures/scenes.png"

say "A small detector with fresh weights"
cat >"$OUT/shapes.yaml" <<'YAML'
input: {size: [128, 128]}
classes: [disc, square, triangle, ring, cross, star]
YAML
run "$BIN/lbw" model create shapes --arch ssd_tiny --spec "$OUT/shapes.yaml" --seed 1

say "Train it in float"
run "$BIN/lbw" train shapes/1 --dataset scenes --epochs "$epochs" "${threads[@]}" --rate 0.1 --bias-rate 0.02 --no-augment --evaluate-every 2 --seed 1 --plot "$OUT/pictures/training.png" \
  --report "$OUT/figures/training.json"
run "$BIN/lbw" model alias shapes stable 2

say "Project, calibrate and fine-tune it to 6, 4, 3 and 2 bits"
answer "$OUT/figures/float-32.evaluation.json" evaluate shapes/2 --dataset scenes
version=2
made() { # made NAME: the version that was made last, and its evaluation
  version=$((version + 1))
  "$BIN/lbw" --json model get "shapes/$version" >"$OUT/figures/$1.version.json"
  answer "$OUT/figures/$1.evaluation.json" evaluate "shapes/$version" --dataset scenes
}
declare -A best
for bits in 6 4 3 2; do
  run "$BIN/lbw" model quantize shapes/2 --bits "$bits" >/dev/null
  made "nearest-$bits"
  run "$BIN/lbw" model quantize shapes/2 --bits "$bits" --calibrate scenes --images "$images64" --no-measure >/dev/null
  made "calibrated-$bits"
  flags=("${tune[@]}")
  [[ $bits -gt 2 ]] || flags=("${tune2[@]}")
  run "$BIN/lbw" finetune shapes/2 --dataset scenes --bits "$bits" --images "$images64" "${threads[@]}" --no-augment --evaluate-every 0 "${flags[@]}" \
    --plot "$OUT/pictures/finetuning-$bits.png" --report "$OUT/figures/finetuning-$bits.json" >/dev/null
  made "trained-$bits"
  best[$bits]=$version
done

say "What each version finds on $val scenes that it never saw"
check=(--check)
[[ -z $quick ]] || check=()
python3 "$root/tests/tools/demo_table.py" "$OUT/figures" "${check[@]}"

say "Detect on fresh scenes: float, 4 bits, 2 bits"
for name in 2 "${best[4]}" "${best[2]}"; do
  run "$BIN/lbw" detect "shapes/$name" "$OUT"/fresh/JPEGImages/*.jpg --out "$OUT/pictures/version-$name" >/dev/null
done
"$BIN/lbw" detect "shapes/${best[4]}" "$OUT"/fresh/JPEGImages/*.jpg | head -n 12

say "The same over REST: a picture in, JSON or a picture out"
first=$(find "$OUT/fresh/JPEGImages" -name '*.jpg' | sort | head -n 1)
echo "   $ curl --data-binary @$(basename "$first") -H 'Content-Type: image/jpeg' $HTTP/v1/models/shapes/versions/${best[4]}:detect"
curl -fsS --data-binary "@$first" -H 'Content-Type: image/jpeg' "$HTTP/v1/models/shapes/versions/${best[4]}:detect" >"$OUT/rest.json"
"$BIN/lbw" --json detect "shapes/${best[4]}" "$first" >"$OUT/grpc.json"
python3 - "$OUT/rest.json" "$OUT/grpc.json" <<'PYTHON'
import json, sys
rest, grpc = (json.load(open(path))["results"][0]["detections"] for path in sys.argv[1:])
flat = lambda d: [d["score"], *(d["box"][key] for key in ("x_min", "y_min", "x_max", "y_max"))]
same = [d["label"] for d in rest] == [d["label"] for d in grpc] and all(
    abs(a - b) < 1e-3 for r, g in zip(rest, grpc) for a, b in zip(flat(r), flat(g)))
assert same, "REST and gRPC differ"
for d in rest:
    print("   {label:<8} {score:.3f}  {b[x_min]:6.1f} {b[y_min]:6.1f} {b[x_max]:6.1f} {b[y_max]:6.1f}".format(b=d["box"], **d))
print("   the same boxes as over gRPC")
PYTHON
curl -fsS --data-binary "@$first" -H 'Content-Type: image/jpeg' -H 'Accept: image/jpeg' \
  "$HTTP/v1/models/shapes/versions/${best[4]}:detect" >"$OUT/pictures/rest.jpg"

say "A detector from elsewhere: an ONNX file and a spec"
"$BIN/lbw-demo-assets" "$OUT/discs" 12 480 1
run "$BIN/lbw" model create discs --onnx "$OUT/discs/discs.onnx" --spec "$OUT/discs/discs.yaml"
run "$BIN/lbw" model quantize discs --bits 4 | tail -n 3
echo "   $ lbw --json detect discs/2 scenes/*.png"
"$BIN/lbw" --json detect discs/2 "$OUT"/discs/scenes/*.png --out "$OUT/pictures/discs" >"$OUT/discs.json"
python3 "$root/tests/tools/score_discs.py" "$OUT/discs/truth.json" "$OUT/discs.json" --name "4 bits" --min-recall 0.95 --max-extra 2

say "Where the 4-bit version came from, and what the server says of itself"
run "$BIN/lbw" model lineage "shapes/${best[4]}"
run "$BIN/lbw" status
curl -fsS "http://$ADMIN/metrics" >"$OUT/metrics.txt"
grep -E '^lbw_(rpc_requests_total|detect_pictures_total|models_loaded|jobs|stored_bytes)' "$OUT/metrics.txt" | head -n 16

say "Done"
cat <<TEXT
   annotated pictures     $OUT/pictures/version-*/      fresh scenes $OUT/fresh/
   curves                 $OUT/pictures/training.png, finetuning-*.png
   figures as JSON        $OUT/figures/
   the metrics            $OUT/metrics.txt
   Next: ./dev demo --onnx YOUR.onnx --spec YOUR.yaml PICTURE...      ./dev serve
TEXT
