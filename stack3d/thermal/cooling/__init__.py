"""What takes heat away: films that follow their face, channels with coolant."""
