// What every exporter says of its own process, by Prometheus' names. Reads /proc. Any thread.
#pragma once

#include "metering/exposition.h"

namespace ingot {

void add_process_metrics(metering::Exposition&);

}  // namespace ingot
