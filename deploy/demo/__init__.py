"""The demo: a company's working day through the whole stack, and whether what came out is what is true."""
