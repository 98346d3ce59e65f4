"""`make bench`: what the suite costs beside its trials, one module for each row of `reports/benchmarks.md`."""
