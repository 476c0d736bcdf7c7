// The boards Ingot knows by name. Sizes and MIG units: NVIDIA's MIG user guide; product names as NVML reports them.
// Plain values, standard library only; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ingot::gpu {

struct Model {
  std::string_view name;     // "H100-80GB": what users and the price list write
  std::string_view product;  // "NVIDIA H100 80GB HBM3"
  std::string_view family;   // nvidia.com/gpu.family: "hopper"
  int64_t memory_mib;
  int compute_major, compute_minor;
  int nvlinks;  // links a board has; 0 = none
  bool mig;
};

std::span<const Model> models();
// A product's name as the label nvidia.com/gpu.product gives it: what no label may hold becomes '-', as GPU feature
// discovery writes it.
std::string product_label(std::string_view product);
// The model whose product reads so in that label; nullptr: none we know.
const Model* model_of_label(std::string_view label);
const Model* find_model(std::string_view name);
// The model of a product name; the closest prefix wins ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe").
const Model* model_of_product(std::string_view product, int64_t memory_mib);

}  // namespace ingot::gpu
