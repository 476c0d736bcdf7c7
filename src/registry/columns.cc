#include "registry/columns.h"

#include <algorithm>

#include "registry/book.h"

namespace ingot::registry {
namespace {

uint32_t place(const Run& run) { return run.experiment * 2 + (run.deleted ? 1 : 0); }

double value_of(const std::vector<Measure>& measures, TextId key) {
  const auto at = std::ranges::lower_bound(measures, key, {}, &Measure::key);
  return at != measures.end() && at->key == key ? at->point.value : absent();
}
TextId value_of(const std::vector<Entry>& entries, TextId key) {
  const auto at = std::ranges::lower_bound(entries, key, {}, &Entry::key);
  return at != entries.end() && at->key == key ? at->value : 0;
}

}  // namespace

Columns::~Columns() = default;

Columns::Column* Columns::find(Of of, TextId key) {
  const auto known = all_.find({of, key});
  return known == all_.end() ? nullptr : &known->second;
}

Columns::Column& Columns::use(const std::vector<Run>& runs, Of of, TextId key) {
  Column* column = find(of, key);
  if (!column) {
    if (all_.size() >= kMost) {
      const auto oldest =
          std::ranges::min_element(all_, {}, [](const auto& entry) { return entry.second.used; });
      texts_.release(oldest->first.second);
      all_.erase(oldest);
    }
    texts_.again(key);
    column = &all_[{of, key}];
    for (const Run& run : runs) {
      if (of == Of::Metric)
        column->numbers.push_back(value_of(run.metrics, key));
      else
        column->texts.push_back(value_of(of == Of::Param ? run.params : run.tags, key));
    }
  }
  column->used = ++uses_;
  return *column;
}

const std::vector<double>& Columns::metric(const std::vector<Run>& runs, TextId key) {
  return use(runs, Of::Metric, key).numbers;
}
const std::vector<TextId>& Columns::text(const std::vector<Run>& runs, Of of, TextId key) {
  return use(runs, of, key).texts;
}

const std::vector<int64_t>& Columns::started(const std::vector<Run>& runs) {
  (void)places(runs);
  return started_;
}
const std::vector<uint32_t>& Columns::places(const std::vector<Run>& runs) {
  if (!std::exchange(basic_, true))
    for (const Run& run : runs) {
      started_.push_back(run.started);
      places_.push_back(place(run));
    }
  return places_;
}

void Columns::show(const std::vector<Run>& runs, uint32_t row) {
  const Run& run = runs[row];
  if (basic_) {
    if (row >= places_.size()) {
      started_.resize(row + 1);
      places_.resize(row + 1);
    }
    started_[row] = run.started;
    places_[row] = place(run);
  }
  for (auto& [of_key, column] : all_) {
    if (of_key.first == Of::Metric && row >= column.numbers.size()) column.numbers.resize(row + 1, absent());
    if (of_key.first != Of::Metric && row >= column.texts.size()) column.texts.resize(row + 1, 0);
  }
}

void Columns::show_metric(const std::vector<Run>& runs, uint32_t row, TextId key, double value) {
  if (Column* column = find(Of::Metric, key); column && row < column->numbers.size())
    column->numbers[row] = value;
}
void Columns::show_text(const std::vector<Run>& runs, uint32_t row, Of of, TextId key, TextId value) {
  if (Column* column = find(of, key); column && row < column->texts.size()) column->texts[row] = value;
}

size_t Columns::bytes() const {
  size_t sum = started_.capacity() * 8 + places_.capacity() * 4;
  for (const auto& [of_key, column] : all_)
    sum += column.numbers.capacity() * 8 + column.texts.capacity() * sizeof(TextId);
  return sum;
}

}  // namespace ingot::registry
