#include <yaml-cpp/eventhandler.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>

#include "base/status.h"
#include "model/headless_spec.h"
#include "model/model.h"
#include "model/spec_node.h"
#include "model/spec_sections.h"

namespace lbw::model {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 20;
constexpr int kMaxJsonLevels = 64;

// Strings are left out; good for JSON, whose writer is recursive.
bool NestsDeeperThan(std::string_view json, int limit) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && (c == '[' || c == '{')) {
      if (++depth > limit) return true;
    } else if (!in_string && (c == ']' || c == '}')) {
      --depth;
    }
  }
  return false;
}

// JSON that YAML reads otherwise (tabs between tokens, surrogate pairs in escapes) is written anew.
// Throws nlohmann's exception where text is not UTF-8.
std::string ToYaml(std::string_view text) {
  std::string yaml(text);
  nlohmann::json(yaml).dump();
  if (yaml.find_first_of("\t\\") == std::string::npos || NestsDeeperThan(yaml, kMaxJsonLevels)) {
    return yaml;
  }
  const auto json = nlohmann::json::parse(yaml, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json.dump(1) : yaml;
}

// YAML::LoadAll would tell, but never ends on some texts ("{}]"): it collects empty documents.
class Ignore final : public YAML::EventHandler {
 public:
  using Mark = YAML::Mark;
  void OnDocumentStart(const Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const Mark&, YAML::anchor_t) override {}
  void OnAlias(const Mark&, YAML::anchor_t) override {}
  void OnScalar(const Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};
bool HasMoreThanOneDocument(const std::string& yaml) {
  std::istringstream stream(yaml);
  YAML::Parser parser(stream);
  Ignore ignore;
  return parser.HandleNextDocument(ignore) && parser.HandleNextDocument(ignore);
}

absl::StatusOr<ModelSpec> ParseTree(const YAML::Node& root) {
  LBW_ASSIGN_OR_RETURN(const SpecMap map,
                       SpecMap::Open(SpecNode(root, ""), {"input", "classes", "head"}));
  ModelSpec spec;
  LBW_ASSIGN_OR_RETURN(const SpecNode input, map.Get("input"));
  LBW_ASSIGN_OR_RETURN(spec.input, ParseInput(input, {}));
  LBW_ASSIGN_OR_RETURN(const SpecNode classes, map.Get("classes"));
  LBW_ASSIGN_OR_RETURN(spec.classes, ParseClasses(classes));
  LBW_ASSIGN_OR_RETURN(const SpecNode head, map.Get("head"));
  LBW_ASSIGN_OR_RETURN(spec.head, ParseHead(head));
  return spec;
}

// What the built-in architectures leave out: see headless_spec.h.
absl::StatusOr<ModelSpec> ParseHeadlessTree(const YAML::Node& root, const ModelSpec& defaults) {
  LBW_ASSIGN_OR_RETURN(const SpecMap map,
                       SpecMap::Open(SpecNode(root, ""), {"input", "classes", "head"}));
  ModelSpec spec = defaults;
  if (const SpecNode* input = map.Find("input")) {
    LBW_ASSIGN_OR_RETURN(spec.input, ParseInput(*input, defaults.input));
  }
  LBW_ASSIGN_OR_RETURN(const SpecNode classes, map.Get("classes"));
  LBW_ASSIGN_OR_RETURN(spec.classes, ParseClasses(classes));
  const SpecNode* head = map.Find("head");
  if (head == nullptr) return spec;
  const absl::StatusOr<SpecMap> parts = SpecMap::Open(*head, {"nms"});
  if (!parts.ok()) {
    return base::WithContext(parts.status(), "the architecture brings its own head");
  }
  if (const SpecNode* nms = parts->Find("nms")) {
    LBW_RETURN_IF_ERROR(ParseNms(*nms, spec.head.nms));
  }
  return spec;
}

// Reads one document and hands its tree on.
template <typename Parse>
absl::StatusOr<ModelSpec> ParseText(std::string_view text, const Parse& parse) {
  const auto bad = [](const std::string& message) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadSpec, message);
  };
  if (text.size() > kMaxTextBytes) {
    return bad(base::StrCat("the spec is larger than the limit: bytes=", text.size(),
                            " limit=", kMaxTextBytes));
  }
  try {
    const std::string yaml = ToYaml(text);
    const YAML::Node root = YAML::Load(yaml);
    if (HasMoreThanOneDocument(yaml)) {
      return bad("the spec must be one YAML document and nothing behind it");
    }
    return parse(root);
  } catch (const YAML::Exception& e) {
    return bad(base::StrCat("the spec is not YAML: line ", e.mark.line + 1, ": ", e.msg));
  } catch (const nlohmann::json::exception&) {
    return bad("the spec is not UTF-8 text");
  }
}

}  // namespace

absl::StatusOr<ModelSpec> ParseSpec(std::string_view text) { return ParseText(text, ParseTree); }

absl::StatusOr<ModelSpec> ParseHeadlessSpec(std::string_view text, const ModelSpec& defaults) {
  return ParseText(text, [&](const YAML::Node& root) { return ParseHeadlessTree(root, defaults); });
}

}  // namespace lbw::model
