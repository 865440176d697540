"""When drift is worth an alarm: what panes do by themselves, a threshold with a stated budget, and the alarm's life."""
