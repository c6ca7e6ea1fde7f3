#!/usr/bin/env bash
# Real detectors and classifiers, evaluated as jobs through the programs: the figures that other tools gave for the same files.
#
#   evaluate_test.sh [BIN]        needs LBW_TEST_DATA
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
BIN=${1:-$root/build/bin}
data=${LBW_TEST_DATA:-}
if [[ ! -d $data/facemask_trainval ]]; then
  echo "LBW_TEST_DATA does not name a folder of real data"
  exit 77
fi
# shellcheck source=tests/e2e/lib.sh
source "$root/tests/e2e/lib.sh"
lbw() { "$BIN/lbw" "$@"; }

# close WHAT GOT WANT TOLERANCE
close() {
  python3 -c 'import sys; what, got, want, limit = sys.argv[1], *map(float, sys.argv[2:])
print(f"   {what}: {got:.4f}, expected {want:.4f} within {limit}")
sys.exit(abs(got - want) > limit)' "$@" || fail "$1 is off"
}
# value FILE PATH: a number of a job's result, e.g. voc.map_50
value() {
  python3 -c 'import json, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2].split("."): value = value[key]
print(value)' "$1" "$2"
}

start_server "$WORK/data"
echo "Datasets"
lbw dataset create masks "$data/facemask_trainval" --map HaveMask=mask,NoMask=no_mask --classes mask,no_mask
lbw dataset create cifar "$data/cifar10_test_share2000" --format cifar \
  --classes airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck
lbw dataset show masks --split val --out "$WORK/sheet.png"
[[ -s $WORK/sheet.png ]] || fail "no contact sheet"

echo "A face-mask detector"
onnx=$(find "$data/weights_aizoo_ssd" -name '*.onnx' | head -n 1)
lbw model create aizoo --onnx "$onnx" --spec "$root/server/model/examples/face_mask_ssd.yaml" >/dev/null
lbw model quantize aizoo --bits 6 >/dev/null
lbw model quantize aizoo --bits 4 >/dev/null
for version in 1 2 3; do
  lbw --json evaluate "aizoo/$version" --dataset masks --split val --against "aizoo/$((version == 1 ? 2 : 1))" >"$WORK/aizoo-$version.json"
done
close "float, area" "$(value "$WORK/aizoo-1.json" voc.map_50)" 0.896 0.005
close "float, eleven points" "$(value "$WORK/aizoo-1.json" voc.map_11)" 0.858 0.005
close "6 bits, projected, area" "$(value "$WORK/aizoo-2.json" voc.map_50)" 0.336 0.02
close "4 bits, projected, area" "$(value "$WORK/aizoo-3.json" voc.map_50)" 0.336 0.02
lbw evaluate aizoo/1 --dataset masks --plot "$WORK/pr.png" # the figures as a person sees them
[[ -s $WORK/pr.png ]] || fail "no plot"

echo "Two classifiers"
for depth in 20 56; do
  onnx=$(find "$data/weights_cifar_resnet" -name "*resnet*${depth}*.onnx" | head -n 1)
  lbw model create "resnet$depth" --onnx "$onnx" --spec "$root/server/model/examples/cifar_resnet.yaml" >/dev/null
  lbw --json evaluate "resnet$depth" --dataset cifar >"$WORK/resnet$depth.json"
done
close "ResNet-20, top-1" "$(value "$WORK/resnet20.json" classification.top1)" 0.803 0.0005
close "ResNet-56, top-1" "$(value "$WORK/resnet56.json" classification.top1)" 0.8375 0.0005

echo "Promotion"
if lbw model alias aizoo stable 3 --require dataset=masks,min=0.8 2>"$WORK/refused.txt"; then fail "4 projected bits were promoted"; fi
grep -q EVALUATION_FAILED "$WORK/refused.txt" || grep -q FAILED_PRECONDITION "$WORK/refused.txt" || fail "$(cat "$WORK/refused.txt")"
lbw model alias aizoo stable 1 --require dataset=masks,min=0.8
lbw model lineage aizoo
lbw job list
