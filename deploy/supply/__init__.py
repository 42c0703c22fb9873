"""What Burnline is made of: each locked package and jar, its licence, and a bill of materials."""
