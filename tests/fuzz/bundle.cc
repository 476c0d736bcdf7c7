// A bundle that anybody may have written: what is read stays in its bounds, and its names beneath where the model lies.
#include "registry/bundle.h"

#include <cstdlib>

#include "registry/model_filter.h"
#include "registry/model_source.h"
#include "registry/statement.h"

using namespace ingot;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto bundle = registry::parse_bundle(text)) {
    const auto again = registry::parse_bundle(registry::to_bundle(*bundle));
    if (!again || again->payload != bundle->payload || again->signature != bundle->signature) std::abort();
    (void)registry::parse_statement(bundle->payload);
  }
  if (const auto statement = registry::parse_statement(text)) {
    for (const data::ManifestFile& file : statement->files.files)
      if (!data::check_file_name(file.name)) std::abort();
    if (!registry::difference(*statement, statement->files).empty()) std::abort();
  }
  (void)registry::subjects(text);
  if (const auto source = registry::parse_model_source(text))
    if (!source->path.empty() && !data::check_file_name(source->path)) std::abort();
  if (const auto filter = registry::ModelFilter::parse(text, {"name"}))
    (void)filter->matches([](std::string_view) { return std::optional<std::string>("x"); });
  return 0;
}
