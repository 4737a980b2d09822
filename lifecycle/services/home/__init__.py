"""What people keep of the first page: customers they have put aside, and when they were last there."""
