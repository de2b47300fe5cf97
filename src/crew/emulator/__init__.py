"""The provider emulator: speaks the providers' protocols and enforces their limits.

It shares no window arithmetic with `crew.quota`, so that it can judge it.
"""
