"""Usage and cost reports as the providers' admin APIs give them: what a provider says that we used. Pure."""
