"""The folder `data` beside this file holds what `stillright demo` runs on."""
