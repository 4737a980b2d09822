"""What leaves the product over HTTP and SMTP: one delivery a call, bounded in time, without a database."""
