#include "store/tracking_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "store/testing.h"
#include "store/tracking_points.h"

namespace ingot::store {
namespace {

std::unique_ptr<TrackingFile> open(const std::string& path) {
  auto file = TrackingFile::open(path);
  EXPECT_TRUE(file) << file.error().message;
  return std::move(*file);
}

TEST(TrackingFile, PointsKeepTheirOrderThroughFoldsAndRestarts) {
  TempDirectory directory;
  auto file = open(directory / "t.db");
  std::vector<TrackedPoint> wanted;
  // More than a tail holds, in batches of all sizes, with another metric of the same run beside it.
  for (int i = 0; wanted.size() < 3 * TrackingFile::kChunkPoints; ++i) {
    TrackingBatch batch;
    TrackingBatch::Points points{.run = 7, .key = "loss"};
    for (int j = 0; j < 1 + i % 97; ++j)
      points.points.push_back({int64_t(wanted.size() + size_t(j)), i, double(j)});
    wanted.insert(wanted.end(), points.points.begin(), points.points.end());
    batch.points.push_back(std::move(points));
    batch.points.push_back({.run = 7, .key = "other", .points = {{i, i, 0.5}}});
    batch.points.push_back({.run = 8, .key = "loss", .points = {{i, i, 1.5}}});
    ASSERT_TRUE(file->commit(batch));
    if (i % 100 == 50) file = nullptr, file = open(directory / "t.db");
  }
  const auto read = file->points(7, "loss");
  ASSERT_TRUE(read);
  EXPECT_TRUE(*read == wanted);
  EXPECT_TRUE(file->points(7, "none")->empty());
  EXPECT_EQ(file->points(8, "loss")->front().value, 1.5);
}

TEST(TrackingFile, DocumentsAndLatestComeBack) {
  TempDirectory directory;
  auto file = open(directory / "t.db");
  TrackingBatch batch;
  batch.documents = {{2, 5, std::string("a\0b", 3)}, {1, 1, "x"}};
  batch.latest = {{5, "m", {1, 2, std::nan("")}}, {5, "n", {1, 2, -INFINITY}}};
  ASSERT_TRUE(file->commit(batch));
  ASSERT_TRUE(file->commit({.documents = {{1, 1, "y"}}}));
  file = nullptr;
  file = open(directory / "t.db");
  std::string seen;
  ASSERT_TRUE(file->load(
      {.document = [&](int64_t kind, int64_t id, std::string_view data) -> Result<void> {
         seen += std::to_string(kind) + "/" + std::to_string(id) + ":" + std::to_string(data.size());
         return {};
       },
       .latest = [&](int64_t run, std::string_view key, const TrackedPoint& p) -> Result<void> {
         seen += " " + std::string(key) + (std::isnan(p.value) ? "nan" : std::isinf(p.value) ? "inf" : "?");
         return {};
       }}));
  EXPECT_EQ(seen, "1/1:12/5:3 mnan ninf");
}

TEST(TrackingFile, SomebodyElsesFileIsLeftAlone) {
  TempDirectory directory;
  std::ofstream(directory / "t.db")
      << "no database at all, but long enough to be taken for one by somebody careless "
         "who does not look at its header, which says what it is";
  const auto opened = TrackingFile::open(directory / "t.db");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("t.db"), std::string::npos);
}

TEST(TrackingPoints, BytesThatAreCutShortGiveWhatIsWhole) {
  std::string row;
  append_points(row, "a", {{1, 2, 3}, {4, 5, 6}});
  append_points(row, "b", {{7, 8, 9}});
  for (size_t size = 0; size <= row.size(); ++size) {
    size_t points = 0;
    each_points(std::string_view(row).substr(0, size), [&](std::string_view, std::string_view bytes) {
      std::vector<TrackedPoint> out;
      decode_points(bytes, out);
      points += out.size();
    });
    EXPECT_EQ(points, size == row.size() ? 3u : size >= 8 + 1 + 48 ? 2u : 0u) << size;
  }
}

}  // namespace
}  // namespace ingot::store
