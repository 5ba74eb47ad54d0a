"""What nobody else does: one module a maintenance job, and the sweep that runs them all.

Each job is bounded, does nothing where there is nothing to do, and writes under the same guard as
everybody else: it reads a job again and judges it before it writes, so two sweeps at once, or a
sweep beside a worker, do no harm.
"""
