"""One command, isolated: it sees the worktree and the system's programs alone."""
