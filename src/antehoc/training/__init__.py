"""The one loop and its phases; the only door to Lightning."""
