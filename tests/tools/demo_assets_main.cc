// Writes what the demo works on: the disc detector as ONNX with its spec, scenes as PNG, and the
// truth as JSON.
//
//   lbw-demo-assets DIR [SCENES] [SIZE] [SEED]
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "base/strings.h"
#include "detect/image/image.h"
#include "support/disc_detector.h"
#include "support/disc_scene.h"

namespace {

namespace fs = std::filesystem;

bool WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) std::cerr << "cannot write " << path << "\n";
  return static_cast<bool>(out);
}

std::string TruthOf(const std::string& name, const lbw::testing::DiscScene& scene) {
  static constexpr const char* kLabels[] = {"red", "green", "blue"};
  std::string text = lbw::base::StrCat("  {\"image\": \"", name, "\", \"boxes\": [");
  for (size_t i = 0; i < scene.discs.size(); ++i) {
    const lbw::testing::Disc& disc = scene.discs[i];
    lbw::base::StrAppend(&text, i == 0 ? "" : ", ", "{\"label\": \"", kLabels[disc.class_index],
                         "\", \"box\": [", disc.cx - disc.radius, ", ", disc.cy - disc.radius, ", ",
                         disc.cx + disc.radius, ", ", disc.cy + disc.radius, "]}");
  }
  return text + "]}";
}

bool WriteScenes(const fs::path& folder, int scenes, int size, uint64_t seed) {
  std::string truth = "[\n";
  for (int i = 0; i < scenes; ++i) {
    lbw::testing::DiscScene scene =
        lbw::testing::DrawDiscScene(seed + static_cast<uint64_t>(i), size);
    const std::string name = lbw::base::StrCat("scene_", i < 9 ? "0" : "", i + 1, ".png");
    truth += TruthOf(name, scene) + (i + 1 < scenes ? ",\n" : "\n");
    lbw::detect::Image image;
    image.width = scene.width;
    image.height = scene.height;
    image.rgb = std::move(scene.rgb);
    const auto png = lbw::detect::EncodeImage(image, lbw::detect::ImageFormat::kPng);
    if (!png.ok()) {
      std::cerr << png.status() << "\n";
      return false;
    }
    if (!WriteFile(folder / "scenes" / name, *png)) return false;
  }
  return WriteFile(folder / "truth.json", truth + "]\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: lbw-demo-assets DIR [SCENES] [SIZE] [SEED]\n";
    return 2;
  }
  const fs::path folder = argv[1];
  const int scenes = argc > 2 ? std::atoi(argv[2]) : 12;
  const int size = argc > 3 ? std::atoi(argv[3]) : 480;
  const uint64_t seed = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 1;
  std::error_code error;
  fs::create_directories(folder / "scenes", error);
  if (error || scenes < 1 || scenes > 1000 || size < 160 || size > 4096) {
    std::cerr << "bad arguments: scenes 1..1000, size 160..4096, a folder that can be written\n";
    return 2;
  }
  const bool ok = WriteFile(folder / "discs.onnx",
                            lbw::testing::DiscDetectorOnnx(lbw::testing::DiscDetectorWeights())) &&
                  WriteFile(folder / "discs.yaml", lbw::testing::DiscDetectorSpec()) &&
                  WriteScenes(folder, scenes, size, seed);
  return ok ? 0 : 1;
}
