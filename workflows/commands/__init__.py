"""What a person or CI calls: one subcommand a file."""
