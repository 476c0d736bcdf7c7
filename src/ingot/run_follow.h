// A run as the command line follows it: how it stands, what it writes, until it is over, whatever becomes of the factory
// meanwhile. Main thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ingot/place.h"

namespace ingot {

inline constexpr std::string_view kWorkflowApi = "argoproj.io/v1alpha1";

// The Workflow's node of one pod.
struct RunNode {
  std::string id, name, shown, phase, message, host, pod;
  bool began() const { return phase != "Pending"; }
  bool over() const { return began() && phase != "Running"; }
};
bool has_begun(const api::Json& pod);                     // its container runs, or ran
std::vector<RunNode> pods_of(const api::Json& workflow);  // in the order in which they began
bool is_over(const api::Json& workflow);
std::string status_text(const api::Json& workflow);  // "Running", "Stopped", "Pending", …
std::string duration_text(const api::Json& workflow);

class RunFollower {
 public:
  RunFollower(const Common& common, Place place, std::string name)
      : common_(common), place_(std::move(place)), name_(std::move(name)) {}

  // Hands every state of the Workflow to `look` until it returns false. Waits for a factory that is away, and says so once.
  // Error: there is no such run any more, or nobody answered for long.
  Result<void> watch(const std::function<bool(const api::Json&)>& look);
  // The same of one of its pods, which may be gone at any time: that ends it, and is no error.
  Result<void> watch_pod(const std::string& pod, const std::function<bool(const api::Json&)>& look);
  // Until it runs or ends; `waits` is told why it does not, each reason once.
  Result<void> until_it_runs(const std::string& pod, const std::function<void(const std::string&)>& waits);

  using Take = std::function<bool(std::string_view)>;  // false: no more is wanted
  // What a container has written, from its beginning; with `follow` until it has ended. Each byte once, though the connection
  // breaks.
  Result<void> log(const std::string& pod, const std::string& container, bool follow, const Take&);

  Result<void> stop();
  std::string path() const;  // of the Workflow

 private:
  using Look = std::function<bool(const api::Json&)>;
  // NotFound: it is gone.
  Result<void> watch_one(std::string_view api_version, std::string_view resource, const std::string& name,
                         const Look&);
  // Waits a while, longer each time; an error once that was in vain for long. A good answer begins anew.
  Result<void> patience(const Error&);

  const Common& common_;
  const Place place_;
  const std::string name_;
  int tries_ = 0;
};

}  // namespace ingot
