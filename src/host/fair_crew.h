// A crew for what takes long on behalf of tenants: of one tenant no more than a few works run at a time, so that nobody waits
// for another's. Thread rule: post() from any thread; destroyed by none of its own: what waits is dropped, what runs is told to
// stop and waited for. Bounds: so many that wait, of all tenants together.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/error.h"
#include "env/env.h"
#include "host/crew.h"

namespace ingot::host {

class FairCrew {
 public:
  using Stop = std::shared_ptr<std::atomic<bool>>;
  FairCrew(int threads, int of_one, std::string name) : of_one_(of_one), crew_(threads, std::move(name)) {}
  ~FairCrew();

  // `stop` is set when the crew ends. False: too many wait; nothing was taken.
  bool post(const std::string& tenant, Stop stop, env::Task work);

 private:
  void run(const std::string& tenant, Stop, env::Task);

  const int of_one_;
  std::mutex mutex_;
  struct Line {
    int running = 0;
    std::deque<std::pair<Stop, env::Task>> waiting;
  };
  std::map<std::string, Line> lines_;  // guarded
  std::multiset<Stop> running_;        // guarded
  size_t waiting_ = 0;                 // guarded
  bool stopping_ = false;              // guarded
  Crew crew_;
};

// Works for the tenant, then answers on the loop.
template <class T>
void aside(FairCrew& crew, env::Loop& loop, const std::string& tenant, FairCrew::Stop stop,
           std::move_only_function<void(Result<T>)> done, std::move_only_function<Result<T>()> work) {
  auto answer = std::make_shared<std::move_only_function<void(Result<T>)>>(std::move(done));
  const bool taken = crew.post(tenant, std::move(stop), [&loop, answer, work = std::move(work)]() mutable {
    Result<T> result = work();
    // What `done` holds is the loop's, to its end.
    loop.post(
        [answer = std::move(answer), result = std::move(result)]() mutable { (*answer)(std::move(result)); });
  });
  if (taken) return;
  loop.post([answer] {
    (*answer)(fail(Reason::TooManyRequests, "too much is on its way to this node's pods; try again later"));
  });
}

}  // namespace ingot::host
