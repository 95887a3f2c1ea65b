"""The claims of the paper as data, and the commands that check them."""
