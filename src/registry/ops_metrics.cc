#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "registry/history.h"
#include "registry/limits.h"
#include "registry/ops.h"

namespace ingot::registry {
namespace {

constexpr int64_t kMostPoints = 250'000;  // of one answer
constexpr int64_t kMostRuns = 100, kMostOfRun = 2500, kMostOfBulk = 25'000;

Result<std::vector<uint32_t>> runs_of(const Desk& desk, const Call& call, std::string_view field) {
  const auto ids = call.args.texts(field);
  if (!ids) return fail(ids.error());
  if (ids->empty()) return fail(missing(field));
  if (int64_t(ids->size()) > kMostRuns)
    return fail(invalid(
        fmt::format("a request may name at most {} {}, and this names {}", kMostRuns, field, ids->size())));
  std::vector<uint32_t> rows;
  for (const std::string& id : *ids) {
    const auto row = run_named(desk, id);
    if (!row) return fail(row.error());
    rows.push_back(*row);
  }
  return rows;
}

void write_point(Out& out, std::string_view key, std::string_view run, const store::TrackedPoint& point) {
  out.open('{').field("key", key).key("value").real(point.value).field("timestamp", point.timestamp);
  out.field("step", point.step).field("run_id", run).close('}');
}

Result<std::string> get_history(Desk& desk, const Call& call) {
  const auto row = run_of(desk, call);
  if (!row) return fail(row.error());
  const auto key = call.args.required("metric_key");
  if (!key) return fail(key.error());
  const auto token = call.args.text("page_token");
  if (!token) return fail(token.error());
  const auto offset = read_page_token(*token);
  if (!offset) return fail(offset.error());
  const auto most = call.args.number_or("max_results", kMostPoints, 1, kMostPoints);
  if (!most) return fail(most.error());
  const auto page = page_by_time(desk.file, *row, *key, size_t(*offset), size_t(*most));
  if (!page) return fail(page.error());
  Out out;
  out.open('{').key("metrics").open('[');
  for (const store::TrackedPoint& point : page->points) write_metric(out, *key, point);
  out.close(']');
  if (page->more) out.field("next_page_token", page_token(*offset + int64_t(page->points.size())));
  return out.close('}').take();
}

// Up to `most` points of each run, over all of its history.
Result<std::string> bulk_interval(Desk& desk, const Call& call) {
  const auto rows = runs_of(desk, call, "run_ids");
  if (!rows) return fail(rows.error());
  const auto key = call.args.required("metric_key");
  if (!key) return fail(key.error());
  const auto most = call.args.number_or("max_results", kMostOfRun, 1, kMostOfRun);
  if (!most) return fail(most.error());
  const auto first = call.args.number("start_step"), last = call.args.number("end_step");
  if (!first) return fail(first.error());
  if (!last) return fail(last.error());
  if (first->has_value() != last->has_value())
    return fail(invalid("If either start step or end step are specified, both must be specified."));
  if (first->has_value() && **first > **last)
    return fail(invalid(fmt::format(
        "end_step must be greater than start_step. Found start_step={} and end_step={}.", **first, **last)));
  Out out;
  out.open('{').key("metrics").open('[');
  for (const uint32_t row : *rows) {
    const auto points = sampled(desk.file, row, *key, *first, *last, size_t(*most));
    if (!points) return fail(points.error());
    const std::string run = to_text(desk.book.runs()[row].id);
    for (const store::TrackedPoint& point : *points) write_point(out, *key, run, point);
  }
  return out.close(']').close('}').take();
}

Result<std::string> bulk(Desk& desk, const Call& call) {
  const auto rows = runs_of(desk, call, "run_id");
  if (!rows) return fail(rows.error());
  const auto key = call.args.required("metric_key");
  if (!key) return fail(key.error());
  const auto most = call.args.number_or("max_results", kMostOfBulk, 1, kMostOfBulk);
  if (!most) return fail(most.error());
  Out out;
  out.open('{').key("metrics").open('[');
  int64_t left = *most;
  for (const uint32_t row : *rows) {
    if (left == 0) break;
    const auto page = page_by_time(desk.file, row, *key, 0, size_t(left));
    if (!page) return fail(page.error());
    for (const store::TrackedPoint& point : page->points)
      write_point(out, *key, to_text(desk.book.runs()[row].id), point);
    left -= int64_t(page->points.size());
  }
  return out.close(']').close('}').take();
}

constexpr Op kOps[] = {
    {"metrics/get-history", get_history},
    {"metrics/get-history-bulk", bulk},
    {"metrics/get-history-bulk-interval", bulk_interval},
};

}  // namespace

std::span<const Op> metric_ops() { return kOps; }

}  // namespace ingot::registry
