#include "quant/grid.h"

namespace lbw::quant {

std::string_view Name(CodeBook book) { return book == CodeBook::kPaper ? "paper" : "full"; }

std::string_view Name(Granularity granularity) {
  return granularity == Granularity::kTensor ? "tensor" : "channel";
}

std::string_view Name(Scheme scheme) {
  switch (scheme) {
    case Scheme::kExact:
      return "exact";
    case Scheme::kThreshold:
      return "threshold";
    case Scheme::kUniform:
      return "uniform";
  }
  return "";
}

std::optional<CodeBook> CodeBookFromName(std::string_view name) {
  if (name == "paper") return CodeBook::kPaper;
  if (name == "full") return CodeBook::kFull;
  return std::nullopt;
}

std::optional<Granularity> GranularityFromName(std::string_view name) {
  if (name == "tensor") return Granularity::kTensor;
  if (name == "channel") return Granularity::kChannel;
  return std::nullopt;
}

std::optional<Scheme> SchemeFromName(std::string_view name) {
  for (const Scheme scheme : {Scheme::kExact, Scheme::kThreshold, Scheme::kUniform}) {
    if (name == Name(scheme)) return scheme;
  }
  return std::nullopt;
}

}  // namespace lbw::quant
