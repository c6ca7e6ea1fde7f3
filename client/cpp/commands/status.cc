#include <CLI/CLI.hpp>
#include <ostream>

#include "base/clock.h"
#include "base/strings.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/table.h"
#include "lbw/v1/server.grpc.pb.h"

namespace lbw::client {
namespace {

void PrintServer(Session& session, const v1::ServerStatus& status, const std::string& server) {
  const absl::Duration up =
      base::RealClock().Now() - absl::FromUnixSeconds(status.start_time().seconds());
  Table table({{""}, {""}});
  table.AddRow(
      {"server", base::StrCat(server, ", version ", status.version(), ", ", status.state())});
  table.AddRow({"up", base::StrCat(HumanDuration(up), ", since ", TimeCell(status.start_time()))});
  for (const v1::Device& device : status.devices()) {
    table.AddRow({"device", base::StrCat(device.name(), ", ", Count(device.threads(), "thread"),
                                         ", ", device.detail())});
  }
  table.AddRow({"store", base::StrCat(Count(status.models(), "model"), ", ",
                                      Count(status.datasets(), "dataset"), ", ",
                                      Count(status.artifacts(), "artifact"), ", ",
                                      HumanBytes(status.stored_bytes()), ", ",
                                      Count(status.unfinished_uploads(), "unfinished upload"))});
  table.AddRow(
      {"loaded", base::StrCat(Count(static_cast<uint64_t>(status.loaded_size()), "version"), ", ",
                              HumanBytes(status.loaded_bytes()), " of ",
                              HumanBytes(status.loaded_bytes_limit()))});
  session.out() << table.Render();
}

void PrintLoaded(Session& session, const v1::ServerStatus& status) {
  if (status.loaded_size() == 0) return;
  Table table({{"version"},
               {"size", Align::kRight},
               {"queue", Align::kRight},
               {"pictures", Align::kRight},
               {"last used"}});
  for (const v1::LoadedVersion& loaded : status.loaded()) {
    table.AddRow({ShortName(loaded.version()), HumanBytes(loaded.bytes()),
                  base::StrCat(loaded.queue_length(), " of ", loaded.queue_limit()),
                  base::StrCat(loaded.pictures()), TimeCell(loaded.last_used_time())});
  }
  session.out() << "\n" << table.Render();
}

void PrintJobs(Session& session, const v1::ServerStatus& status) {
  if (status.jobs_size() > 0) {
    Table table({{"jobs"}, {"state"}, {"count", Align::kRight}});
    for (const v1::JobCount& count : status.jobs()) {
      table.AddRow({count.kind(), count.state(), Grouped(count.count())});
    }
    session.out() << "\n" << table.Render();
  }
  if (status.workers_size() == 0) return;
  Table table({{"worker"}, {"host"}, {"pid", Align::kRight}, {"device"}, {"last seen"}, {"job"}});
  for (const v1::Worker& worker : status.workers()) {
    std::string work = worker.job().empty() ? "idle" : ShortName(worker.job());
    if (!worker.alive()) work = worker.job().empty() ? "gone" : "gone, had " + work;
    table.AddRow({worker.id(), worker.host(), base::StrCat(worker.pid()),
                  worker.device().empty() ? "-" : worker.device(),
                  TimeCell(worker.last_seen_time()), work});
  }
  session.out() << "\n" << table.Render();
}

absl::Status Status(Session& session) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::ServerService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(const auto status, connection->Unary<v1::ServerStatus>(
                                              Patience::kNone, [&](auto* context, auto* response) {
                                                return stub->GetServerStatus(context, {}, response);
                                              }));
  if (session.wants_json()) return session.PrintJson(status);
  PrintServer(session, status, connection->options().server);
  PrintLoaded(session, status);
  PrintJobs(session, status);
  return absl::OkStatus();
}

absl::Status Version(Session& session) {
  if (session.wants_json()) {
    session.out() << "{\n \"version\": \"" LBW_VERSION "\"\n}\n";
  } else {
    session.out() << "lbw " LBW_VERSION "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddStatusCommand(CLI::App& app, Command& command) {
  auto* sub =
      app.add_subcommand("status", "the server: loaded models, queues, jobs, workers, store");
  sub->footer(R"(Examples:
  lbw status
  lbw status --server 10.0.0.7:8500 --json)");
  sub->callback([&command] { command = [](Session& session) { return Status(session); }; });
}

void AddVersionCommand(CLI::App& app, Command& command) {
  auto* sub = app.add_subcommand("version", "this program's version");
  sub->footer(R"(Examples:
  lbw version        of this program; the server's: lbw status)");
  sub->callback([&command] { command = [](Session& session) { return Version(session); }; });
}

}  // namespace lbw::client
