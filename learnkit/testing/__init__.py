"""What tests need: of learnkit itself, and of the plugins that others write for it."""
