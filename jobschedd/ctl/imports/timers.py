"""tmp"""
def read_timers(*a, **k): return iter(())
