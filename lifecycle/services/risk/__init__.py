"""Rules about customers at risk: played over the past, and watched as customers live on."""
