"""What is known of Claude Code and GSD: command line, hooks, transcript, screens, delivery."""
