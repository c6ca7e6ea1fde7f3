// lbw.v1.DatasetService over registry::Datasets and jobs::Queue.
#ifndef LBW_RPC_DATASET_SERVICE_H_
#define LBW_RPC_DATASET_SERVICE_H_

#include "lbw/v1/dataset.grpc.pb.h"
#include "rpc/services.h"

namespace lbw::rpc {

class DatasetService final : public v1::DatasetService::CallbackService {
 public:
  explicit DatasetService(const ServiceContext& context) : context_(context) {}

  grpc::ServerUnaryReactor* CreateDataset(grpc::CallbackServerContext*,
                                          const v1::CreateDatasetRequest*, v1::Dataset*) override;
  grpc::ServerUnaryReactor* GetDataset(grpc::CallbackServerContext*, const v1::GetDatasetRequest*,
                                       v1::Dataset*) override;
  grpc::ServerUnaryReactor* ListDatasets(grpc::CallbackServerContext*,
                                         const v1::ListDatasetsRequest*,
                                         v1::ListDatasetsResponse*) override;
  grpc::ServerUnaryReactor* DeleteDataset(grpc::CallbackServerContext*,
                                          const v1::DeleteDatasetRequest*,
                                          google::protobuf::Empty*) override;
  grpc::ServerUnaryReactor* ListDefects(grpc::CallbackServerContext*, const v1::ListDefectsRequest*,
                                        v1::ListDefectsResponse*) override;
  grpc::ServerUnaryReactor* RenderDataset(grpc::CallbackServerContext*,
                                          const v1::RenderDatasetRequest*,
                                          v1::RenderDatasetResponse*) override;

 private:
  const ServiceContext context_;
};

}  // namespace lbw::rpc

#endif  // LBW_RPC_DATASET_SERVICE_H_
