"""``%wxmilestone``: grammar, subcommands, displays."""
