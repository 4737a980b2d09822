"""What may happen to a customer, decided by plain functions: no Django, no database, no clock."""
