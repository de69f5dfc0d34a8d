"""What is built: a scenario's stack, network, crossbars and devices."""
