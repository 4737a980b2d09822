"""How likely customers are to churn within 90 days: learned from a tenant's own past, and proved on it.

``fitting`` and ``proof`` compute with numpy, which only the nightly job loads; ``landmarks``, ``model`` and ``tables``
are plain Python, for pages and for one customer at a time.
"""
