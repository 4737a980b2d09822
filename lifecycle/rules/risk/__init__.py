"""Rules about customers at risk, played over what was known of a customer. Plain functions over plain data."""
