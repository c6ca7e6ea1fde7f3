// lbw-quant-oracle: judges packed files by an independent brute force, and makes a checkpoint to
// try the server on.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "base/io.h"
#include "base/status.h"
#include "base/strings.h"
#include "tools/quant_oracle/check_packed.h"
#include "tools/quant_oracle/resnet50.h"

namespace lbw::oracle {
namespace {

class FileSink final : public base::ByteSink {
 public:
  explicit FileSink(const std::string& path) : path_(path), file_(path, std::ios::binary) {}
  absl::Status Append(absl::Span<const std::byte> data) override {
    file_.write(reinterpret_cast<const char*>(data.data()),
                static_cast<std::streamsize>(data.size()));
    return file_ ? absl::OkStatus() : Failed();
  }
  absl::Status Close() {
    file_.close();
    return file_ ? absl::OkStatus() : Failed();
  }

 private:
  absl::Status Failed() const { return absl::InternalError(base::StrCat("cannot write ", path_)); }
  const std::string path_;
  std::ofstream file_;
};

absl::Status Make(const std::string& path, uint64_t seed) {
  FileSink sink(path);
  LBW_RETURN_IF_ERROR(WriteResNet50(sink, seed));
  return sink.Close();
}

// true when every tensor is as it must be.
absl::StatusOr<bool> Check(const std::string& original, const std::string& packed,
                           const CheckOptions& options) {
  LBW_ASSIGN_OR_RETURN(const auto before, base::OpenFileReader(original));
  LBW_ASSIGN_OR_RETURN(const auto after, base::OpenFileReader(packed));
  LBW_ASSIGN_OR_RETURN(const auto checks, CheckPacked(*before, *after, options));
  std::printf("%-40s %-18s %9s %9s %14s %14s  %s\n", "tensor", "stored as", "exponents",
              "ambiguous", "error", "optimum", "verdict");
  int64_t failed = 0;
  int64_t exponents = 0;
  for (const TensorCheck& check : checks) {
    std::printf("%-40s %-18s %9lld %9lld %14.7e %14.7e  %s\n", check.name.c_str(),
                check.kind.c_str(), static_cast<long long>(check.exponents),
                static_cast<long long>(check.ambiguous), check.error, check.optimum,
                check.failure.empty() ? "ok" : check.failure.c_str());
    failed += check.failure.empty() ? 0 : 1;
    exponents += check.exponents;
  }
  std::printf("%zu tensors, %lld exponents or scales, %lld tensors failed\n", checks.size(),
              static_cast<long long>(exponents), static_cast<long long>(failed));
  return failed == 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Judges packed files by an independent brute force; makes a checkpoint to try.");
  app.require_subcommand(1);
  std::string original;
  std::string packed;
  std::string code_book;
  std::string granularity;
  std::string scheme = "exact";
  int bits = 0;
  CLI::App* check = app.add_subcommand(
      "check", "Every quantized tensor has the least error there is, the others are unchanged");
  check->add_option("ORIGINAL", original, "safetensors file with the float weights")->required();
  check->add_option("PACKED", packed, "packed file made from it")->required();
  check->add_option("--bits", bits, "the width that every tensor on a grid must have")
      ->check(CLI::Range(2, 6));
  check->add_option("--code-book", code_book, "the book that every one must have")
      ->check(CLI::IsMember({"paper", "full"}));
  check->add_option("--granularity", granularity, "what every one must have")
      ->check(CLI::IsMember({"tensor", "channel"}));
  check->add_option("--scheme", scheme, "threshold: the error may be above the optimum")
      ->check(CLI::IsMember({"exact", "threshold"}));
  uint64_t seed = 1;
  std::string out;
  CLI::App* make = app.add_subcommand(
      "make-resnet50", "Write a random checkpoint with ResNet-50's names and shapes");
  make->add_option("--seed", seed, "equal seeds give equal files")->capture_default_str();
  make->add_option("--out", out, "file to write")->required();
  CLI11_PARSE(app, argc, argv);

  const auto fail = [](const absl::Status& status) {
    std::cerr << absl::StatusCodeToString(status.code()) << ": " << status.message() << "\n";
    return 1;
  };
  if (make->parsed()) {
    const absl::Status status = Make(out, seed);
    return status.ok() ? 0 : fail(status);
  }
  CheckOptions options;
  if (bits != 0) options.bits = bits;
  options.code_book = quant::CodeBookFromName(code_book);
  options.granularity = quant::GranularityFromName(granularity);
  options.threshold = scheme == "threshold";
  const absl::StatusOr<bool> good = Check(original, packed, options);
  if (!good.ok()) return fail(good.status());
  return *good ? 0 : 1;
}

}  // namespace
}  // namespace lbw::oracle

int main(int argc, char** argv) { return lbw::oracle::Main(argc, argv); }
