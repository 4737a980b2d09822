"""The description of the API (OpenAPI 3.1), by part: what no serializer can say."""
