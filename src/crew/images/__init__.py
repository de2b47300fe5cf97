"""Images: decoded, scaled, fetched."""
