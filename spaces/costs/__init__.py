"""What layers cost, and the latency of a device's operators."""
