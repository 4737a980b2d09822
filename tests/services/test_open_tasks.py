"""When the open tasks about a customer are due is kept with the status, by whatever way tasks come and go.

What notes and tasks have in common is in ``test_kept_with_status``.
"""

import threading

from lifecycle.models import Task
from lifecycle.services.demo.past_work import PastTask, keep_past_work
from lifecycle.services.insight import sums
from lifecycle.services.work.tasks import change_task
from tenants.context import tenant_context
from tests.services.acts import move
from tests.services.kept_with_status import (
    TASKS,
    add_a_task,
    by,
    day,
    now_by,
    people,
    task_row,
    wait_until_someone_waits,
)

__all__ = ["people"]


def change(tenant, customer, task, **more):
    with tenant_context(tenant.id):
        change_task(task, customer_id=customer.id, by=now_by(tenant), **more)


def test_open_tasks_count_by_the_day_they_are_due_and_those_without_a_day_do_not(tenant, people):
    assert TASKS.read(tenant) == {"Ann": None, "Bob": None, "Cyd": None}
    for name, days in (("Ann", 5), ("Ann", -2), ("Ann", 5), ("Ann", None), ("Bob", None)):
        add_a_task(tenant, people[name], days)
    assert TASKS.read(tenant) == {"Ann": [day(-2), day(5), day(5)], "Bob": None, "Cyd": None}
    assert sums.find_wrong_sums(tenant) == {}


def test_what_is_done_counts_no_more_until_it_is_reopened_and_what_is_put_off_counts_on_its_new_day(tenant, people):
    ann = people["Ann"]
    first, second = add_a_task(tenant, ann, -1), add_a_task(tenant, ann, 3)
    change(tenant, ann, first, done=True)
    assert TASKS.read(tenant)["Ann"] == [day(3)]
    change(tenant, ann, second, due_on=day(9))
    assert TASKS.read(tenant)["Ann"] == [day(9)]
    change(tenant, ann, first, done=False, due_on=day(2))
    assert TASKS.read(tenant)["Ann"] == [day(2), day(9)]
    change(tenant, ann, first, due_on=None)
    change(tenant, ann, second, done=True)
    assert TASKS.read(tenant)["Ann"] is None
    assert sums.find_wrong_sums(tenant) == {}


def test_the_tasks_of_many_customers_are_kept_by_one_statement_and_those_of_a_past_are_done(tenant, people):
    past = [PastTask(people[name].id, "Call", by(tenant, 9), due_on=day(-8), done=by(tenant, 9)) for name in people]
    with tenant_context(tenant.id):
        keep_past_work([], past, tenant=tenant)
    assert TASKS.read(tenant) == {"Ann": None, "Bob": None, "Cyd": None}
    with tenant_context(tenant.id):
        Task.objects.bulk_create(
            task_row(tenant, people[name], days) for name, days in (("Ann", -3), ("Cyd", 4), ("Ann", -5))
        )
    assert TASKS.read(tenant) == {"Ann": [day(-5), day(-3)], "Bob": None, "Cyd": [day(4)]}


def test_two_who_finish_tasks_of_one_customer_at_once_and_one_who_moves_it_wait_for_each_other_and_lose_nothing(
    tenant, people, in_threads
):
    ann = people["Ann"]
    tasks = [add_a_task(tenant, ann, days) for days in (1, 2, 3)]
    moved = threading.Event()

    def work(number):
        if number == 0:
            with tenant_context(tenant.id):
                move(tenant, ann, "Active")
                moved.set()
                wait_until_someone_waits()
        else:
            assert moved.wait(60)
            change(tenant, ann, tasks[number], done=True)

    assert in_threads(3, work) == [None, None, None]
    assert TASKS.read(tenant)["Ann"] == [day(1)]
    assert sums.find_wrong_sums(tenant) == {}
