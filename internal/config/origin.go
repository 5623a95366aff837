package config

// IsDefault reports whether nobody set the key: its value is the default, or what dev puts in its place.
func (c *Config) IsDefault(key string) bool {
	origin := c.origins[key]
	return origin == "" || origin == "dev"
}
