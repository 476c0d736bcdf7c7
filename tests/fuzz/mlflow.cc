// What clients of MLflow's API send: bodies and queries, filters and orders, paths of artifacts, and documents of the tracking
// file as bytes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "registry/codec.h"
#include "registry/filter.h"
#include "registry/paths.h"
#include "registry/wire.h"
#include "store/tracking_points.h"

namespace {

using namespace ingot;

void body(std::string_view text) {
  const auto args = registry::Args::read(text, {{"q", std::string(text)}, {"q", "b"}}, {});
  if (!args) return;
  for (const std::string_view field : {"run_id", "metrics", "value", "q"}) {
    (void)args->text(field);
    (void)args->number(field);
    (void)args->real(field);
    (void)args->texts(field);
    (void)args->objects(field, 10);
  }
  (void)registry::read_page_token(text);
}

void filter(std::string_view text) {
  uint64_t work = 0;
  for (const registry::Grammar* grammar :
       {&registry::run_grammar(), &registry::experiment_grammar(), &registry::model_grammar()}) {
    if (const auto clauses = registry::parse_filter(text, *grammar)) {
      ASSERT(clauses->size() <= registry::kMostClauses);
      for (const registry::Clause& clause : *clauses)
        (void)registry::holds(clause, text.substr(0, 100), work);
    }
    (void)registry::parse_orders({std::string(text)}, *grammar);
  }
}

void path(std::string_view text) {
  const auto good = registry::check_path(text);
  if (good) ASSERT(good->find("..") == good->npos || ("/" + *good + "/").find("/../") == std::string::npos);
  (void)registry::path_of_uri(text);
}

void bytes(std::string_view data) {
  registry::Reader in(data);
  for (size_t left = in.count(); left > 0 && in.ok(); --left) (void)in.text();
  (void)in.real();
  size_t seen = 0;
  store::each_points(
      data, [&](std::string_view key, std::string_view points) { seen += key.size() + points.size(); });
  ASSERT(seen <= data.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      body(text);
      break;
    case 1:
      filter(text);
      break;
    case 2:
      path(text);
      break;
    default:
      bytes(text);
  }
  return 0;
}
