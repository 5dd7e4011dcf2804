"""One run: composed, validated, built, trained, evaluated, recorded."""
