"""`artkit studio`: a server and a page on which people paint, watch, steer and choose. Needs the extra `studio`."""
