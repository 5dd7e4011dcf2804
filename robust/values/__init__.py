"""Values that come from anywhere: numbers of any library, text for any reader, secrets."""
