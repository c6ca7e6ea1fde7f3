#include "rpc/services.h"

#include "grpcpp/server_builder.h"
#include "registry/version_builder.h"
#include "rpc/artifact_service.h"
#include "rpc/dataset_service.h"
#include "rpc/detection_service.h"
#include "rpc/job_service.h"
#include "rpc/model_service.h"
#include "rpc/quantization_service.h"
#include "rpc/server_service.h"

namespace lbw::rpc {

struct Services::Impl {
  explicit Impl(const ServiceContext& context)
      : builder(*context.artifacts, *context.registry, {context.limits.max_import_bytes}),
        artifact(context),
        quantization(context, builder),
        model(context, builder),
        detection(context),
        dataset(context),
        job(context),
        server(context) {}

  registry::VersionBuilder builder;
  ArtifactService artifact;
  QuantizationService quantization;
  ModelService model;
  DetectionService detection;
  DatasetService dataset;
  JobService job;
  ServerService server;
};

Services::Services(const ServiceContext& context) : impl_(std::make_unique<Impl>(context)) {}
Services::~Services() = default;

void Services::RegisterWith(grpc::ServerBuilder& builder) {
  builder.RegisterService(&impl_->artifact);
  builder.RegisterService(&impl_->quantization);
  builder.RegisterService(&impl_->model);
  builder.RegisterService(&impl_->detection);
  builder.RegisterService(&impl_->dataset);
  builder.RegisterService(&impl_->job);
  builder.RegisterService(&impl_->server);
}

std::vector<std::string> Services::names() const {
  return {v1::ArtifactService::service_full_name(), v1::QuantizationService::service_full_name(),
          v1::ModelService::service_full_name(),    v1::DetectionService::service_full_name(),
          v1::DatasetService::service_full_name(),  v1::JobService::service_full_name(),
          v1::ServerService::service_full_name()};
}

}  // namespace lbw::rpc
