"""Made-up tenants with two years of history, for looking at the product; see ``loading``."""
