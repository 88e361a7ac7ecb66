"""The small second process that starts jobs, contains them and reaps them. Standard library only."""
