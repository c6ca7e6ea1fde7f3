// A dataset to its index.
#include <charconv>
#include <cmath>
#include <type_traits>

#include "base/status.h"
#include "dataset/pack_index.h"
#include "dataset/pack_names.h"
#include "dataset/text.h"

namespace lbw::dataset {
namespace {

absl::Status Bad(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadDataset, message);
}

absl::Status CheckNames(std::string_view what, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (!IsUtf8(name)) return Bad(base::StrCat(what, " '", Shown(name), "' is not UTF-8"));
  }
  return absl::OkStatus();
}

bool IsIndex(int32_t index, const std::vector<std::string>& names) {
  return index >= 0 && static_cast<size_t>(index) < names.size();
}

absl::Status CheckAnnotation(const Annotation& annotation, const Dataset& dataset) {
  if (!IsIndex(annotation.class_index, dataset.classes)) {
    return Bad(base::StrCat("box of an unknown class: class=", annotation.class_index,
                            " classes=", dataset.classes.size()));
  }
  const detect::BoxXyxyPx& box = annotation.box;
  if (!std::isfinite(box.x_min) || !std::isfinite(box.y_min) || !std::isfinite(box.x_max) ||
      !std::isfinite(box.y_max) || !std::isfinite(annotation.area_px2.value_or(0))) {
    return Bad("box with a number that is not finite");
  }
  return absl::OkStatus();
}

absl::Status CheckPicture(const Picture& picture, const Dataset& dataset) {
  if (!IsUtf8(picture.name) || picture.name.empty()) return Bad("its name is empty or not UTF-8");
  if (picture.width < 1 || picture.height < 1 || picture.width > INT32_MAX ||
      picture.height > INT32_MAX) {
    return Bad(
        base::StrCat("a side out of range: width=", picture.width, " height=", picture.height));
  }
  int32_t before = -1;
  for (const int32_t split : picture.splits) {
    if (split <= before || !IsIndex(split, dataset.splits)) {
      return Bad(base::StrCat("splits not rising or unknown: split=", split,
                              " splits=", dataset.splits.size()));
    }
    before = split;
  }
  if (picture.label && !IsIndex(*picture.label, dataset.classes)) {
    return Bad(
        base::StrCat("unknown label: label=", *picture.label, " classes=", dataset.classes.size()));
  }
  for (const Annotation& annotation : picture.annotations) {
    LBW_RETURN_IF_ERROR(CheckAnnotation(annotation, dataset));
  }
  return absl::OkStatus();
}

// Appends JSON, until it became too large or the ticker ends it.
class Writer {
 public:
  explicit Writer(Ticker& ticker) : ticker_(ticker) {}
  void Raw(std::string_view text) { out_ += text; }
  void String(std::string_view text) {
    static constexpr char kDigits[] = "0123456789abcdef";
    out_ += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') {
        out_ += '\\';
        out_ += c;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        out_ += "\\u00";
        out_ += kDigits[static_cast<unsigned char>(c) >> 4];
        out_ += kDigits[c & 15];
      } else {
        out_ += c;
      }
    }
    out_ += '"';
  }
  template <typename T>
  void Number(T value) {
    if constexpr (std::is_floating_point_v<T>) {
      // An integer in JSON has no negative zero.
      if (value == 0 && std::signbit(value)) {
        out_ += "-0.0";
        return;
      }
    }
    char digits[40];
    const std::to_chars_result end = std::to_chars(digits, digits + sizeof(digits), value);
    out_.append(digits, end.ptr);
  }
  // ,"key":[value of every item]; append(item) writes it.
  template <typename Items, typename Append>
  void Column(std::string_view key, const Items& items, Append append) {
    Key(key);
    out_ += '[';
    bool first = true;
    for (const auto& item : items) {
      if (out_.size() > kMaxIndexBytes || !ticker_.Items().ok()) return;
      if (!first) out_ += ',';
      first = false;
      append(item);
    }
    out_ += ']';
  }
  // The same over all boxes.
  template <typename Append>
  void BoxColumn(std::string_view key, const Dataset& dataset, Append append) {
    Key(key);
    out_ += '[';
    bool first = true;
    for (const Picture& picture : dataset.pictures) {
      const bool goes_on = ticker_.Items(1 + picture.annotations.size()).ok();
      if (out_.size() > kMaxIndexBytes || !goes_on) return;
      for (const Annotation& annotation : picture.annotations) {
        if (!first) out_ += ',';
        first = false;
        append(annotation);
      }
    }
    out_ += ']';
  }
  void Key(std::string_view key) {
    out_ += ",\"";
    out_ += key;
    out_ += "\":";
  }
  std::string& out() { return out_; }

 private:
  Ticker& ticker_;
  std::string out_;
};

