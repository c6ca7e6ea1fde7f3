#include <tinyxml2.h>

#include <cmath>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/formats.h"

namespace lbw::dataset {
namespace {

base::Error Broken(std::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile, what);
}

std::string TextOf(const tinyxml2::XMLElement* parent, const char* name) {
  const tinyxml2::XMLElement* const element = parent->FirstChildElement(name);
  const char* const text = element == nullptr ? nullptr : element->GetText();
  return text == nullptr ? "" : std::string(absl::StripAsciiWhitespace(text));
}

// NaN where it is missing or no number: the check calls it by its name.
double NumberOf(const std::string& text, bool& has_floats) {
  double value = 0;
  if (text.empty() || !absl::SimpleAtod(text, &value)) return std::nan("");
  if (text.find_first_of(".eE") != std::string::npos) has_floats = true;
  return value;
}

int64_t SizeOf(const tinyxml2::XMLElement* size, const char* name) {
  int64_t value = 0;
  if (size == nullptr || !absl::SimpleAtoi(TextOf(size, name), &value) || value < 0) return 0;
  return value;
}

RawBox ReadObject(const tinyxml2::XMLElement* object) {
  RawBox box;
  box.class_name = TextOf(object, "name");
  const std::string difficult = TextOf(object, "difficult");
  if (!difficult.empty())
    box.difficult = difficult != "0" && absl::AsciiStrToLower(difficult) != "false";
  const tinyxml2::XMLElement* const bounds = object->FirstChildElement("bndbox");
  if (bounds == nullptr) {
    box.corners = {std::nan(""), std::nan(""), std::nan(""), std::nan("")};
    return box;
  }
  const std::array<const char*, 4> names = {"xmin", "ymin", "xmax", "ymax"};
  for (size_t i = 0; i < names.size(); ++i) {
    box.corners[i] = NumberOf(TextOf(bounds, names[i]), box.has_floats);
  }
  return box;
}

}  // namespace

absl::StatusOr<RawPicture> ParseVocXml(std::string_view text, int64_t max_boxes) {
  // tinyxml2 expands no entities of a document type; who sends one means no annotation.
  for (const std::string_view mark : {"<!DOCTYPE", "<!doctype", "<!ENTITY", "<!entity"}) {
    if (text.find(mark) != std::string_view::npos) {
      return base::Error(
          absl::StatusCode::kFailedPrecondition, base::reason::kBadFile,
          base::StrCat("annotations may not have a document type or entities (", mark, ")"));
    }
  }
  tinyxml2::XMLDocument document;
  if (document.Parse(text.data(), text.size()) != tinyxml2::XML_SUCCESS) {
    return Broken(base::StrCat("not well-formed: ", document.ErrorName(), " in line ",
                               document.ErrorLineNum()));
  }
  const tinyxml2::XMLElement* const root = document.FirstChildElement("annotation");
  if (root == nullptr) return Broken("no <annotation>");
  RawPicture picture;
  picture.wanted = TextOf(root, "filename");
  const tinyxml2::XMLElement* const size = root->FirstChildElement("size");
  picture.declared_width = SizeOf(size, "width");
  picture.declared_height = SizeOf(size, "height");
  for (const tinyxml2::XMLElement* object = root->FirstChildElement("object"); object != nullptr;
       object = object->NextSiblingElement("object")) {
    if (static_cast<int64_t>(picture.boxes.size()) >= max_boxes) {
      ++picture.boxes_not_kept;
    } else {
      picture.boxes.push_back(ReadObject(object));
    }
  }
  return picture;
}

}  // namespace lbw::dataset
