"""How pages and API are served: an event loop reads requests and writes answers, threads run Django between the two.

What a client does slowly (send its headers or its body, read its answer) costs a place on the loop and never a thread.
``docs/decisions/0014-serving.md`` says why.
"""
