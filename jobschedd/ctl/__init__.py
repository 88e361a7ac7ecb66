"""`jobctl`: one file a command."""
