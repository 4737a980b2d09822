"""What a lifecycle configuration may say and what follows from it: plain Python, no Django, no database, no clock."""
