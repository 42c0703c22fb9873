"""What we conclude: rating prices events, burn judges sums; Faust workers over Kafka transactions."""
