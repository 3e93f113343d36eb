"""How far to go from the new task model, and in which directions: asked of validation samples."""
