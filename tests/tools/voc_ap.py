#!/usr/bin/env python3
"""VOC average precision of a served detector, over `lbw detect --json`.

  voc_ap.py VOC_FOLDER LIST MODEL --labels HaveMask=mask,NoMask=no_mask [--lbw build/bin/lbw] [--server HOST:PORT] [--iou-nms 0.4]

Reads JPEGImages, Annotations and ImageSets/Main/LIST.txt; asks for boxes that score above 0.02; prints AP at IoU 0.5 for each class, area
under the interpolated curve and 11-point (M. Everingham et al., "The PASCAL VOC Challenge", IJCV 88, 2010, section 4.2), with the
development kit's inclusive pixels (+1).
"""
import argparse
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


def read_truth(path, labels):
    boxes = []
    for item in ElementTree.parse(path).getroot().iter("object"):
        label = labels.get(item.findtext("name", "").strip())
        box = item.find("bndbox")
        if label is None or box is None:
            continue
        corners = [float(box.findtext(key)) for key in ("xmin", "ymin", "xmax", "ymax")]
        boxes.append((label, corners, item.findtext("difficult", "0").strip() == "1"))
    return boxes


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    area = lambda box: (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
    return both / (area(a) + area(b) - both)


def match(detections, truths):
    """Precision and recall after each detection, best score first."""
    positives = sum(1 for boxes in truths.values() for _, difficult in boxes if not difficult)
    used = {image: [False] * len(boxes) for image, boxes in truths.items()}
    true = false = 0
    curve = []
    for _, image, box in sorted(detections, key=lambda d: -d[0]):
        best, index = max(((overlap(box, other), i) for i, (other, _) in enumerate(truths.get(image, []))), default=(0.0, -1))
        if best >= 0.5:
            if truths[image][index][1]:
                continue
            if used[image][index]:
                false += 1
            else:
                used[image][index] = True
                true += 1
        else:
            false += 1
        curve.append((true / max(positives, 1), true / (true + false)))
    return curve


def area_ap(curve):
    recall = [0.0] + [r for r, _ in curve] + [1.0]
    precision = [0.0] + [p for _, p in curve] + [0.0]
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    return sum((recall[i + 1] - recall[i]) * precision[i + 1] for i in range(len(recall) - 1))


def eleven_point_ap(curve):
    return sum(max((p for r, p in curve if r >= t / 10), default=0.0) for t in range(11)) / 11


def detect(arguments, images):
    command = [arguments.lbw]
    if arguments.server:
        command += ["--server", arguments.server]
    command += ["--json", "detect", arguments.model, "--score", "0.02", "--iou", str(arguments.iou_nms), *images]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["results"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("list")
    parser.add_argument("model")
    parser.add_argument("--labels", required=True)
    parser.add_argument("--lbw", default="build/bin/lbw")
    parser.add_argument("--server", default="")
    parser.add_argument("--iou-nms", type=float, default=0.4)
    arguments = parser.parse_args()
    labels = dict(pair.split("=") for pair in arguments.labels.split(","))
    with open(os.path.join(arguments.folder, "ImageSets", "Main", arguments.list + ".txt"), encoding="utf-8") as file:
        names = [line.split()[0] for line in file if line.strip()]
    results = detect(arguments, [os.path.join(arguments.folder, "JPEGImages", name + ".jpg") for name in names])
    truth = {name: read_truth(os.path.join(arguments.folder, "Annotations", name + ".xml"), labels) for name in names}
    areas, points = [], []
    for label in sorted(set(labels.values())):
        truths = {n: [(box, hard) for other, box, hard in boxes if other == label] for n, boxes in truth.items()}
        found = []
        for name, result in zip(names, results):
            if result.get("error"):
                sys.exit(f"{name}: {result['error']}")
            for item in result["detections"]:
                if item["label"] == label:
                    found.append((item["score"], name, [item["box"][k] for k in ("x_min", "y_min", "x_max", "y_max")]))
        curve = match(found, truths)
        areas.append(area_ap(curve))
        points.append(eleven_point_ap(curve))
        print(f"{label:<16} area {areas[-1]:.4f}   11-point {points[-1]:.4f}   boxes {len(found)}")
    print(f"{'mean':<16} area {sum(areas) / len(areas):.4f}   11-point {sum(points) / len(points):.4f}   pictures {len(names)}")


if __name__ == "__main__":
    main()
