"""What sts-bridge is built from: its packages and libraries, their calls, and the bill of materials."""
