"""Real applications, replayed against three servers and compared. README.md says how."""
