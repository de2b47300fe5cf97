"""The protocols that the emulator speaks."""
