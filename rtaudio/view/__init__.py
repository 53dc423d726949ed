"""What people see: tables and progress on the terminal, pictures of sound."""
