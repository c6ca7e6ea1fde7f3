// DescribeNode of lineage_rows.h.
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "registry/evaluation_rows.h"
#include "registry/lineage_rows.h"

namespace lbw::registry {
namespace {

using store::Row;
using store::Session;
using Kind = Resource::Kind;

std::string Size(int64_t bytes) {
  if (bytes < 1000) return base::StrCat(bytes, " bytes");
  const auto size = static_cast<double>(bytes);
  if (bytes < 100'000) return absl::StrFormat("%.1f kB", size / 1e3);
  if (bytes < 1'000'000'000) return absl::StrFormat("%.1f MB", size / 1e6);
  return absl::StrFormat("%.1f GB", size / 1e9);
}

// The text's beginning on one line, cut between characters.
std::string OneLine(std::string_view text) {
  constexpr size_t kMost = 160;
  std::string line = base::StrCat(base::CutUtf8(text, kMost), text.size() > kMost ? "..." : "");
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return line;
}

// A number of protojson: 64-bit ones are texts.
std::optional<int64_t> Number(const nlohmann::json& object, const char* field) {
  const auto found = object.is_object() ? object.find(field) : object.end();
  if (!object.is_object() || found == object.end()) return std::nullopt;
  if (found->is_number_integer()) return found->get<int64_t>();
  int64_t value = 0;
  if (found->is_string() && absl::SimpleAtoi(found->get_ref<const std::string&>(), &value))
    return value;
  return std::nullopt;
}

std::string Counted(int64_t count, std::string_view one, std::string_view many) {
  return base::StrCat(count, " ", count == 1 ? one : many);
}

absl::StatusOr<std::vector<Row>> ReadRow(Session& session, const Resource& resource) {
  switch (resource.kind) {
    case Kind::kArtifact:
      return session.Execute(
          "SELECT state, create_us, format, display_name, size_bytes FROM artifacts WHERE sha256 = "
          "$1 AND state = 'READY'",
          {resource.id});
    case Kind::kVersion:
      return session.Execute(
          "SELECT state, create_us, quantized, quantization_json, head_kind, bundle_bytes, error "
          "FROM versions WHERE model = $1 AND number = $2",
          {resource.model, resource.version});
    case Kind::kAlias:
      return session.Execute(
          "SELECT '', update_us, model, version FROM aliases WHERE model = $1 AND alias = $2",
          {resource.model, resource.id});
    case Kind::kDataset:
      return session.Execute(
          "SELECT state, create_us, summary_json, pack_bytes, error FROM datasets WHERE name = $1",
          {resource.id});
    case Kind::kJob:
      return session.Execute(
          "SELECT state, create_us, kind, step, total_steps, error_message FROM jobs WHERE id = $1",
          {resource.id});
    case Kind::kEvaluation:
      return session.Execute("SELECT " LBW_EVALUATION_FIGURES " FROM evaluations WHERE id = $1",
                             {resource.id});
    case Kind::kOther:
      break;
  }
  return std::vector<Row>();
}

std::string SummaryOfArtifact(const Row& row) {
  const std::string shown = row.Text(3).empty() ? "" : base::StrCat(OneLine(row.Text(3)), ", ");
  return base::StrCat(shown, row.Text(2), ", ", Size(row.Int(4)));
}

std::string SummaryOfVersion(const Row& row) {
  if (!row.Text(6).empty()) return OneLine(row.Text(6));
  std::string summary = "float";
  if (row.Int(2) != 0) {
    const std::optional<int64_t> bits =
        Number(nlohmann::json::parse(row.Text(3), nullptr, false), "bits");
    // Options without bits: every layer's width was searched for.
    summary = bits.value_or(0) > 0 ? Counted(*bits, "bit", "bits") : "mixed bits";
  }
  if (!row.Text(4).empty()) base::StrAppend(&summary, ", ", row.Text(4));
  if (row.Int(5) > 0) base::StrAppend(&summary, ", ", Size(row.Int(5)));
  return summary;
}

std::string SummaryOfDataset(const Row& row) {
  if (!row.Text(4).empty()) return OneLine(row.Text(4));
  const nlohmann::json found = nlohmann::json::parse(row.Text(2), nullptr, false);
  std::string summary;
  const auto append = [&summary](std::string_view text) {
    base::StrAppend(&summary, summary.empty() ? "" : ", ", text);
  };
  if (const auto pictures = Number(found, "pictures"))
    append(Counted(*pictures, "picture", "pictures"));
  if (found.is_object() && found.contains("classes") && found["classes"].is_array()) {
    append(Counted(static_cast<int64_t>(found["classes"].size()), "class", "classes"));
  }
  if (row.Int(3) > 0) append(Size(row.Int(3)));
  return summary;
}

std::string SummaryOfJob(const Row& row) {
  const std::string& kind = row.Text(2);
  if (row.Text(0) == "FAILED") return base::StrCat(kind, ": ", OneLine(row.Text(5)));
  if (row.Text(0) == "SUCCEEDED" || row.Int(4) == 0) return kind;
  return base::StrCat(kind, ", ", row.Int(3), " of ", row.Int(4));
}

std::string SummaryOfEvaluation(const Evaluation& evaluation) {
  std::string summary;
  const auto value = evaluation.metrics.find(evaluation.metric);
  if (value != evaluation.metrics.end())
    summary = base::StrCat(evaluation.metric, absl::StrFormat(" %.4f ", value->second));
  base::StrAppend(&summary, "on ", evaluation.dataset);
  if (!evaluation.split.empty()) base::StrAppend(&summary, " (", evaluation.split, ")");
  return summary;
}

void FillFrom(const Row& row, Kind kind, LineageNode& node) {
  if (kind == Kind::kEvaluation) {
    const Evaluation evaluation = ToEvaluation(row);
    node.create_time = evaluation.create_time;
    node.summary = SummaryOfEvaluation(evaluation);
    return;
  }
  node.state = row.Text(0);
  node.create_time = absl::FromUnixMicros(row.Int(1));
  if (kind == Kind::kArtifact) node.summary = SummaryOfArtifact(row);
  if (kind == Kind::kVersion) node.summary = SummaryOfVersion(row);
  if (kind == Kind::kAlias) node.summary = base::VersionName(row.Text(2), row.Int(3));
  if (kind == Kind::kDataset) node.summary = SummaryOfDataset(row);
  if (kind == Kind::kJob) node.summary = SummaryOfJob(row);
}

std::string_view NameOf(Kind kind) {
  switch (kind) {
    case Kind::kArtifact:
      return "artifact";
    case Kind::kVersion:
      return "version";
    case Kind::kAlias:
      return "alias";
    case Kind::kDataset:
      return "dataset";
    case Kind::kJob:
      return "job";
    case Kind::kEvaluation:
      return "evaluation";
    case Kind::kOther:
      break;
  }
  return "";
}

}  // namespace

absl::StatusOr<LineageNode> DescribeNode(Session& session, std::string_view name) {
  const Resource resource = ToResource(name);
  LineageNode node;
  node.name = std::string(name);
  node.kind = std::string(NameOf(resource.kind));
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows, ReadRow(session, resource));
  node.gone = rows.empty();
  if (!node.gone) FillFrom(rows.front(), resource.kind, node);
  return node;
}

}  // namespace lbw::registry
