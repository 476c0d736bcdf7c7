// Workflows as a user of the simulation submits, stops and deletes them.
#include "sim/user.h"

namespace ingot::sim {

// Steps that follow each other, some tried again, some that fail, some under a lock that others want.
void User::workflow_create() {
  Random& r = world_.random();
  const std::string name = "flow-" + name_ + "-" + std::to_string(++serial_);
  const auto step = [&](const std::string& called, const std::string& more) {
    return R"({"name":")" + called + R"(","metadata":{"labels":{"owner":"property-of-)" + home_.name +
           R"("},"annotations":{"ingot.dev/hollow":"{\"runSeconds\":)" + std::to_string(r.below(4)) +
           R"(,\"exitCode\":)" + (r.chance(0.15) ? "1" : "0") + R"(}"}})" + more +
           R"(,"container":{"image":"hollow","resources":{"requests":{"cpu":"100m","memory":"64Mi"}}}})";
  };
  const std::string lock = r.chance(0.3) ? R"(,"synchronization":{"mutexes":[{"name":"m"}]})" : "",
                    again = r.chance(0.5) ? R"(,"retryStrategy":{"limit":2,"retryPolicy":"Always"})" : "",
                    items = R"(,"withSequence":{"count":")" + std::to_string(1 + r.below(4)) + "\"}",
                    exit = r.chance(0.3) ? R"("onExit":"last",)" : "";
  const std::string body =
      R"({"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"name":")" + name +
      R"("},"spec":{"entrypoint":"main",)" + exit + R"("templates":[{"name":"main","dag":{"tasks":[)" +
      R"({"name":"a","template":"one"},{"name":"b","template":"many","depends":"a")" + items +
      R"(},{"name":"c","template":"last","depends":"b.Succeeded || b.Failed || b.Errored"}]}},)" +
      step("one", again) + "," + step("many", lock + again) + "," + step("last", "") + "]}}";
  send("POST", home("/apis/argoproj.io/v1alpha1/namespaces/default/workflows"), body,
       [this, name](const node::Answer& made) {
         if (made.code == 201) workflows_.push_back(name);
       });
}

void User::workflow_end() {
  if (workflows_.empty()) return workflow_create();
  Random& r = world_.random();
  const std::string path = home("/apis/argoproj.io/v1alpha1/namespaces/default/workflows/" +
                                workflows_[r.below(workflows_.size())]);
  if (r.chance(0.5)) return send("DELETE", path, "", [](const node::Answer&) {});
  send(
      "PATCH", path, R"({"spec":{"shutdown":")" + std::string(r.chance(0.5) ? "Stop" : "Terminate") + "\"}}",
      [](const node::Answer&) {}, {}, "application/merge-patch+json");
}

}  // namespace ingot::sim
