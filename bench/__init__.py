"""The benchmarks: each figure beside its limit and its peer, taken in the same run on the same server and rows."""
