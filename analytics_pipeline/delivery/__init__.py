"""Mail, webhooks and files: brings alerts to people. Reads ops.alerts; nobody imports it but the roof."""
