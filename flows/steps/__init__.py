"""The steps of the stories: plain blocking functions that know nothing of who runs them."""
