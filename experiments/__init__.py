"""The trials: plain functions of a seed and a condition's parameters."""
