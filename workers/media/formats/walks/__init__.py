"""The walks, one module for each family of formats. The door is ``formats.walk``, which chooses one of them."""
