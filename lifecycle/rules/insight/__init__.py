"""What a history says: stays, flows, curves. Plain functions over plain data."""
