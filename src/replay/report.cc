#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "replay/figures.h"

namespace ingot::replay {
namespace {

constexpr double kWidth = 860, kHeight = 220, kLeft = 56, kBottom = 28, kTop = 10;
constexpr size_t kMaxSeries = 12;
constexpr const char* kColours[] = {"#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#0a7ea4"};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  return out;
}

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // days, value
};

double step_of(double most) {
  const double raw = most / 4, power = std::pow(10, std::floor(std::log10(raw)));
  for (const double n : {1.0, 2.0, 5.0})
    if (n * power >= raw) return n * power;
  return 10 * power;
}

std::string axes(double days, double most, const std::string& unit) {
  std::string out;
  const auto x = [&](double d) { return kLeft + d / days * (kWidth - kLeft - 10); };
  const auto y = [&](double v) { return kTop + (1 - v / most) * (kHeight - kTop - kBottom); };
  for (double v = 0; v <= most * 1.0001; v += step_of(most))
    out += fmt::format(
        "<line x1='{}' x2='{}' y1='{:.1f}' y2='{:.1f}' class='grid'/><text x='{}' y='{:.1f}' "
        "class='end'>{:g}{}</text>\n",
        kLeft, kWidth - 10, y(v), y(v), kLeft - 6, y(v) + 4, v, unit);
  for (double d = 0; d <= days * 1.0001; d += step_of(days))
    out += fmt::format("<text x='{:.1f}' y='{}' class='mid'>{:g}{}</text>\n", x(d), kHeight - 8, d,
                       d == 0 ? " days" : "");
  return out;
}

std::string plot(const std::string& title, const std::string& unit, double most, std::vector<Series> series) {
  double days = 1e-6;
  for (const Series& s : series)
    for (const auto& [d, v] : s.points) {
      days = std::max(days, d);
      most = std::max(most, v);
    }
  const size_t all = series.size();
  if (all > kMaxSeries) series.resize(kMaxSeries);
  std::string out = fmt::format("<h2>{}</h2>\n<svg viewBox='0 0 {} {}' role='img' aria-label='{}'>\n{}",
                                title, kWidth, kHeight, title, axes(days, most, unit));
  std::string legend;
  for (size_t i = 0; i < series.size(); ++i) {
    const char* colour = kColours[i % std::size(kColours)];
    out += fmt::format("<polyline fill='none' stroke='{}'{} points='", colour,
                       i < std::size(kColours) ? "" : " stroke-dasharray='5 3'");
    for (const auto& [d, v] : series[i].points)
      out += fmt::format("{:.1f},{:.1f} ", kLeft + d / days * (kWidth - kLeft - 10),
                         kTop + (1 - v / most) * (kHeight - kTop - kBottom));
    out += "'/>\n";
    legend += fmt::format("<span style='color:{}'>&#9644; {}</span> ", colour, escaped(series[i].name));
  }
  if (all > kMaxSeries) legend += fmt::format("and {} more that are not drawn", all - kMaxSeries);
  return out + "</svg>\n<p class='legend'>" + legend + "</p>\n";
}

Series over_time(const Outcome& o, double Sample::* value) {
  Series s{o.scenario.title, {}};
  for (const Sample& sample : o.result.samples) s.points.emplace_back(sample.at_s / 86400, sample.*value);
  return s;
}

std::string named(const Outcome& o, const std::string& tenant, bool several) {
  return several ? o.scenario.title + ", " + tenant : tenant;
}

// By the day a job was submitted: the average wait of that day's, in hours.
std::vector<Series> waits(const std::vector<Outcome>& outcomes) {
  std::vector<Series> out;
  for (const Outcome& o : outcomes)
    for (const auto& [name, t] : o.result.tenants) {
      Series s{named(o, name, outcomes.size() > 1), {}};
      for (size_t day = 0; day < t.wait_by_day.size(); ++day)
        if (t.wait_by_day[day] >= 0) s.points.emplace_back(double(day), t.wait_by_day[day] / 3600);
      out.push_back(std::move(s));
    }
  return out;
}

std::vector<Series> fairness(const std::vector<Outcome>& outcomes) {
  std::vector<Series> out;
  for (const Outcome& o : outcomes)
    for (const auto& [name, t] : o.result.tenants) {
      Series s{named(o, name, outcomes.size() > 1), {}};
      for (size_t day = 0; day < t.share_by_day.size(); ++day)
        if (t.share_by_day[day] >= 0)
          s.points.emplace_back(double(day), 100 * std::min(1.0, t.share_by_day[day]));
      out.push_back(std::move(s));
    }
  return out;
}

std::string table(const std::vector<Outcome>& outcomes) {
  std::vector<std::pair<std::string, std::vector<std::string>>> rows;
  for (size_t i = 0; i < outcomes.size(); ++i)
    for (const auto& [name, value] : figures_text(outcomes[i].result)) {
      auto row = std::ranges::find(rows, name, [](const auto& r) { return r.first; });
      if (row == rows.end()) row = rows.insert(rows.end(), {name, std::vector<std::string>(outcomes.size())});
      row->second[i] = value;
    }
  std::string out = "<table><tr><th></th>";
  for (const Outcome& o : outcomes) out += "<th>" + escaped(o.scenario.title) + "</th>";
  out += "</tr>\n";
  for (const auto& [name, values] : rows) {
    out += "<tr><td>" + escaped(name) + "</td>";
    for (const std::string& value : values) out += "<td class='n'>" + value + "</td>";
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

constexpr const char* kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em;color:#1f2328}"
    "h1{font-size:1.4em}h2{font-size:1.05em;margin:1.6em 0 .3em}svg{width:100%;height:auto}"
    "svg text{font-size:11px;fill:#59636e}.end{text-anchor:end}.mid{text-anchor:middle}.grid{stroke:#e5e8eb}"
    "table{border-collapse:collapse}td,th{padding:.15em 1.2em .15em 0;text-align:left}.n{text-align:right}"
    ".legend{font-size:13px;margin:0}";

}  // namespace

std::string report_html(const std::string& title, const std::vector<Outcome>& outcomes) {
  std::vector<Series> allocated, fragmented;
  for (const Outcome& o : outcomes) {
    allocated.push_back(over_time(o, &Sample::allocated_pct));
    fragmented.push_back(over_time(o, &Sample::fragmented_pct));
  }
  return "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>" + escaped(title) +
         "</title>\n<style>" + kStyle + "</style></head><body>\n<h1>" + escaped(title) + "</h1>\n" +
         table(outcomes) + plot("GPUs allocated", " %", 100, std::move(allocated)) +
         plot("GPUs free, but of no use to the work of the trace", " %", 1, std::move(fragmented)) +
         plot("Average queue wait by tenant, by day of submission", " h", 1, waits(outcomes)) +
         plot("Share had, of what was due: the smaller of demand and fair share, by tenant and day", " %",
              100, fairness(outcomes)) +
         "</body></html>\n";
}

}  // namespace ingot::replay
