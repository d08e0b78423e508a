"""One module for each group of commands; the registry imports a module when it is called."""
