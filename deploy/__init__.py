"""How it is put together and run: the command line, the local stack. The only room that may import all."""
