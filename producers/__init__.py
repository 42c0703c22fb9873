"""How usage enters: one pure file per dialect, replay, simulate; `client/` runs in other people's processes."""
