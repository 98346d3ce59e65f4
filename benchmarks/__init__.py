"""What the suite costs and how often it errs: measured here, used by nothing in the library.

`make bench` measures cost beside the trials, one module for each row of `reports/benchmarks.md`; `make calibration`
measures error rates, of the decision engine (`calibration`) and of the whole pipeline (`proof`).
"""
