// A calibration's report and a comparison as a server would answer them.
#ifndef LBW_TESTS_UNIT_CLIENT_MAKE_CALIBRATION_H_
#define LBW_TESTS_UNIT_CLIENT_MAKE_CALIBRATION_H_

#include <string>

#include "lbw/v1/calibration.pb.h"

namespace lbw::client {

inline void AddMeasurement(const std::string& what, double value, v1::CalibrationReport& report) {
  v1::Measurement& one = *report.add_measurements();
  one.set_what(what);
  one.set_value(value);
  one.mutable_interval()->set_low(value - 0.02);
  one.mutable_interval()->set_high(value + 0.02);
  one.mutable_interval()->set_level(0.95);
  one.set_agreement(0.9731);
  one.set_pictures(75);
}

// Nine layers "conv0" .. "conv8"; the third has the largest share of the error.
inline v1::CalibrationReport MakeCalibration() {
  v1::CalibrationReport report;
  report.set_dataset("datasets/faces");
  report.set_split("train");
  report.set_seed(7);
  report.set_pictures(64);
  report.set_metric("map_50");
  report.set_measured_dataset("datasets/faces");
  report.set_measured_split("val");
  for (int i = 0; i < 9; ++i) {
    v1::CalibratedLayer& layer = *report.add_layers();
    layer.set_name("conv" + std::to_string(i));
    layer.set_bits(4);
    layer.set_rows(32);
    layer.set_scale(v1::SCALE_KIND_POW2);
    layer.set_nearest_output_sqnr_db(10.0 + i);
    layer.set_output_sqnr_db(20.0 + i);
    layer.set_error_share(i == 2 ? 0.6 : 0.05);
    layer.set_bias_in(v1::BIAS_PLACE_BIAS);
  }
  report.mutable_layers(1)->set_dead_rows(3);
  report.mutable_layers(8)->set_plain("constant inputs");
  report.mutable_layers(8)->clear_output_sqnr_db();
  AddMeasurement("float", 0.8957, report);
  AddMeasurement("nearest", 0.5012, report);
  AddMeasurement("calibrated", 0.8912, report);
  report.mutable_measurements(2)->set_drop(0.0045);
  report.mutable_measurements(2)->mutable_drop_interval()->set_low(-0.011);
  report.mutable_measurements(2)->mutable_drop_interval()->set_high(0.019);
  report.mutable_timings()->set_total_s(28.5);
  report.mutable_timings()->set_peak_memory_bytes(uint64_t{512} << 20);
  report.mutable_timings()->set_threads(2);
  return report;
}

inline void AddPlan(v1::CalibrationReport& report) {
  v1::WidthPlan& plan = *report.mutable_plan();
  plan.set_budget_bytes(300 << 10);
  plan.set_bytes(290'000);
  plan.set_predicted_error(0.012);
  plan.set_measured_error(0.011);
  plan.set_verdict("75 pictures cannot prove 0.005");
  for (const int bits : {2, 4, 6}) {
    v1::WidthCurvePoint& point = *plan.add_curve();
    point.set_what("uniform " + std::to_string(bits));
    point.set_bytes(static_cast<uint64_t>(bits) * 80'000);
    point.set_predicted_error(0.1 / bits);
    point.set_value(0.8 + 0.01 * bits);
  }
  v1::WidthCurvePoint& point = *plan.add_curve();
  point.set_what("plan 290000");
  point.set_bytes(290'000);
  point.set_predicted_error(0.012);
  point.set_measured_error(0.011);
  point.set_value(0.889);
  point.set_chosen(true);
}

inline v1::QuantizationResult MakeQuantization() {
  v1::QuantizationResult result;
  result.set_version("models/face/versions/3");
  *result.mutable_calibration() = MakeCalibration();
  return result;
}

inline v1::ComparedPicture& AddPicture(const std::string& name, uint32_t only_version,
                                       v1::Comparison& comparison) {
  v1::ComparedPicture& picture = *comparison.add_compared();
  picture.set_name(name);
  picture.set_matched(3);
  picture.set_only_version(only_version);
  picture.set_mean_iou(0.9);
  return picture;
}

inline v1::Comparison MakeComparison() {
  v1::Comparison comparison;
  comparison.set_version("models/face/versions/2");
  comparison.set_reference("models/face/versions/1");
  comparison.set_dataset("datasets/face-pictures-01234567");
  comparison.set_pictures(4);
  for (int i = 0; i < 6; ++i) {
    v1::ComparedValue& value = *comparison.add_values();
    value.set_value("v" + std::to_string(i));
    value.set_node("node" + std::to_string(i));
    if (i < 5) value.set_weight("w" + std::to_string(i));
    value.set_sqnr_db(30.0 - i);
    value.set_cosine(0.999);
    value.set_max_abs_difference(0.25);
  }
  comparison.mutable_agreement()->set_map_50(0.9731);
  AddPicture("good.jpg", 0, comparison);
  AddPicture("bad.jpg", 2, comparison);
  AddPicture("broken.jpg", 0, comparison).set_error("cut short");
  AddPicture("shifted.jpg", 0, comparison).set_mean_iou(0.6);
  return comparison;
}

}  // namespace lbw::client

#endif  // LBW_TESTS_UNIT_CLIENT_MAKE_CALIBRATION_H_
