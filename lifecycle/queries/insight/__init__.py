"""Questions about stays and the sums over them."""
