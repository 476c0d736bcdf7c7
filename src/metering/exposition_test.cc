#include "metering/exposition.h"

#include <gtest/gtest.h>

#include <limits>

namespace ingot::metering {
namespace {

TEST(Exposition, KeepsEveryFamilyInOnePiece) {
  Exposition page;
  page.family("a", "gauge", "The first.");
  page.family("b_seconds", "histogram", "The second.");
  page.family("never", "gauge", "Has no samples.");
  page.sample("a", {{"gpu", "0"}, {"pod", ""}}, 1.5);
  page.sample("b_seconds", {{"le", "0.1"}}, 2, "_bucket");
  page.sample("a", {}, std::numeric_limits<double>::infinity());
  EXPECT_EQ(page.text(),
            "# HELP a The first.\n# TYPE a gauge\na{gpu=\"0\"} 1.5\na +Inf\n"
            "# HELP b_seconds The second.\n# TYPE b_seconds histogram\nb_seconds_bucket{le=\"0.1\"} 2\n");
  EXPECT_EQ(page.samples(), 3u);
}

TEST(Exposition, ALabelCannotEndItself) {
  Exposition page;
  page.family("a", "gauge", "x");
  page.sample("a", {{"l", "q\"} 1\n\\"}}, 0);
  EXPECT_EQ(page.text().substr(page.text().find("a{")), "a{l=\"q\\\"} 1\\n\\\\\"} 0\n");
}

TEST(Exposition, LargeNumbersStayWhole) {
  Exposition page;
  page.family("a", "counter", "x");
  page.sample("a", {}, 123456789012.0);
  EXPECT_NE(page.text().find("a 123456789012"), std::string::npos) << page.text();
}

}  // namespace
}  // namespace ingot::metering
