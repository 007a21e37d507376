"""The shapes of callback that the provider documents, one module a group of families; ``catalogue`` lists them."""
