#!/bin/bash
# Budgets that hold, let go and stop work, on a factory with simulated GPUs.
exec python3 "$(dirname "$0")/budgets_e2e.py"
