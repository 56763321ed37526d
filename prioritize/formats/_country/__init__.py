"""The invented country behind `format = "synthetic"`: ground, terrain, society, life, conservation, names."""
