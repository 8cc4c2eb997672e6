"""One space for what a product looks like, is called and sounds like."""
