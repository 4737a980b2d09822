"""What a stage change starts: planned under the lock, written with the history, run by workers of their own."""
