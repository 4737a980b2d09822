"""The API's actions: required permission, parse, one call, render."""
