"""The command line: `lockgate`, one file per group of commands. Nothing heavy is imported before a command needs it."""
