package config

import "strings"

// A Fault is one thing that is wrong with a configuration. Key is its key, or that of the section, or "" when the fault is of
// the file as a whole.
type Fault struct{ Key, Message string }

// String returns "key: message".
func (f Fault) String() string {
	if f.Key == "" {
		return f.Message
	}
	return f.Key + ": " + f.Message
}

// Faults is the error of Load: all that is wrong, in the order in which it was found. It shows no secret.
type Faults []Fault

// Error returns one fault a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}
