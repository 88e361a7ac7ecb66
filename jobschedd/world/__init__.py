"""What touches the machine. One room a thing; rooms do not know each other."""
