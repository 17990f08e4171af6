"""What runs inside Spark's own interpreter: it imports nothing of runmend."""
