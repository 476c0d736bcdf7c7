// The commands about budgets.
#include "ingot/command_tree.h"

namespace ingot {

void CommandLine::add_budgets() {
  BudgetOptions& in = in_.budget;
  auto* budget =
      command(app_, "budget", "Money for a time: what it was spent on, and what happens when it is", nullptr,
              nullptr);
  budget->require_subcommand(1);
  listing(command(*budget, "list", "Budgets, and how they stand", "ingot budget list",
                  [this] { return budget_list(in_.common); }));
  const auto named = [&](const char* name, const char* what, const char* example, auto run) {
    auto* sub = command(*budget, name, what, example, [this, run] { return run(in_.common, in_.budget); });
    sub->add_option("NAME", in.name, "the budget's name")->required();
    return sub;
  };
  listing(named("show", "How a budget stands, and its dearest work", "ingot budget show vision-month",
                budget_show));
  auto* create =
      named("create", "Make a budget",
            "ingot budget create vision-month --tenant vision --amount 500 --soft 80%=lower-priority",
            budget_create);
  auto* set = named("set", "Change a budget", "ingot budget set vision-month --amount 800", budget_set);
  create->add_option("--amount", in.amount, "how much, such as 500.00")->required()->type_name("N");
  set->add_option("--amount", in.amount, "how much, such as 500.00")->type_name("N");
  for (auto* sub : {create, set}) {
    sub->add_option("--tenant", in.tenants, "whose work; of all tenants if not given")
        ->type_name("T")
        ->allow_extra_args(false);
    sub->add_option("--queue", in.queues, "in which queues, and below them; in all if not given")
        ->type_name("Q")
        ->allow_extra_args(false);
    sub->add_option("--currency", in.currency, "as prices have it; USD if not given")->type_name("C");
    sub->add_option("--period", in.period, "day, week or month; month if not given")
        ->check(CLI::IsMember({"day", "week", "month"}))
        ->type_name("P");
    sub->add_option(
           "--soft", in.soft,
           "what happens first, such as 80%=notify; the actions are notify, lower-priority, hold-new and "
           "stop; `none` takes it away")
        ->type_name("AT=ACTION");
    sub->add_option("--hard", in.hard, "what happens at the end; 100%=hold-new if not given")
        ->type_name("AT=ACTION");
    sub->add_option("--assumed-run-time", in.assumed,
                    "how long work runs of which nothing is known; 1h if not given")
        ->type_name("D");
    listing(sub);
  }
  named("delete", "Delete a budget: what it held goes on", "ingot budget delete vision-month", budget_delete);
}

}  // namespace ingot
