"""What a core can run: `cost` says how long a call takes, `packets` what it is told."""
