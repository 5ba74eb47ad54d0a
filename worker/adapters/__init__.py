"""The concrete stores, doorbells and files behind the ports."""
