#include "rpc/json.h"

#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/unknown_field_set.h"
#include "google/protobuf/util/json_util.h"

namespace lbw::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::UnknownFieldSet;

std::string Print(const Message& message, bool zero_values) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = zero_values;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  LBW_CHECK(status.ok());
  return text;
}

absl::Status RefuseFields(const UnknownFieldSet& unknown, std::string_view path) {
  if (unknown.empty()) return absl::OkStatus();
  constexpr int kMostNamed = 8;
  std::string numbers;
  for (int i = 0; i < unknown.field_count() && i < kMostNamed; ++i) {
    base::StrAppend(&numbers, i == 0 ? "" : ", ", unknown.field(i).number());
  }
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat(path, " has fields that this server does not know: numbers ",
                                  numbers, "; is the client newer than the server?"))
      .Field(path);
}

}  // namespace

std::string ToJson(const Message& message) { return Print(message, /*zero_values=*/false); }

std::string ToCanonicalJson(const Message& message) { return Print(message, /*zero_values=*/true); }

void MergeJson(std::string_view text, Message* out) {
  if (text.empty()) return;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  Message* const parsed = out->New();
  const auto status =
      google::protobuf::util::JsonStringToMessage({text.data(), text.size()}, parsed, options);
  if (status.ok()) {
    out->MergeFrom(*parsed);
  } else {
    base::LogError("stored_json_unreadable",
                   {{"message", out->GetTypeName()}, {"error", std::string(status.message())}});
  }
  delete parsed;
}

absl::Status RefuseUnknownFields(const Message& message, std::string_view path) {
  const Reflection& reflection = *message.GetReflection();
  LBW_RETURN_IF_ERROR(RefuseFields(reflection.GetUnknownFields(message), path));
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const std::string below = base::StrCat(path, ".", field->name());
    if (!field->is_repeated()) {
      LBW_RETURN_IF_ERROR(RefuseUnknownFields(reflection.GetMessage(message, field), below));
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      LBW_RETURN_IF_ERROR(RefuseUnknownFields(reflection.GetRepeatedMessage(message, field, i),
                                              base::StrCat(below, "[", i, "]")));
    }
  }
  return absl::OkStatus();
}

}  // namespace lbw::rpc
