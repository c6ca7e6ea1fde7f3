#include "client/cpp/message_file.h"

#include <yaml-cpp/yaml.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/format.h"
#include "google/protobuf/descriptor.h"

namespace lbw::client {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr size_t kMaxBytes = 1 << 20;
constexpr int kMaxDepth = 16;

base::Error BadSpec(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadSpec, message);
}

std::string Place(std::string_view source, const YAML::Mark& mark, std::string_view key) {
  std::string place = base::StrCat(source, ":", mark.line + 1);
  if (!key.empty()) base::StrAppend(&place, ": ", Printable(key));
  return place;
}

std::string FieldNames(const Message& message) {
  std::vector<std::string> names;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    names.push_back(message.GetDescriptor()->field(i)->name());
  }
  return absl::StrJoin(names, ", ");
}

// "COSINE" of RATE_SCHEDULE_COSINE: behind what all values begin with, as the first shows.
std::string LastWords(const EnumValueDescriptor& value) {
  constexpr std::string_view kNone = "UNSPECIFIED";
  const std::string& first = value.type()->value(0)->name();
  const size_t prefix = first.size() > kNone.size() ? first.size() - kNone.size() : 0;
  return value.name().size() > prefix ? value.name().substr(prefix) : value.name();
}

const EnumValueDescriptor* FindWord(const EnumDescriptor& type, const std::string& text) {
  const std::string wanted = absl::AsciiStrToUpper(text);
  for (int i = 1; i < type.value_count(); ++i) {
    const EnumValueDescriptor& value = *type.value(i);
    if (value.name() == text || LastWords(value) == wanted) return &value;
  }
  return nullptr;
}

std::string WordsOf(const EnumDescriptor& type) {
  std::vector<std::string> words;
  for (int i = 1; i < type.value_count(); ++i) {
    words.push_back(absl::AsciiStrToLower(LastWords(*type.value(i))));
  }
  return absl::StrJoin(words, ", ");
}

// The file as messages, from the root down.
class Reader {
 public:
  explicit Reader(std::string_view source) : source_(source) {}

  absl::Status Fill(const YAML::Node& node, int depth, Message& message) {
    if (depth > kMaxDepth) return BadSpec(base::StrCat(source_, ": is nested too deep"));
    if (node.IsNull()) return absl::OkStatus();
    if (!node.IsMap()) {
      return BadSpec(base::StrCat(Place(source_, node.Mark(), ""),
                                  ": must be a map; its keys are: ", FieldNames(message)));
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "?";
      const std::string what = Place(source_, entry.first.Mark(), key);
      if (!seen.insert(key).second) return BadSpec(base::StrCat(what, " is given twice"));
      const FieldDescriptor* const field = message.GetDescriptor()->FindFieldByName(key);
      if (field == nullptr) {
        return BadSpec(
            base::StrCat(what, " is not known here; the keys are: ", FieldNames(message)));
      }
      LBW_RETURN_IF_ERROR(SetField(entry.second, what, *field, depth, message));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status SetField(const YAML::Node& node, const std::string& what,
                        const FieldDescriptor& field, int depth, Message& message) {
    if (node.IsNull()) return absl::OkStatus();
    if (field.is_map()) return BadSpec(base::StrCat(what, " cannot be given in a file"));
    if (!field.is_repeated()) return SetOne(node, what, field, depth, message);
    message.GetReflection()->ClearField(&message, &field);
    if (!node.IsSequence()) return SetOne(node, what, field, depth, message);
    for (const YAML::Node& element : node) {
      LBW_RETURN_IF_ERROR(SetOne(element, what, field, depth, message));
    }
    return absl::OkStatus();
  }

  // Sets the field, or adds to it where it is a list.
  absl::Status SetOne(const YAML::Node& node, const std::string& what, const FieldDescriptor& field,
                      int depth, Message& message) {
    const google::protobuf::Reflection& access = *message.GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Message* const inner = field.is_repeated() ? access.AddMessage(&message, &field)
                                                 : access.MutableMessage(&message, &field);
      return Fill(node, depth + 1, *inner);
    }
    if (!node.IsScalar()) return BadSpec(base::StrCat(what, " must be a single value"));
    const std::string& text = node.Scalar();
    const auto put = [&](auto set, auto add, auto value) {
      field.is_repeated() ? (access.*add)(&message, &field, value)
                          : (access.*set)(&message, &field, value);
      return absl::OkStatus();
    };
    using R = google::protobuf::Reflection;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return put(&R::SetString, &R::AddString, text);
      case FieldDescriptor::CPPTYPE_BOOL: {
        bool value = false;
        if (!YAML::convert<bool>::decode(node, value)) return Wrong(what, "true or false", text);
        return put(&R::SetBool, &R::AddBool, value);
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        double value = 0;
        if (!absl::SimpleAtod(text, &value)) return Wrong(what, "a number", text);
        return put(&R::SetDouble, &R::AddDouble, value);
      }
      case FieldDescriptor::CPPTYPE_FLOAT: {
        float value = 0;
        if (!absl::SimpleAtof(text, &value)) return Wrong(what, "a number", text);
        return put(&R::SetFloat, &R::AddFloat, value);
      }
      case FieldDescriptor::CPPTYPE_UINT32: {
        uint32_t value = 0;
        if (!absl::SimpleAtoi(text, &value)) return Wrong(what, "a whole number from 0", text);
        return put(&R::SetUInt32, &R::AddUInt32, value);
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        uint64_t value = 0;
        if (!absl::SimpleAtoi(text, &value)) return Wrong(what, "a whole number from 0", text);
        return put(&R::SetUInt64, &R::AddUInt64, value);
      }
      case FieldDescriptor::CPPTYPE_INT32: {
        int32_t value = 0;
        if (!absl::SimpleAtoi(text, &value)) return Wrong(what, "a whole number", text);
        return put(&R::SetInt32, &R::AddInt32, value);
      }
      case FieldDescriptor::CPPTYPE_ENUM: {
        const EnumValueDescriptor* const value = FindWord(*field.enum_type(), text);
        if (value == nullptr) return Wrong(what, "one of " + WordsOf(*field.enum_type()), text);
        return put(&R::SetEnum, &R::AddEnum, value);
      }
      default:
        return BadSpec(base::StrCat(what, " cannot be given in a file"));
    }
  }

  static absl::Status Wrong(const std::string& what, std::string_view expected,
                            const std::string& text) {
    return BadSpec(base::StrCat(what, " must be ", expected, ": '", Printable(text), "'"));
  }

  const std::string source_;
};

}  // namespace

absl::Status ReadMessage(std::string_view text, std::string_view source, Message& message) {
  if (text.size() > kMaxBytes) {
    return BadSpec(
        base::StrCat(source, ": is too long: bytes=", text.size(), " limit=", kMaxBytes));
  }
  try {
    return Reader(source).Fill(YAML::Load(std::string(text)), 0, message);
  } catch (const YAML::Exception& error) {
    return BadSpec(
        base::StrCat(Place(source, error.mark, ""), ": is not YAML: ", Printable(error.msg)));
  }
}

}  // namespace lbw::client
