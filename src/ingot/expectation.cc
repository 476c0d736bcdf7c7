#include "ingot/expectation.h"

#include <fmt/format.h>

#include "apiserver/cluster_view.h"
#include "apiserver/memo.h"
#include "ingot/output.h"

namespace ingot {
namespace {

constexpr Duration kSoon = std::chrono::seconds(1);

// "14:20 UTC", of another day "2026-07-02 14:20 UTC".
std::string clock_text(WallTime t, WallTime now) {
  const std::string text = to_rfc3339(t), today = to_rfc3339(now);
  const std::string time = text.substr(11, 5) + " UTC";
  return text.substr(0, 10) == today.substr(0, 10) ? time : text.substr(0, 10) + " " + time;
}

std::string start_text(const scheduler::Forecast& f, WallTime now) {
  if (f.starts && *f.starts <= now + kSoon) return "starts now";
  if (f.others_yield) return "starts once others gave way to it";
  if (f.starts) return "starts about " + clock_text(*f.starts, now);
  return f.reason.empty() ? "start not known" : f.reason + "; start not known";
}

std::string money(const std::string& currency, int64_t micro) {
  const std::string amount = shown_cost(policy::format_micro(micro));
  return currency == "USD" ? "$" + amount : amount + " " + currency;
}

}  // namespace

std::string expectation_text(const controllers::Estimate& e, const policy::Prices& prices, WallTime now) {
  const policy::Load load{e.forecast.model, e.forecast.gpu_milli * e.pods, e.request.cpu_milli * e.pods,
                          (e.request.memory_bytes >> 20) * e.pods};
  const Duration time = e.run_time.value_or(std::chrono::hours(1));
  const int64_t cost =
      policy::cost(prices, load, std::chrono::duration_cast<std::chrono::microseconds>(time));
  std::string text = start_text(e.forecast, now);
  if (cost == 0) return text;
  return text + ", about " + money(prices.currency, cost) + (e.run_time ? "" : " an hour");
}

apiserver::Expectation expectation_by(const std::unique_ptr<controllers::Placement>& placement,
                                      const env::Clock& clock) {
  return [&placement, &clock, unset = policy::prices_from(nullptr),
          read = std::make_shared<apiserver::Memo<policy::Prices>>(1)](
             const apiserver::ClusterView& view, const api::Json& object, const api::ObjectPtr& list) {
    const controllers::Lookup own = [&](const api::Key& key) {
      return view.get(key.resource(), key.ns(), key.name());
    };
    const auto estimate = placement ? placement->estimate(view.cluster(), object, own) : std::nullopt;
    if (!estimate) return std::string();
    const auto prices = [](const api::Json& said) { return policy::prices_from(&said); };
    return expectation_text(*estimate, list ? read->of(list, prices) : unset, clock.wall());
  };
}

}  // namespace ingot
