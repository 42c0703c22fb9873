"""What `burnline bench` measures, one module each."""
