#include "client/cpp/dataset_view.h"

#include "gmock/gmock.h"

namespace lbw::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ParseDatasetFormat, EveryWordGoesAndComesBack) {
  for (int i = 1; i < v1::DatasetFormat_ARRAYSIZE; ++i) {
    const auto format = static_cast<v1::DatasetFormat>(i);
    EXPECT_EQ(*ParseDatasetFormat(DatasetFormatWord(format)), format);
  }
  EXPECT_EQ(*ParseDatasetFormat(""), v1::DATASET_FORMAT_UNSPECIFIED);
  EXPECT_THAT(
      std::string(ParseDatasetFormat("zip").status().message()),
      HasSubstr("--format must be voc, coco, yolo, folders, csv, cifar or pictures: 'zip'"));
}

TEST(RenderDataset, CountsSplitsClassesAndDefects) {
  v1::Dataset dataset;
  dataset.set_name("datasets/faces");
  dataset.set_state(v1::DATASET_STATE_READY);
  dataset.set_format(v1::DATASET_FORMAT_VOC);
  dataset.set_task(v1::DATASET_TASK_DETECTION);
  dataset.set_pictures(7959);
  dataset.set_boxes(16635);
  v1::DatasetSplit& split = *dataset.add_splits();
  split.set_name("val");
  split.set_pictures(1839);
  split.set_boxes(3061);
  dataset.add_classes()->set_name("mask");
  EXPECT_THAT(RenderDataset(dataset), HasSubstr("\nno defects\n"));
  v1::DefectCount& defect = *dataset.add_defects();
  defect.set_kind("box_outside");
  defect.set_count(1234);
  defect.set_repaired(1230);
  defect.set_left_out(4);
  defect.set_example("Annotations/1.xml");
  EXPECT_THAT(RenderDataset(dataset),
              AllOf(HasSubstr("faces, READY"), HasSubstr("voc, detection"),
                    HasSubstr("16,635, 0 of them difficult"), HasSubstr("val       1,839  3,061"),
                    HasSubstr("box_outside  1,234     1,230         4  Annotations/1.xml"),
                    Not(HasSubstr("no defects"))));
}

TEST(RenderDataset, AFailedOneSaysWhyAndAClassifiersHasNoBoxes) {
  v1::Dataset dataset;
  dataset.set_state(v1::DATASET_STATE_FAILED);
  dataset.set_error("nothing usable in it");
  EXPECT_THAT(RenderDataset(dataset),
              AllOf(HasSubstr("nothing usable in it"), Not(HasSubstr("no defects"))));
  dataset.set_state(v1::DATASET_STATE_READY);
  dataset.set_task(v1::DATASET_TASK_CLASSIFICATION);
  dataset.add_classes()->set_name("cat");
  EXPECT_THAT(RenderDataset(dataset), Not(HasSubstr("boxes")));
}

TEST(RenderDataset, TenThousandClassesAreCounted) {
  v1::Dataset dataset;
  for (int i = 0; i < 10000; ++i) dataset.add_classes()->set_name("c" + std::to_string(i));
  EXPECT_THAT(RenderDataset(dataset), HasSubstr("and 9900 classes more\n"));
}

}  // namespace
}  // namespace lbw::client
