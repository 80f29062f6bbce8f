"""The simulator: it reads a plan's bytes and shares no code with the lowering that wrote them."""
