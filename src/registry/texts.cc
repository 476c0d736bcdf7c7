#include "registry/texts.h"

namespace ingot::registry {
namespace {
constexpr size_t kEach = 96;  // of memory, beside the text
}

TextId Texts::hold(std::string_view text) {
  if (const auto known = ids_.find(HashedText(text)); known != ids_.end()) {
    ++all_[known->second].holders;
    return known->second;
  }
  TextId id = TextId(all_.size());
  if (free_.empty()) {
    all_.push_back({std::string(text), 1});
  } else {
    id = free_.back();
    free_.pop_back();
    all_[id] = {std::string(text), 1};
  }
  ids_.emplace(HashedText(all_[id].text), id);
  bytes_ += kEach + text.size();
  return id;
}

void Texts::again(TextId id) {
  if (id) ++all_[id].holders;
}

void Texts::release(TextId id) {
  if (!id || --all_[id].holders > 0) return;
  ids_.erase(HashedText(all_[id].text));
  bytes_ -= kEach + all_[id].text.size();
  all_[id].text = {};
  free_.push_back(id);
}

TextId Texts::find(std::string_view text) const {
  const auto known = ids_.find(HashedText(text));
  return known == ids_.end() ? 0 : known->second;
}

}  // namespace ingot::registry
