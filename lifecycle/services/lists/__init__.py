"""What people take away of the list of customers: files, and views that they keep."""
