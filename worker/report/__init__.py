"""What people look at: a result as one HTML file, and the control service's page."""
