"""Many connections on time: pacer, load models, the scenario API and the runner."""
