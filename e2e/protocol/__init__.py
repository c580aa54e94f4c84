"""What the services and a device may say to each other. No sockets, no clock."""
