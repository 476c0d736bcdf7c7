#include "api/table.h"

#include <gtest/gtest.h>

#include "api/table_cells.h"

namespace ingot::api {
namespace {

const WallTime kNow = *parse_rfc3339("2026-01-01T00:10:00Z");

class TableTest : public testing::Test {
 protected:
  // The cells of one object, without those of -o wide.
  std::string cells(std::string_view group, std::string_view kind, std::string_view object,
                    bool wide = false) {
    const Resource* resource =
        registry->find_kind(group, group == "factory.ingot.dev" ? "v1alpha1" : "v1", kind);
    EXPECT_NE(resource, nullptr);
    const Json row = table_row(*resource, *parse_json(object), IncludeObject::None, kNow);
    const JsonArray& all = array_at(row, {"cells"});
    JsonArray shown;
    for (size_t i = 0; i < all.size(); ++i)
      if (wide || resource->columns[i].priority == 0) shown.push_back(all[i]);
    return to_text(shown);
  }
  std::string pod(std::string_view rest) {
    return cells(
        "", "Pod",
        R"({"metadata":{"name":"p","creationTimestamp":"2026-01-01T00:00:00Z")" + std::string(rest) + "}");
  }
  std::shared_ptr<const Registry> registry = Registry::builtin();
};

TEST_F(TableTest, EveryComputedColumnHasACell) {
  for (const Resource& resource : registry->resources())
    for (const Column& column : resource.columns)
      if (column.path.starts_with('@')) EXPECT_TRUE(is_computed_cell(column.path.substr(1))) << column.path;
}

TEST_F(TableTest, ATableCarriesColumnsRowsAndMetadata) {
  const Resource& maps = *registry->find("", "v1", "configmaps");
  const Json map =
      *parse_json(R"({"metadata":{"name":"a","creationTimestamp":"2026-01-01T00:00:00Z"},"data":{"k":"v"}})");
  const Json whole =
      table(maps, {{"resourceVersion", "7"}}, {table_row(maps, map, IncludeObject::Metadata, kNow)});
  EXPECT_EQ(
      to_text(whole),
      R"({"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"7"},"columnDefinitions":[)"
      R"({"name":"Name","type":"string","format":"name","description":"","priority":0},)"
      R"({"name":"Data","type":"string","format":"","description":"","priority":0},)"
      R"({"name":"Age","type":"string","format":"","description":"","priority":0}],"rows":[{"cells":["a","1","10m"],)"
      R"("object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a",)"
      R"("creationTimestamp":"2026-01-01T00:00:00Z"}}}]})");
  EXPECT_TRUE(find(table(maps, {}, {}, false), {"columnDefinitions"})->is_null());
  EXPECT_EQ(parse_include_object("None"), IncludeObject::None);
  EXPECT_EQ(parse_include_object("All"), std::nullopt);
}

TEST_F(TableTest, PodsSayWhatHappensToThem) {
  EXPECT_EQ(pod(R"(},"spec":{"containers":[{},{}]},"status":{"phase":"Pending"})"),
            R"(["p","0/2","Pending","0","10m"])");
  EXPECT_EQ(pod(R"(},"spec":{"containers":[{}]},"status":{"phase":"Running","containerStatuses":[
            {"ready":true,"restartCount":2,"state":{"running":{}},"lastState":{"terminated":{"finishedAt":"2026-01-01T00:05:00Z"}}}]})"),
            R"x(["p","1/1","Running","2 (5m ago)","10m"])x");
  EXPECT_EQ(pod(R"(},"spec":{"containers":[{}]},"status":{"phase":"Pending","containerStatuses":[
            {"restartCount":0,"state":{"waiting":{"reason":"ImagePullBackOff"}}}]})"),
            R"(["p","0/1","ImagePullBackOff","0","10m"])");
  EXPECT_EQ(pod(R"(},"spec":{"containers":[{}]},"status":{"phase":"Succeeded","containerStatuses":[
            {"restartCount":0,"state":{"terminated":{"reason":"Completed","exitCode":0}}}]})"),
            R"(["p","0/1","Completed","0","10m"])");
  EXPECT_EQ(pod(R"(},"spec":{"containers":[{}]},"status":{"phase":"Failed","containerStatuses":[
            {"restartCount":0,"state":{"terminated":{"exitCode":137,"signal":9}}}]})"),
            R"(["p","0/1","Signal:9","0","10m"])");
  EXPECT_EQ(
      pod(R"(},"spec":{"containers":[{}],"initContainers":[{"name":"a"},{"name":"b"}]},"status":{"phase":"Pending",
            "initContainerStatuses":[{"name":"a","restartCount":0,"state":{"terminated":{"exitCode":0}}},
            {"name":"b","restartCount":0,"state":{"running":{}}}]})"),
      R"(["p","0/1","Init:1/2","0","10m"])");
  EXPECT_EQ(
      pod(R"(,"deletionTimestamp":"2026-01-01T00:09:00Z"},"spec":{"containers":[{}]},"status":{"phase":"Running"})"),
      R"(["p","0/1","Terminating","0","10m"])");
  EXPECT_EQ(pod(R"(},"spec":{"containers":[{}]},"status":{"phase":"Failed","reason":"Evicted"})"),
            R"(["p","0/1","Evicted","0","10m"])");
}

