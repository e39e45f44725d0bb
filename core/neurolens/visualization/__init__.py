"""The paper's first half (§2): what a unit looks for, what would fool an image."""
