"""What an operator needs: a look at everything the service depends on, backups, and their restoring."""
