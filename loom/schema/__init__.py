"""Where descriptors come from (reflection, ``.proto`` files, descriptor sets)."""
