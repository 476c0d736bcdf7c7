#include "sim/scene.h"

#include "base/encoding.h"

namespace ingot::sim {
namespace {
using namespace std::chrono_literals;

const std::string kFactory = "/clusters/root/apis/factory.ingot.dev/v1alpha1/";
constexpr const char *kJson = "application/json", *kMergePatch = "application/merge-patch+json";

std::string said(const Result<node::Answer>& answer) {
  return answer ? answer->body : answer.error().message;
}

}  // namespace

std::optional<api::Json> Scene::create(const std::string& path, std::string body) {
  const auto made = call_("POST", path, std::move(body), kJson);
  if (made && made->code == 201) return *api::parse_json(made->body);
  violations_.push_back("not made at " + path + ": " + said(made));
  return std::nullopt;
}

bool Scene::insist(const char* method, const std::string& path, std::string body) {
  for (int tries = 0; tries < 60; ++tries) {
    const auto done = call_(method, path, body, kMergePatch);
    if (done && (done->code == 200 || (done->code == 404 && std::string_view(method) == "DELETE")))
      return true;
    world_.run_until(world_.now() + 1s);
  }
  return false;
}

std::optional<std::vector<TenantHome>> Scene::make() {
  std::vector<TenantHome> homes;
  const bool made =
      create(kFactory + "queues",
             R"({"metadata":{"name":"lab"},"spec":{"guarantee":{"gpus":4},"limit":{"gpus":6}}})") &&
      make_tenants(homes) && make_queues_and_pool() && make_images() && make_gate() && make_budget();
  return made ? std::optional(std::move(homes)) : std::nullopt;
}

bool Scene::make_tenants(std::vector<TenantHome>& homes) {
  struct Team {
    const char *name, *queue;
    int guarantee, limit;
  };
  for (const auto& [name, queue, guarantee, limit] :
       {Team{"vision", "lab", 2, 4}, Team{"speech", "lab", 2, 3}, Team{"robotics", "", 3, 8}}) {
    const auto made = create(kFactory + "tenants",
                             R"({"metadata":{"name":")" + std::string(name) + R"("},"spec":{"queue":")" +
                                 queue + R"(","gpus":{"guarantee":)" + std::to_string(guarantee) +
                                 R"(,"limit":)" + std::to_string(limit) + "}}}");
    if (!made) return false;
    homes.push_back({.name = name,
                     .cluster = std::string(api::string_at(*made, {"status", "cluster"})),
                     .gpu_limit = limit,
                     .queue = *queue ? "night" : "",
                     .pool = *queue ? "" : "own"});
    const std::string classes =
        "/clusters/" + std::string(name) + "/apis/scheduling.k8s.io/v1/priorityclasses";
    if (!create(classes, R"({"metadata":{"name":"urgent"},"value":100})")) return false;
  }
  return true;
}

bool Scene::make_queues_and_pool() {
  return create(
             kFactory + "queues",
             R"({"metadata":{"name":"night"},"spec":{"parent":"lab","tenants":["vision","speech"],"limit":{"gpus":2}}})") &&
         create(kFactory + "pools",
                R"({"metadata":{"name":"own"},"spec":{"dedicated":true,"tenants":["robotics"]}})");
}

bool Scene::make_images() {
  for (const std::string reference : {"docker.io/library/hollow:latest", "docker.io/loose/hollow:latest"})
    if (!create(kFactory + "images", R"({"metadata":{"name":"shared.)" +
                                         hex(sha256(reference)).substr(0, 16) +
                                         R"("},"spec":{"tenant":"","reference":")" + reference +
                                         R"(","digest":"sha256:)" + hex(sha256("hollow")) + R"("}})"))
      return false;
  return true;
}

bool Scene::make_gate() {
  const std::string gated(kGated), pods = std::string(kExceptedPods) + "*";
  return create(kFactory + "gates",
                R"({"metadata":{"name":"registries"},"spec":{"match":{"tenants":[")" + gated +
                    R"("]},"rules":[{"name":"own","security":{"registries":["docker.io/library/*"]}}]}})") &&
         create(kFactory + "gateexceptions",
                R"({"metadata":{"name":"let"},"spec":{"gate":"registries","rule":"own","reason":"they asked",
                    "expires":"2199-01-01T00:00:00Z","target":{"tenant":")" +
                    gated + R"(","pod":")" + pods + R"("}}})");
}

// A second of a GPU costs 1, nothing else costs anything.
bool Scene::make_budget() {
  const auto priced =
      call_("PATCH", kFactory + "pricelists/default",
            R"({"spec":{"gpuHour":{"default":"3600"},"cpuHour":null,"memoryGiBHour":null}})", kMergePatch);
  if (!priced || priced->code != 200) return violations_.push_back("no prices: " + said(priced)), false;
  const std::string name(kBudgeted);
  return create(kFactory + "budgets",
                R"({"metadata":{"name":")" + name + R"("},"spec":{"amount":")" + std::to_string(kAmount) +
                    R"(","period":"day","currency":"USD","assumedRunTime":"20s","scope":{"tenants":[")" +
                    name + R"("]}}})")
      .has_value();
}

bool Scene::give_node(const std::string& name) {
  return insist("PATCH", "/clusters/root/api/v1/nodes/" + name,
                R"({"metadata":{"labels":{"factory.ingot.dev/pool":"own"}}})");
}

void Scene::let_all_run() {
  const bool gone = insist("DELETE", kFactory + "gates/registries");
  const bool more = insist("PATCH", kFactory + "budgets/" + kBudgeted, R"({"spec":{"amount":"1000000000"}})");
  if (!gone || !more) violations_.push_back("the operator cannot let everybody run");
}

std::optional<api::Json> Scene::budget() {
  const auto got = call_("GET", kFactory + "budgets/" + kBudgeted, "", kJson);
  if (!got || got->code != 200) return std::nullopt;
  return *api::parse_json(got->body);
}

}  // namespace ingot::sim
