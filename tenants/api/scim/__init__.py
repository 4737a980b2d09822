"""SCIM 2.0 (RFC 7643, RFC 7644): the people of a tenant, provisioned by its directory."""
