// Sizes in pixels that layout and drawing of plots share.
#ifndef LBW_CLIENT_PLOT_STYLE_H_
#define LBW_CLIENT_PLOT_STYLE_H_

namespace lbw::client::plot {

inline constexpr double kMargin = 24.0;
inline constexpr double kTitleSize = 20.0;
inline constexpr double kSubtitleSize = 13.0;
inline constexpr double kPanelTitleSize = 15.0;
inline constexpr double kLabelSize = 13.0;
inline constexpr double kTickSize = 12.0;
inline constexpr double kLegendSize = 12.0;
inline constexpr double kLegendRow = 19.0;
inline constexpr double kLegendSample = 26.0;
inline constexpr double kGap = 8.0;
// The scale beside a heat map.
inline constexpr double kScaleWidth = 14.0;
// A heat map's names are left out where a row is lower than this.
inline constexpr double kMinNameRow = 11.0;
// Longer names are cut.
inline constexpr double kMaxNameWidth = 150.0;

}  // namespace lbw::client::plot

#endif  // LBW_CLIENT_PLOT_STYLE_H_
