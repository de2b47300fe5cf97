"""What each family of providers does: one file each, written apart from the guard's.

Below the emulator's root each provider has its name as a path of its own, and there
the paths of the real host. A client of litellm is led there by an `api_base` of
`{root}/{provider}/{path}`, with the family's `path`.
"""