TEST_F(TableTest, OtherKinds) {
  EXPECT_EQ(
      cells("batch", "Job",
            R"({"metadata":{"name":"j","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"completions":3},
                   "status":{"succeeded":1,"startTime":"2026-01-01T00:08:00Z"}})"),
      R"(["j","Running","1/3","2m","10m"])");
  EXPECT_EQ(
      cells(
          "", "Node",
          R"({"metadata":{"name":"n","labels":{"node-role.kubernetes.io/worker":"","ingot.dev/simulated":"true"}},
                   "status":{"conditions":[{"type":"Ready","status":"True"}],"allocatable":{"nvidia.com/gpu":"8"},
                   "nodeInfo":{"kubeletVersion":"v1.36.0"}}})"),
      R"(["n","Ready","worker","<unknown>","v1.36.0",8,"true"])");
  EXPECT_EQ(
      cells("", "Event", R"({"metadata":{"name":"e"},"type":"Warning","reason":"Failed","message":"no\n",
                   "lastTimestamp":"2026-01-01T00:09:30Z","involvedObject":{"kind":"Pod","name":"p"}})"),
      R"(["30s","Warning","Failed","pod/p","no"])");
  EXPECT_EQ(cells("factory.ingot.dev", "Tenant",
                  R"({"metadata":{"name":"vision","creationTimestamp":"2026-01-01T00:00:00Z"},
                   "spec":{"gpus":{"guarantee":2},"weight":1},"status":{"phase":"Active"}})"),
            R"(["vision",2,"none",1,"","Active","10m"])");
  EXPECT_EQ(cells("factory.ingot.dev", "Queue",
                  R"({"metadata":{"name":"research","creationTimestamp":"2026-01-01T00:00:00Z"},
                   "spec":{"parent":"lab","weight":2,"guarantee":{"gpus":8,"gpuModels":{"H100-80GB":4},"cpu":"32"}},
                   "status":{"used":{"gpus":3}}})"),
            R"(["research","lab","gpus=8,H100-80GB=4,cpu=32","none",2,"gpus=3","10m"])");
  EXPECT_EQ(cells("factory.ingot.dev", "Pool",
                  R"({"metadata":{"name":"big","creationTimestamp":"2026-01-01T00:00:00Z"},
                   "spec":{"dedicated":true,"tenants":["a","b"],"slices":true,"idle":{"after":"30m"}}})"),
            R"(["big",true,"a,b",true,"30m","10m"])");
  EXPECT_EQ(cells("rbac.authorization.k8s.io", "RoleBinding",
                  R"({"metadata":{"name":"b"},"roleRef":{"kind":"Role","name":"r"},
                   "subjects":[{"kind":"User","name":"u"},{"kind":"Group","name":"g"},{"kind":"ServiceAccount","namespace":"d","name":"s"}]})",
                  true),
            R"(["b","Role/r","<unknown>","u","g","d/s"])");
}

}  // namespace
}  // namespace ingot::api
