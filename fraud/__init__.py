"""The domain: pure functions over columns of payments. No IO, no clock, no randomness, no logging."""
