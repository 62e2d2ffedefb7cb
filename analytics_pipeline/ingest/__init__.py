"""Sources to raw.events, exactly once; what is refused goes to raw.quarantine. What an event is, is `events`' business."""
