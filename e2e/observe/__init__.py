"""What the services did: start them, follow their logs, find import errors in what they say."""
