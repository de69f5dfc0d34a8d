"""What the chip computes: the network, its tiles, where they sit and the heat they make."""
