"""What files hold, and how they are written and read."""