uint64_t MaskOf(const std::vector<int32_t>& splits) {
  uint64_t mask = 0;
  for (const int32_t split : splits) mask |= uint64_t{1} << split;
  return mask;
}

void WriteHead(const Dataset& dataset, Writer& out) {
  out.Raw("{\"v\":1");
  out.Key("task");
  out.String(kTaskNames[static_cast<size_t>(dataset.task)]);
  out.Key("format");
  out.String(kFormatNames[static_cast<size_t>(dataset.format)]);
  out.Key("pixel_rule");
  out.String(kPixelRuleNames[static_cast<size_t>(dataset.pixel_rule)]);
  const auto text = [&out](const std::string& name) { out.String(name); };
  out.Column("classes", dataset.classes, text);
  out.Column("splits", dataset.splits, text);
}

void WritePictures(const Dataset& dataset, Writer& out) {
  const std::vector<Picture>& pictures = dataset.pictures;
  out.Column("names", pictures, [&out](const Picture& p) { out.String(p.name); });
  out.Column("widths", pictures, [&out](const Picture& p) { out.Number(p.width); });
  out.Column("heights", pictures, [&out](const Picture& p) { out.Number(p.height); });
  out.Column("bytes", pictures, [&out](const Picture& p) { out.Number(p.size_bytes); });
  out.Column("in", pictures, [&out](const Picture& p) { out.Number(MaskOf(p.splits)); });
  out.Column("labels", pictures, [&out](const Picture& p) { out.Number(p.label.value_or(-1)); });
  out.Column("boxes", pictures, [&out](const Picture& p) { out.Number(p.annotations.size()); });
}

bool HasAreas(const Dataset& dataset) {
  for (const Picture& picture : dataset.pictures) {
    for (const Annotation& annotation : picture.annotations) {
      if (annotation.area_px2) return true;
    }
  }
  return false;
}

void WriteBoxes(const Dataset& dataset, Writer& out) {
  out.BoxColumn("x0", dataset, [&out](const Annotation& a) { out.Number(a.box.x_min); });
  out.BoxColumn("y0", dataset, [&out](const Annotation& a) { out.Number(a.box.y_min); });
  out.BoxColumn("x1", dataset, [&out](const Annotation& a) { out.Number(a.box.x_max); });
  out.BoxColumn("y1", dataset, [&out](const Annotation& a) { out.Number(a.box.y_max); });
  out.BoxColumn("class", dataset, [&out](const Annotation& a) { out.Number(a.class_index); });
  out.BoxColumn("flags", dataset, [&out](const Annotation& a) {
    out.Number((a.difficult ? 1 : 0) + (a.crowd ? 2 : 0));
  });
  if (!HasAreas(dataset)) {
    out.Key("areas");
    out.Raw("[]");
    return;
  }
  out.BoxColumn("areas", dataset, [&out](const Annotation& a) {
    if (a.area_px2) {
      out.Number(*a.area_px2);
    } else {
      out.Raw("null");
    }
  });
}

}  // namespace

absl::Status ValidateDataset(const Dataset& dataset, Ticker& ticker) {
  LBW_RETURN_IF_ERROR(CheckNames("class", dataset.classes));
  LBW_RETURN_IF_ERROR(CheckNames("split", dataset.splits));
  if (dataset.splits.empty() || dataset.splits.size() > kMaxPackSplits) {
    return Bad(base::StrCat("a pack holds 1..", kMaxPackSplits,
                            " splits: splits=", dataset.splits.size()));
  }
  const std::string* before = nullptr;
  for (const Picture& picture : dataset.pictures) {
    LBW_RETURN_IF_ERROR(ticker.Items(1 + picture.annotations.size()));
    if (const absl::Status status = CheckPicture(picture, dataset); !status.ok()) {
      return base::WithContext(status, base::StrCat("picture '", Shown(picture.name), "'"));
    }
    if (before != nullptr && *before >= picture.name) {
      return Bad(base::StrCat("pictures are not in the order of unique names: '", Shown(*before),
                              "' before '", Shown(picture.name), "'"));
    }
    before = &picture.name;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> EncodeIndex(const Dataset& dataset, Ticker& ticker) {
  LBW_RETURN_IF_ERROR(ValidateDataset(dataset, ticker));
  Writer out(ticker);
  WriteHead(dataset, out);
  WritePictures(dataset, out);
  WriteBoxes(dataset, out);
  out.Raw("}");
  LBW_RETURN_IF_ERROR(ticker.status());
  if (out.out().size() > kMaxIndexBytes) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("the index of the dataset is larger than the limit: pictures=",
                                    dataset.pictures.size(), " limit=", kMaxIndexBytes, " bytes"));
  }
  return std::move(out.out());
}

}  // namespace lbw::dataset
