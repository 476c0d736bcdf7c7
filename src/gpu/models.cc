#include "gpu/models.h"

#include <cctype>
#include <cstdlib>

namespace ingot::gpu {
namespace {
constexpr Model kModels[] = {
    {"A30", "NVIDIA A30", "ampere", 24576, 8, 0, 4, true},
    {"A100-40GB", "NVIDIA A100-SXM4-40GB", "ampere", 40960, 8, 0, 12, true},
    {"A100-80GB", "NVIDIA A100-SXM4-80GB", "ampere", 81920, 8, 0, 12, true},
    {"H100-80GB", "NVIDIA H100 80GB HBM3", "hopper", 81559, 9, 0, 18, true},
    {"H100-94GB", "NVIDIA H100 NVL", "hopper", 95830, 9, 0, 12, true},
    {"GH200-96GB", "NVIDIA GH200 480GB", "hopper", 97871, 9, 0, 18, true},
    {"H200-141GB", "NVIDIA H200", "hopper", 143771, 9, 0, 18, true},
    {"B200-180GB", "NVIDIA B200", "blackwell", 183359, 10, 0, 18, true},
    {"L4", "NVIDIA L4", "ada-lovelace", 23034, 8, 9, 0, false},
    {"L40S", "NVIDIA L40S", "ada-lovelace", 46068, 8, 9, 0, false},
    {"T4", "Tesla T4", "turing", 15360, 7, 5, 0, false},
    {"V100-16GB", "Tesla V100-SXM2-16GB", "volta", 16384, 7, 0, 6, false},
    {"V100-32GB", "Tesla V100-SXM2-32GB", "volta", 32768, 7, 0, 6, false},
};

// "NVIDIA H100 80GB HBM3" → "NVIDIA H100": the words up to the first that starts with a digit, cut at '-'.
std::string_view chip(std::string_view product) {
  const size_t brand = product.find(' ');
  if (brand == product.npos) return product;
  return product.substr(0, product.find_first_of(" -", brand + 1));
}
}  // namespace

std::span<const Model> models() { return kModels; }

std::string product_label(std::string_view product) {
  std::string out(product.substr(0, 63));
  for (char& c : out)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_') c = '-';
  while (!out.empty() && !std::isalnum(static_cast<unsigned char>(out.back()))) out.pop_back();
  return out;
}

const Model* model_of_label(std::string_view label) {
  for (const Model& model : kModels)
    if (product_label(model.product) == label) return &model;
  return nullptr;
}

const Model* find_model(std::string_view name) {
  for (const Model& model : kModels)
    if (model.name == name) return &model;
  return nullptr;
}

const Model* model_of_product(std::string_view product, int64_t memory_mib) {
  const Model* best = nullptr;
  for (const Model& model : kModels) {
    if (model.product == product) return &model;
    if (chip(model.product) != chip(product)) continue;
    if (!best || std::llabs(model.memory_mib - memory_mib) < std::llabs(best->memory_mib - memory_mib))
      best = &model;
  }
  return best;
}

}  // namespace ingot::gpu
