"""Scripts that build benchmark networks and measure the compiler."""
