"""What `verify` looks at: a part of an installation a file."""
