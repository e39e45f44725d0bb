"""What we look at: images, networks, and how they were trained."""
