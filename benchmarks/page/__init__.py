"""The page under load, in a real Chromium: ``python -m benchmarks.page`` (or ``make bench-page``).

* :mod:`benchmarks.page.load`: the traffic, as summaries of calls.
* :mod:`benchmarks.page.measure`: what is measured inside the browser, and how.
"""
