#include "jobs/runner.h"

#include <array>
#include <utility>

#include "absl/strings/cord.h"
#include "base/status.h"

namespace lbw::jobs {
namespace {

constexpr char kPayload[] = "lbw.jobs/obeyed";
constexpr std::array<std::pair<JobLink::Order, std::string_view>, 3> kOrders = {
    {{JobLink::Order::kPause, "pause"},
     {JobLink::Order::kStop, "stop"},
     {JobLink::Order::kCancel, "cancel"}}};

}  // namespace

absl::Status ObeyedStatus(JobLink::Order order) {
  for (const auto& [known, name] : kOrders) {
    if (known != order) continue;
    absl::Status status = base::Error(absl::StatusCode::kCancelled, base::reason::kCancelled,
                                      base::StrCat("the job obeyed its worker: ", name));
    status.SetPayload(kPayload, absl::Cord(base::Absl(name)));
    return status;
  }
  // kGoOn and kCheckpoint end nothing.
  base::CheckFailed("an order that ends a job", __FILE__, __LINE__);
}

std::optional<JobLink::Order> ObeyedOrder(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  if (!payload) return std::nullopt;
  for (const auto& [order, name] : kOrders) {
    if (*payload == base::Absl(name)) return order;
  }
  return std::nullopt;
}

}  // namespace lbw::jobs
