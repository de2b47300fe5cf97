"""What each family of providers wants and reports: one file each."""
