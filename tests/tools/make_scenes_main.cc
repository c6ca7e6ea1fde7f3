// Writes synthetic scenes as a VOC folder.
//
//   lbw-make-scenes --out FOLDER [--train N] [--val N] [--seed S] [--width W] [--height H] ...
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "dataset/scenes.h"

int main(int argc, char** argv) {
  lbw::dataset::SceneOptions options;
  lbw::dataset::SceneSet set;
  std::string folder;
  CLI::App app(
      "Writes synthetic scenes (disc, square, triangle, ring, cross, star) as a VOC "
      "folder; the same for the same options and seed.");
  app.option_defaults()->always_capture_default();
  app.add_option("--out", folder, "A folder that is empty or not there")->required();
  app.add_option("--train", set.train, "Pictures in the split train");
  app.add_option("--val", set.val, "Pictures in the split val");
  app.add_option("--seed", set.seed, "Another seed, other scenes");
  app.add_option("--width", options.width, "Pixels");
  app.add_option("--height", options.height, "Pixels");
  app.add_option("--min-shapes", options.min_shapes, "In a picture");
  app.add_option("--max-shapes", options.max_shapes, "In a picture");
  app.add_option("--min-size", options.min_size, "Of a shape, over the picture's shorter side");
  app.add_option("--max-size", options.max_size, "Of a shape, over the picture's shorter side");
  app.add_option("--occlusion", options.max_occlusion, "At most this much of a shape is hidden");
  app.add_option("--noise", options.noise, "Standard deviation, in levels of 255");
  app.add_option("--clutter", options.clutter, "How much else lies around, 0..1");
  CLI11_PARSE(app, argc, argv);
  if (const absl::Status status = lbw::dataset::WriteScenes(folder, options, set); !status.ok()) {
    std::cerr << status << "\n";
    return 1;
  }
  std::cout << folder << ": " << set.train << " train, " << set.val << " val\n";
  return 0;
}
