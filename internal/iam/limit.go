package iam

import "time"

// A Limit is how many of something may happen within any time of the length of Window.
type Limit struct {
	Most   int
	Window time.Duration
}
