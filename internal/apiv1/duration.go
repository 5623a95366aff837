package apiv1

import (
	"fmt"
	"strings"
	"time"
)

// A Duration is written as Go writes one, without the parts that are zero: "15m", "1h30m".
type Duration time.Duration

// String returns the shortest text that UnmarshalText reads back as d.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText returns String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration of 0s or more.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return fmt.Errorf("%.40q is not a duration such as 15m or 24h", text)
	}
	*d = Duration(v)
	return nil
}
