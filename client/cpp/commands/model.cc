#include <CLI/CLI.hpp>

#include "client/cpp/commands/commands.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw model create face --onnx face.onnx --spec face.yaml
  lbw model create scenes --arch ssd_tiny --spec scenes.yaml
  lbw model quantize face --bits 4 --keep-float '*conv1.weight'
  lbw model quantize face --bits 4 --calibrate photos/
  lbw model compare face/2 --images photos/ --out worst.png
  lbw model get face
  lbw model alias face stable 2 --require dataset=faces,min=0.85
  lbw model lineage face/2
  lbw model export face@stable --format packed --out face.lbw4.safetensors
A model is NAME, NAME/VERSION or NAME@ALIAS. NAME alone means its alias 'stable', else its newest
float version.)";

}  // namespace

void AddModelCommands(CLI::App& app, Command& command) {
  auto* group = app.add_subcommand("model", "models: create, quantize, alias, lineage ...");
  group->require_subcommand(1);
  group->footer(kExamples);
  AddModelCreateCommand(*group, command);
  AddModelQuantizeCommand(*group, command);
  AddModelCompareCommand(*group, command);
  AddModelShowCommands(*group, command);
  AddModelAliasCommands(*group, command);
  AddModelEditCommands(*group, command);
  AddModelOriginCommands(*group, command);
  AddModelExportCommand(*group, command);
}

}  // namespace lbw::client
