"""Where a customer's stage is asked for, and its history."""


def address(customer_id):
    return f"/api/v1/customers/{customer_id}/lifecycle"
