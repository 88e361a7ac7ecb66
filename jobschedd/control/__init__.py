"""What the daemon can be asked and told from outside: the methods of io.jobschedd, who may call them, what they do."""
