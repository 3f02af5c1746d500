"""A fleet's signed repository: keys, roles, releases and channels. `repository.Repository` is the way in."""
