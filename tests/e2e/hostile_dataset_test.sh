#!/usr/bin/env bash
# Archives and annotations that mean harm: each is refused with an error that names what is wrong, nothing is written outside the
# data folder, and the server goes on.
#
#   hostile_dataset_test.sh [BIN [ZEROS_MIB]]      default build/bin, an archive of 1536 MiB of zeros
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
BIN=${1:-$root/build/bin}
zeros=${2:-1536}
# shellcheck source=tests/e2e/lib.sh
source "$root/tests/e2e/lib.sh"
lbw() { "$BIN/lbw" "$@"; }
mkdir "$WORK/in"
python3 - "$WORK/in" "$zeros" <<'PYTHON'
import gzip, io, json, struct, sys, tarfile, zipfile, zlib
folder, zeros = sys.argv[1], int(sys.argv[2])

def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(range(96)) for _ in range(32))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

XML = "<annotation><object><name>cat</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>20</xmax><ymax>22</ymax></bndbox></object></annotation>"
GOOD = {"JPEGImages/a.png": png(), "Annotations/a.xml": XML.encode()}

def make_zip(name, files):
    with zipfile.ZipFile(f"{folder}/{name}", "w") as out:
        for path, data in files.items():
            out.writestr(path, data)

def make_tar(name, entries):
    with tarfile.open(f"{folder}/{name}", "w") as out:
        for path, data in GOOD.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
        for info in entries:
            out.addfile(info)

def link(path, target, kind):
    info = tarfile.TarInfo(path)
    info.type, info.linkname = kind, target
    return info

make_zip("good.zip", GOOD)
make_zip("dotdot.zip", {**GOOD, "../../outside.png": png()})
make_zip("absolute.zip", {**GOOD, "/tmp/lbw-outside.png": png()})
make_zip("backslash.zip", {**GOOD, "JPEGImages\\..\\..\\b.png": png()})
make_tar("symlink.tar", [link("JPEGImages/b.png", "/etc/passwd", tarfile.SYMTYPE)])
make_tar("hardlink.tar", [link("JPEGImages/b.png", "JPEGImages/a.png", tarfile.LNKTYPE)])
make_tar("device.tar", [link("JPEGImages/b.png", "", tarfile.CHRTYPE)])
whole = open(f"{folder}/good.zip", "rb").read()
open(f"{folder}/cut.zip", "wb").write(whole[:len(whole) // 2])
open(f"{folder}/noise.zip", "wb").write(bytes((i * 73 + 11) % 251 for i in range(5000)))
bomb = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
    f"<!ENTITY {chr(98 + i)} '{(f'&{chr(97 + i)};') * 10}'>" for i in range(9)) + "]><annotation><object><name>&j;</name></object></annotation>"
make_zip("entities.zip", {**GOOD, "Annotations/a.xml": bomb.encode()})
make_zip("nothing.zip", {"readme.txt": b"no pictures here"})
make_zip("missing.zip", {"Annotations/a.xml": XML.encode()})
coco = {"images": [{"id": 1, "file_name": "a.png", "width": 32, "height": 32}], "categories": [{"id": 7, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 99, "category_id": 7, "bbox": [1, 1, 5, 5]},
                        {"id": 2, "image_id": 1, "category_id": 5, "bbox": [1, 1, 5, 5]},
                        {"id": 3, "image_id": 1, "category_id": 7, "bbox": [1, 1, 9, 9]}]}
make_zip("pointers.zip", {"images/a.png": png(), "annotations.json": json.dumps(coco).encode()})
# Some hundred kilobytes that are 15 million boxes, and a name of 40 MB.
def squeezed(name, text):
    with zipfile.ZipFile(f"{folder}/{name}", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("images/a.png", png())
        out.writestr("annotations.json", text)
squeezed("manyboxes.zip", '{"images":[{"id":1,"file_name":"a.png"}],"annotations":[' + '{"area":1},' * 15_000_000 + "{}]}")
squeezed("longname.zip", '{"images":[{"id":1,"file_name":"' + "a" * 40_000_000 + '"}]}')
make_zip("brokencoco.zip", {"images/a.png": png(), "annotations.json": json.dumps(coco).encode()[:-40]})
with gzip.open(f"{folder}/zeros.tar.gz", "wb", compresslevel=1) as out:
    info = tarfile.TarInfo("JPEGImages/zeros.png")
    info.size = zeros << 20
    out.write(info.tobuf())
    block = bytes(1 << 20)
    for _ in range(zeros):
        out.write(block)
    out.write(bytes(1024))
PYTHON

start_server "$WORK/data"
# refused NAME ARCHIVE PATTERN: the dataset is refused with a message that has the pattern.
refused() {
  local out=$WORK/out.txt
  if lbw dataset create "$1" "$WORK/in/$2" >"$out" 2>&1; then cat "$out" >&2; fail "$2 was taken"; fi
  grep -Eq "$3" "$out" || { cat "$out" >&2; fail "the error of $2 does not say $3"; }
  printf '   %-16s %s\n' "$2" "$(grep -E '^[A-Z_]+: ' "$out" | tail -n 1 | cut -c1-150)"
}
refused dotdot dotdot.zip '\.\.'
refused absolute absolute.zip 'absolute|/tmp/lbw-outside'
refused backslash backslash.zip 'backslash|\.\.'
refused symlink symlink.tar 'link'
refused hardlink hardlink.tar 'link'
refused device device.tar 'device|not a (regular )?file'
refused cut cut.zip 'INVALID_ARGUMENT'
refused noise noise.zip 'INVALID_ARGUMENT'
refused entities entities.zip 'DOCTYPE|document type|entit'
refused nothing nothing.zip 'INVALID_ARGUMENT'
refused missing missing.zip 'picture_missing|no usable'
refused brokencoco brokencoco.zip 'annotations.json'
refused manyboxes manyboxes.zip 'annotations.json.*limit='
refused longname longname.zip 'annotations.json.*limit='
refused zeros zeros.tar.gz 'zeros.png|expan|bomb|limit'
[[ ! -e /tmp/lbw-outside.png ]] || fail "an archive wrote to /tmp"
lbw dataset create pointers "$WORK/in/pointers.zip" >"$WORK/pointers.txt"
grep -q unknown_id "$WORK/pointers.txt" || { cat "$WORK/pointers.txt" >&2; fail "ids that point nowhere are not named"; }
lbw dataset create good "$WORK/in/good.zip"
kill -0 "$SERVER_PID" || fail "the server is gone"

echo "Jobs that cannot be"
"$BIN/lbw-demo-assets" "$WORK/discs" 2 320 7 >/dev/null
lbw model create discs --onnx "$WORK/discs/discs.onnx" --spec "$WORK/discs/discs.yaml" >/dev/null
expect() { # PATTERN COMMAND...
  local pattern=$1
  shift
  if "$@" >"$WORK/out.txt" 2>&1; then cat "$WORK/out.txt" >&2; fail "$* was taken"; fi
  grep -Eq "$pattern" "$WORK/out.txt" || { cat "$WORK/out.txt" >&2; fail "the error of $* does not say $pattern"; }
  printf '   %s\n' "$(tail -n 1 "$WORK/out.txt" | cut -c1-170)"
}
expect 'NOT_FOUND.*nowhere' lbw evaluate discs --dataset nowhere
expect 'score_threshold' lbw evaluate discs --dataset good --score 1.5
expect 'split' lbw evaluate discs --dataset good --split nosuch
expect 'FAILED_PRECONDITION.*(cat|classes)' lbw evaluate discs --dataset good
lbw dataset delete good --force
expect 'NOT_FOUND' lbw evaluate discs --dataset good
lbw status
