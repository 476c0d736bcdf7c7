#include <fmt/format.h>

#include <algorithm>

#include "registry/limits.h"
#include "registry/ops.h"
#include "registry/search.h"

namespace ingot::registry {
namespace {

Result<Lifecycle> read_lifecycle(const Args& args, std::string_view field) {
  const auto number = args.number(field);
  if (number && !*number) return Lifecycle::Active;
  if (number && **number >= 1 && **number <= 3) return Lifecycle(**number);
  const auto text = args.text(field);
  if (text && *text == "ACTIVE_ONLY") return Lifecycle::Active;
  if (text && *text == "DELETED_ONLY") return Lifecycle::Deleted;
  if (text && *text == "ALL") return Lifecycle::All;
  return fail(invalid(fmt::format("{}: must be ACTIVE_ONLY, DELETED_ONLY or ALL", field)));
}

struct Paging {
  std::vector<Clause> clauses;
  std::vector<Order> orders;
  size_t offset = 0, most = 0;
};
Result<Paging> read_paging(const Args& args, const Grammar& grammar) {
  const auto filter = args.text("filter"), token = args.text("page_token");
  if (!filter) return fail(filter.error());
  if (!token) return fail(token.error());
  auto clauses = parse_filter(*filter, grammar);
  if (!clauses) return fail(clauses.error());
  const auto texts = args.texts("order_by");
  if (!texts) return fail(texts.error());
  auto orders = parse_orders(*texts, grammar);
  if (!orders) return fail(orders.error());
  const auto offset = read_page_token(*token);
  if (!offset) return fail(offset.error());
  const auto most = args.number_or("max_results", kResults, 1, kMostResults);
  if (!most) return fail(most.error());
  return Paging{std::move(*clauses), std::move(*orders), size_t(*offset), size_t(*most)};
}

Result<std::string> search_all_runs(Desk& desk, const Call& call) {
  const auto ids = call.args.texts("experiment_ids");
  if (!ids) return fail(ids.error());
  RunQuery query;
  for (const std::string& id : *ids) {
    const auto number = parse_experiment_id(id);
    if (!number) return fail(number.error());
    query.experiments.push_back(*number);
  }
  const auto lifecycle = read_lifecycle(call.args, "run_view_type");
  if (!lifecycle) return fail(lifecycle.error());
  query.lifecycle = *lifecycle;
  auto paging = read_paging(call.args, run_grammar());
  if (!paging) return fail(paging.error());
  query.clauses = std::move(paging->clauses);
  query.orders = std::move(paging->orders);
  query.offset = paging->offset;
  query.most = paging->most;
  const auto page = search_runs(desk.book, query);
  if (!page) return fail(page.error());
  Out out;
  out.open('{').key("runs").open('[');
  size_t told = 0;
  while (told < page->rows.size() && out.size() < kMostAnswer)
    write_run(out, desk.book, desk.book.runs()[page->rows[told++]]);
  out.close(']');
  if (page->more || told < page->rows.size())
    out.field("next_page_token", page_token(int64_t(query.offset + told)));
  return out.close('}').take();
}

bool fits(const Experiment& e, const Clause& clause, uint64_t& work) {
  if (clause.entity == Entity::Tag) {
    const auto tag = e.tags.find(clause.key);
    return holds(clause, tag == e.tags.end() ? std::nullopt : std::optional<std::string_view>(tag->second),
                 work);
  }
  if (clause.key == "creation_time") return holds(clause, std::optional(e.created));
  if (clause.key == "last_update_time") return holds(clause, std::optional(e.updated));
  if (clause.key == "experiment_id") return holds(clause, std::string_view(std::to_string(e.id)), work);
  return holds(clause, std::string_view(e.name), work);
}

// By what is asked for; then the youngest first.
bool before(const std::vector<Order>& orders, const Experiment& a, const Experiment& b) {
  for (const Order& order : orders) {
    const auto by = [&](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
    const int found = order.key == "name"               ? by(a.name, b.name)
                      : order.key == "experiment_id"    ? by(a.id, b.id)
                      : order.key == "last_update_time" ? by(a.updated, b.updated)
                                                        : by(a.created, b.created);
    if (found != 0) return order.ascending ? found < 0 : found > 0;
  }
  if (orders.empty() && a.created != b.created) return a.created > b.created;
  return orders.empty() ? a.id > b.id : a.id < b.id;
}

Result<std::string> search_experiments(Desk& desk, const Call& call) {
  const auto lifecycle = read_lifecycle(call.args, "view_type");
  if (!lifecycle) return fail(lifecycle.error());
  const auto paging = read_paging(call.args, experiment_grammar());
  if (!paging) return fail(paging.error());
  for (const Order& order : paging->orders)
    if (order.entity != Entity::Attribute)
      return fail(invalid(
          "order_by: experiments are ordered by name, experiment_id, creation_time or last_update_time"));
  std::vector<const Experiment*> found;
  uint64_t work = 0;
  for (const Experiment& e : desk.book.experiments()) {
    if (e.deleted ? *lifecycle == Lifecycle::Active : *lifecycle == Lifecycle::Deleted) continue;
    if (work > kMostWork) return fail(too_costly());
    if (std::ranges::all_of(paging->clauses, [&](const Clause& clause) { return fits(e, clause, work); }))
      found.push_back(&e);
  }
  std::ranges::sort(found,
                    [&](const Experiment* a, const Experiment* b) { return before(paging->orders, *a, *b); });
  size_t end = paging->offset;
  const size_t most = std::min(found.size(), end + paging->most);
  Out out;
  out.open('{').key("experiments").open('[');
  while (end < most && out.size() < kMostAnswer) write_experiment(out, *found[end++]);
  out.close(']');
  if (end < found.size()) out.field("next_page_token", page_token(int64_t(end)));
  return out.close('}').take();
}

constexpr Op kOps[] = {
    {"runs/search", search_all_runs},
    {"experiments/search", search_experiments},
};

}  // namespace

std::span<const Op> search_ops() { return kOps; }

}  // namespace ingot::registry
