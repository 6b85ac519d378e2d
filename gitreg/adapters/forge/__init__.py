"""Where change requests live, behind the ``Forge`` port; and the SSH signatures that approvals are made with."""
