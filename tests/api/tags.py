"""What proxies make of the entity tag \"1\" when they compress an answer."""

REWRITTEN = (
    # nginx, Cloudflare, HAProxy
    'W/"1"',
    # Caddy
    '"1-gzip"',
    '"1-zstd"',
    # Apache
    '"1-br"',
    # Jetty, by version
    '"1;gzip"',
    '"1--gzip"',
    # two of them, one behind the other
    'W/"1-gzip"',
    'W/"1;gzip"',
    '"1-br-gzip"',
    # forms of other products
    '"1_gzip"',
    '"1:gzip"',
    '"1.deflate"',
    '"1-x-gzip"',
    'w/"1-GZIP"',
)
