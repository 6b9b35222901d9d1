"""Clock, supervised tasks, backoff and broadcast: the few asyncio pieces everything stands on.

Law: standard library only; nothing else in the project reads a clock, sleeps or starts a task by itself.
"""
