"""What people write down about customers: notes, tasks, and what both are shown with."""
