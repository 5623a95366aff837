package directory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

const timeFormat = time.RFC3339

// fields are the members of a record that are told.
type fields map[string]json.RawMessage

// json writes the members that may be told, nil when there are none.
func (f fields) json() json.RawMessage {
	if len(f) == 0 {
		return nil
	}
	told := make(fields, len(f))
	for name, value := range f {
		told[name] = redacted(name, value)
	}
	data, err := json.Marshal(told)
	if err != nil {
		panic(fmt.Sprintf("what was JSON still is: %v", err))
	}
	return data
}

func (f fields) text(name string) (s string) {
	_ = json.Unmarshal(f[name], &s) // absent, or no text: ""
	return s
}

func (f fields) only(name string) fields { return f.as(name, name) }

// as returns one member under another name.
func (f fields) as(name, to string) fields {
	if v, ok := f[name]; ok {
		return fields{to: v}
	}
	return nil
}

func union(a, b fields) fields {
	out := make(fields, len(a)+len(b))
	for _, m := range []fields{a, b} {
		for name := range m {
			out[name] = nil
		}
	}
	return out
}

func quote(s string) json.RawMessage {
	data, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("text always marshals: %v", err))
	}
	return data
}

// membersOf takes a record apart, nil when there is none.
func membersOf(record []byte) (out fields) {
	if record == nil {
		return nil
	}
	if err := json.Unmarshal(record, &out); err != nil {
		panic(fmt.Sprintf("a record is an object: %v", err))
	}
	delete(out, "v")
	return out
}

// whole returns the record as it is, or as it was when it is gone.
func whole(c store.Changed) fields {
	if c.After != nil {
		return membersOf(c.After)
	}
	return membersOf(c.Before)
}

// differing returns the members that differ, as they were and as they are.
func differing(c store.Changed) (before, after fields) {
	before, after = membersOf(c.Before), membersOf(c.After)
	for name := range before {
		if v, ok := after[name]; ok && bytes.Equal(v, before[name]) {
			delete(before, name)
			delete(after, name)
		}
	}
	return before, after
}

// redacted replaces what the log must not keep: secrets and what is made of them, and what a person may want forgotten, which a
// chain of hashes cannot do. That it changed is still told.
func redacted(name string, value json.RawMessage) json.RawMessage {
	switch {
	case slices.ContainsFunc(secretNames, func(end string) bool { return strings.HasSuffix(name, end) }):
		return json.RawMessage(`"[redacted]"`)
	case slices.Contains(personalNames, name):
		return json.RawMessage(`"[not kept]"`)
	}
	return value
}

var (
	secretNames   = []string{"hash", "secret", "secrets", "password", "pepper", "sealed", "token", "proof", "code", "private"}
	personalNames = []string{"email", "claims"}
)
