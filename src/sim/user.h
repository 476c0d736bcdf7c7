// A person with a kubeconfig, as the simulation has them: makes one request after another, keeps in mind what was
// acknowledged, and at the end compares it with what is there. Also tries what a hostile tenant would try.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sim/network.h"
#include "sim/ports.h"

namespace ingot::sim {

// What all users of a run share: the tally, what they made, and what is wrong.
struct Diary {
  uint64_t operations = 0, acknowledged = 0, refused = 0, unanswered = 0;
  std::map<std::string, uint64_t> counters_acked, counters_tried;  // by tenant
  std::vector<std::string> violations;
  void violate(std::string what) {
    if (violations.size() < 20) violations.push_back(std::move(what));
  }
};

struct TenantHome {
  std::string name, cluster;  // cluster: the id
  int gpu_limit = 0;
  std::string queue, pool;  // open to it besides its own; "" when none is
};

// In tenant kGated a gate holds pods of these images, but for those so named.
inline constexpr std::string_view kGated = "speech", kLooseImages = "loose/", kExceptedPods = "let-";

class User {
 public:
  User(World&, Network&, Disk&, FaultPlan&, Diary&, TenantHome home, std::vector<TenantHome> others,
       std::string name);

  // One request after another until stop(); then only what is under way finishes.
  void start();
  void stop() { stopped_ = true; }
  bool idle() const { return under_way_ == 0; }
  // After everything came to rest: checks what was acknowledged against what is there. `done` once finished.
  void audit(std::function<void()> done);

 private:
  using Then = std::function<void(const node::Answer&)>;
  void next();
  void act();
  apiserver::Request request(std::string method, std::string path, std::string body, std::string type) const;
  std::string home(const std::string& rest) const { return "/clusters/" + home_.name + rest; }
  // Sends, tallies, and hands over an answer if there was one; `lost` when nobody knows what happened.
  void send(std::string method, std::string path, std::string body, Then, std::function<void()> lost = {},
            std::string type = "application/json");
  void check_own(const node::Answer&, const std::string& what);

  void increments();
  void increment();
  void note_create();
  void note_delete();
  // How a pod asks to be placed, in parts of its JSON.
  struct Wish {
    std::string labels, spec;
    int most_gpus = 8;
  };
  Wish wish();
  int gpus(int most);
  void post_pod(const std::string& name, const std::string& body);
  void gang_member(const std::string& gang, uint64_t index, int gpus, uint64_t run_s, const Wish&,
                   const std::string& annotations);
  void job_create();
  void gang_create();
  void pod_create();
  void claim_create();
  void claiming_pod();
  void share_claim();
  void workflow_create();
  void workflow_end();
  void pod_delete(bool force);
  void cheat();
  void intrude();
  void trespass();
  void look_around();
  void audit_notes(std::shared_ptr<std::vector<std::pair<std::string, bool>>> left,
                   std::function<void()> done);

  World& world_;
  Network& network_;
  Diary& diary_;
  TenantHome home_;
  std::vector<TenantHome> others_;
  std::string name_;
  Ports ports_;
  uint64_t serial_ = 0, under_way_ = 0;
  bool stopped_ = false;
  std::map<std::string, bool> notes_;  // acknowledged; false: a delete was tried and its outcome is not known
  std::set<std::string> notes_unsure_;
  std::vector<std::string> pods_, workflows_;
};

}  // namespace ingot::sim
