// The tables of functions, each in a file of its own. Only functions.cc joins them.
#pragma once

#include "expr/functions.h"

namespace ingot::expr {

std::span<const Function> text_rows();
std::span<const Function> list_rows();
std::span<const Function> number_rows();

std::span<const Function> sprig_text_rows();
std::span<const Function> sprig_list_rows();
std::span<const Function> sprig_map_rows();
std::span<const Function> sprig_number_rows();
std::span<const Function> sprig_date_rows();
std::span<const Function> sprig_pattern_rows();
std::span<const Function> sprig_path_rows();
std::span<const Function> sprig_word_rows();

}  // namespace ingot::expr
